import type { MemberDelta, MemberList, Ruleset, RulesetCohort, RulesetRollout } from '../rules/index.ts'
import type { PageRollout, PageRuleset, PageUser } from './page.ts'

/** Version of the wire; a server answers a `hello` of a version it does not speak with error `protocol-version`. */
export const protocolVersion = 1

/** First message of an SDK; sent again without `version` to ask for the whole ruleset. */
export interface Hello {
  readonly type: 'hello'
  readonly protocol: number
  readonly sdk: { readonly name: string; readonly version: string }
  /** Random id of this running SDK; a new one at each start of the process. */
  readonly instance: string
  /** The ruleset the SDK holds, if any. */
  readonly version?: number
  /** Free labels for people: host, region, app version. */
  readonly labels?: { readonly [name: string]: string }
  /** Of a page: its user, as far as the application names one. */
  readonly user?: PageUser
  /** Of a page: the cookies that the application passes on, for rules that look at them. */
  readonly cookies?: { readonly [name: string]: string }
  /** Of a page: proof that its own server knows the user, the hex HMAC-SHA256 of the id under the environment's page secret. */
  readonly userHash?: string
}

/** How the server wants to be talked to. */
export interface Cadence {
  readonly flushMs: number
  readonly heartbeatMs: number
}

export interface RulesetMessage extends Cadence {
  readonly type: 'ruleset'
  readonly ruleset: Ruleset
}

/** What a page gets in its place. */
export interface PageRulesetMessage extends Cadence {
  readonly type: 'ruleset'
  readonly ruleset: PageRuleset
}

/** Changed top-level fields of a rollout; `null` removes a field. A rollout the SDK does not hold arrives with all its fields. */
export type RolloutPatch = { readonly [K in keyof RulesetRollout]?: RulesetRollout[K] | null }

/**
 * Changed fields of a cohort; `null` removes a field. Members come as a whole list, or as a delta of the list that the SDK holds: one of
 * another list does not fit.
 */
export interface CohortPatch {
  readonly when?: RulesetCohort['when'] | null
  readonly members?: MemberList | MemberDelta | null
}

/**
 * The way from ruleset `from` to ruleset `version`. With `from === version` nothing changed: it is the answer to a `hello`
 * that already holds the newest ruleset, or a change of cadence alone.
 */
export interface PatchMessage extends Partial<Cadence> {
  readonly type: 'patch'
  readonly from: number
  readonly version: number
  /** The environment's holdback, where it changed. */
  readonly holdback?: number
  readonly rollouts?: { readonly [key: string]: RolloutPatch }
  /** Cohorts that are new or changed. */
  readonly cohorts?: { readonly [key: string]: CohortPatch }
  readonly removed?: { readonly rollouts?: readonly string[]; readonly cohorts?: readonly string[] }
}

/**
 * The same for a page: from one page ruleset to the next, where `result` is one more field; where a rollout went, the page gets the whole. With `from === version` the results alone may have
 * changed: another user, or another time of day.
 */
export interface PagePatchMessage extends Omit<PatchMessage, 'holdback' | 'rollouts' | 'cohorts' | 'removed'> {
  /** Always there: empty where the new version changed nothing that pages see. */
  readonly rollouts: { readonly [key: string]: { readonly [K in keyof PageRollout]?: PageRollout[K] | null } }
}

/** Receipt: this instance now decides by `version`. */
export interface Applied {
  readonly type: 'applied'
  readonly version: number
}

/** What kind of failure an outcome was, where the application says so: a response of class 4xx or 5xx, its own fault, another service's. */
export const outcomeKinds = ['4xx', '5xx', 'application', 'dependency'] as const
export type OutcomeKind = (typeof outcomeKinds)[number]

/**
 * Outcomes of one (rollout, epoch, variant, stratum) since the last report, already added up.
 * `buckets` is a flat table: for each user bucket with any outcome a row of `columns` numbers
 * `[bucket, n, failed, timed, over_0 … over_k]`, where `timed` counts outcomes that carried a latency and `over_i` those of
 * them above `thresholds.ms[i]`. On the wire `buckets` and each of `kinds` are texts (see outcome-text.ts), and `columns` is not sent.
 */
export interface OutcomeCell {
  readonly rollout: string
  readonly epoch: number
  readonly variant: string
  /** `split` for randomised decisions, `rule:<name>` for a fixed split in a rule, `forced` for all others. */
  readonly stratum: string
  /** `thresholds.version` of the ruleset that `over_*` were counted against; 0 when it named none. */
  readonly thresholds: number
  /** Numbers in a row of `buckets`: 4 + how many thresholds were counted. */
  readonly columns: number
  readonly buckets: readonly number[]
  /** Latency sketch of the timed outcomes (see shared/sketch), absent when none carried a latency. */
  readonly latency?: string
  /** Failures by kind: flat pairs `[bucket, failed]`, each bucket once; failures without a kind are in none. */
  readonly kinds?: { readonly [K in OutcomeKind]?: readonly number[] }
  /**
   * The same outcomes by the value of each of the rollout's `slices`: sums over buckets `[n, failed, timed, over_0 … over_k]`. At most
   * `wireLimits.sliceValues` values of an attribute; the rest is under `(other)`.
   */
  readonly slices?: { readonly [attribute: string]: { readonly [value: string]: readonly number[] } }
}

