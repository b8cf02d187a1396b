import type { PageUser } from '@pipit/shared/protocol'

/** Whom a page is shown to, as far as it may claim: what is decided for it, and whom its reports are about. */
export interface Visitor {
  readonly user: PageUser | undefined
  readonly cookies: { readonly [name: string]: string }
  /** Of the request, not of what the page says. */
  readonly agent: string | undefined
}
