export type { PageResult, PageRollout, PageRuleset } from '../rules/index.ts'

/** The user of a page, in its `hello`: an id or anonymous id, and attributes. At most `wireLimits.pageUserBytes` as JSON. */
export interface PageUser {
  readonly id?: string | number
  readonly anonymousId?: string
  readonly [attribute: string]: unknown
}

/** Stands in a page's report for the page's own user, whose hash only the server knows. */
export const pageUnit = '0000000000000000'
