import type { PageUser } from '@pipit/shared/protocol'

/** Whom a page is shown to, as far as it may claim: what is decided for it, and whom its reports are about. */
export interface Visitor {
  readonly user: PageUser | undefined
  readonly cookies: { readonly [name: string]: string }
  /** Of the request, not of what the page says. */
  readonly agent: string | undefined
  /** False: lists of members and overrides do not hold for it, whatever its anonymous id is. */
  readonly isProved: boolean
  /** Something that it claimed was left out: the page is to be told. */
  readonly isRefused: boolean
}
