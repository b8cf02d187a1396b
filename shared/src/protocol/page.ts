import type { DroppedCounts, Hello, OutcomeKind } from './messages.ts'

export type { PageResult, PageRollout, PageRuleset } from '../rules/index.ts'

/** The user of a page, in its `hello`: an id or anonymous id, and attributes. At most `wireLimits.pageUserBytes` as JSON. */
export interface PageUser {
  readonly id?: string | number
  readonly anonymousId?: string
  readonly [attribute: string]: unknown
}

/** What a page tells of a decision for its own user, whose units and slices only the server puts in. */
export interface PageDecision {
  readonly rollout: string
  readonly epoch: number
  readonly variant: string
  readonly reason: string
  /** The rule that decided, where it deals users out. */
  readonly rule?: string
  readonly randomised: boolean
}

/** How a decision ended. */
export interface PageOutcome extends PageDecision {
  readonly ok: boolean
  readonly kind?: OutcomeKind
}

/** Something that the page's user did. `at`: when, by the clock of `PagePost.now`. */
export interface PageEvent {
  readonly event: string
  readonly at: number
  readonly value?: number
  /** Makes the event idempotent. */
  readonly id?: string
}

/**
 * What happened in a page, told as it was: the server adds it up. Items that are none are left out and counted, the rest of the report stands. `seq` counts
 * from 1 for each instance; a report is repeated unchanged until acknowledged, and tells itself whom it is about.
 */
export interface PageReport extends Pick<Hello, 'user' | 'userHash' | 'cookies'> {
  readonly seq: number
  /**
   * Each thing that happened as JSON, with an entry for each time it did: a `PageOutcome` (it has `ok`), whose entries are latencies in milliseconds, null
   * where there is none; a `PageEvent` (it has `event`); or else a `PageDecision` that the user met for the first time.
   */
  readonly items: { readonly [json: string]: readonly (number | null)[] }
  readonly dropped?: DroppedCounts
}

/**
 * What a page posts to `/sdk/v1/page`: its greeting where it has no socket, its reports in the order of their sequences, or both. Of any content type, so
 * that browsers ask nothing before. The answer is an array of messages: an `ack` or `error` for each report, then what a socket would answer to the `hello`.
 */
export type PagePost = {
  readonly key: string
  /** The page's own clock as it posts, in milliseconds since whenever. */
  readonly now: number
  readonly reports?: readonly PageReport[]
} & (Hello | ({ readonly type: 'reports' } & Pick<Hello, 'sdk' | 'instance'>))