/** Units seen for the first time by this instance under one (rollout, epoch, variant, stratum): 64-bit hashes, 16 hex digits each. */
export interface ExposureCell {
  readonly rollout: string
  readonly epoch: number
  readonly variant: string
  readonly stratum: string
  readonly reason: string
  readonly units: readonly string[]
  /** Values of the rollout's `slices` that these units have in common: units of other values are in cells of their own. */
  readonly slice?: { readonly [attribute: string]: string }
}

/** Something a unit did. `ageMs`: how long before the report was sent. */
export interface EventItem {
  readonly event: string
  readonly unit: string
  readonly ageMs: number
  readonly value?: number
  /** Makes the event idempotent: a second one with this id has no effect. */
  readonly id?: string
}

/** A local breaker that is open. */
export interface BreakerState {
  readonly rollout: string
  readonly epoch: number
  /** Outcomes of the canary and of stable that opened it. */
  readonly canary: { readonly n: number; readonly failed: number }
  readonly stable: { readonly n: number; readonly failed: number }
}

/** What had to be dropped or could not be understood since the last report, by kind. */
export interface DroppedCounts {
  readonly outcomes?: number
  readonly exposures?: number
  readonly events?: number
  /** Conditions with an operator this SDK does not know. */
  readonly unknownOperators?: number
  /** Outcomes or events given in a wrong form by the application. */
  readonly invalid?: number
  /** Whole reports of a page that the server has refused for good. */
  readonly reports?: number
}

/** What an SDK sends up. `seq` counts from 1 for each instance; a report is repeated unchanged until acknowledged. */
export interface Report {
  readonly type: 'report'
  readonly seq: number
  readonly outcomes?: readonly OutcomeCell[]
  readonly exposures?: readonly ExposureCell[]
  readonly events?: readonly EventItem[]
  /** All breakers that are open now; sent while any is, and once when the last one closes (empty). */
  readonly breakers?: readonly BreakerState[]
  readonly dropped?: DroppedCounts
}

/** The report `seq` is durable (or was before): forget it. */
export interface Ack {
  readonly type: 'ack'
  readonly seq: number
}

export interface Ping {
  readonly type: 'ping'
}
export interface Pong {
  readonly type: 'pong'
}

export const wireErrorCodes = [
  'bad-message',
  'bad-report',
  'hello-first',
  'protocol-version',
  'unauthorized',
  'revoked',
  'too-large',
  'unavailable',
  /** A limit of the server, named in the message, is reached for now. */
  'limit',
  /** The page's user could not be proved, and counts as anonymous. The socket stays open. */
  'user-hash',
] as const
export type WireErrorCode = (typeof wireErrorCodes)[number]

/** `retry: false` means that the same message will never be accepted; a rejected report (`seq`) is to be dropped and counted. */
export interface WireError {
  readonly type: 'error'
  readonly code: WireErrorCode
  readonly message: string
  readonly retry: boolean
  /** Path of the fault inside the message. */
  readonly path?: string
  /** The report that was refused. */
  readonly seq?: number
  /** With `retry`: send the same again no sooner than after this many milliseconds, 0 to 60 000. */
  readonly retryAfterMs?: number
}

export type SdkMessage = Hello | Applied | Report | Ping | Pong
export type ServerMessage = RulesetMessage | PatchMessage | Ack | WireError | Ping | Pong

/**
 * Close codes of the socket. After `goingAway` an SDK waits a random part of `spreadMs` (told in the close reason as digits); after `tryLater`
 * the milliseconds in the reason and up to as many again.
 */
export const closeCodes = {
  goingAway: 1001,
  tryLater: 1013,
  protocol: 4400,
  unauthorized: 4401,
  slow: 4408,
  tooLarge: 4413,
} as const

/** Named limits of the wire. Bytes are UTF-8. */
export const wireLimits = {
  /** An SDK message. */
  reportBytes: 1_048_576,
  /** A server message. */
  rulesetBytes: 67_108_864,
  outcomeCells: 1024,
  exposureUnits: 20_000,
  events: 5000,
  breakers: 256,
  /** How long a server may ask an SDK to wait; more counts as this. */
  retryAfterMs: 60_000,
  labels: 16,
  /** Lists of outcomes in a page's report. */
  pageOutcomeLists: 1024,
  slices: 4,
  sliceValues: 16,
  /** Characters of a slice's value; longer ones are cut. */
  sliceValueLength: 64,
  /** The user of a page, as JSON. */
  pageUserBytes: 8192,
  /** Characters of its id and anonymous id. */
  pageIdLength: 256,
  /** Cookies that a page passes on, and the bytes of each. */
  pageCookies: 50,
  pageCookieBytes: 4096,
  /** Reports in one post of a page; its client sends two. */
  pageReports: 20,
} as const
