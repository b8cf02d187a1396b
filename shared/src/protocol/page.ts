import type { DroppedCounts, Hello, OutcomeKind } from './messages.ts'

export type { PageResult, PageRollout, PageRuleset } from '../rules/index.ts'

/** The user of a page, in its `hello`: an id or anonymous id, and attributes. At most `wireLimits.pageUserBytes` as JSON. */
export interface PageUser {
  readonly id?: string | number
  readonly anonymousId?: string
  readonly [attribute: string]: unknown
}

/** What a page reports of a decision for its own user, whose units and slices only the server puts in. */
export interface PageDecision {
  readonly rollout: string
  readonly epoch: number
  readonly variant: string
  readonly reason: string
  /** The rule that decided, where it deals users out. */
  readonly rule?: string
  readonly randomised: boolean
}

/** Outcomes of one decision that ended alike; one for each entry of `ms`. */
export interface PageOutcomes extends PageDecision {
  readonly ok: boolean
  readonly kind?: OutcomeKind
  /** The latencies in milliseconds, null where there is none. */
  readonly ms: readonly (number | null)[]
}

/** Something that the page's user did. `ageMs`: how long before the request was sent. */
export interface PageEvent {
  readonly event: string
  readonly ageMs: number
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
  readonly outcomes?: readonly PageOutcomes[]
  /** Decisions that the user met for the first time. */
  readonly exposures?: readonly PageDecision[]
  readonly events?: readonly PageEvent[]
  readonly dropped?: DroppedCounts
}

/**
 * What a page posts to `/sdk/v1/page`: its greeting where it has no socket, its reports in the order of their sequences, or both. Of any content type, so
 * that browsers ask nothing before. The answer is an array of messages: an `ack` or `error` for each report, then what a socket would answer to the `hello`.
 */
export type PagePost = { readonly key: string; readonly reports?: readonly PageReport[] } & (
  | Hello
  | ({ readonly type: 'reports' } & Pick<Hello, 'sdk' | 'instance'>)
)
