import type { EpochBuckets, ExposedBy, Tick } from '../analysis/evidence.ts'

/** Sums that one transaction adds to an arm's cell. Flat bucket rows as in the protocol: `[bucket, n, failed, timed, over…]`. */
export interface OutcomeDelta {
  readonly rolloutId: string
  readonly epoch: number
  readonly tick: number
  readonly variant: string
  readonly stratum: string
  /** Version of the limits the `timed` and `over` columns were counted against. */
  readonly thresholdsVersion: number
  /** Numbers in a row: 4 + how many limits. */
  readonly columns: number
  readonly rows: readonly number[]
  /** Encoded latency sketch to merge. */
  readonly latency?: string
  /** Failures by kind: flat pairs `[bucket, failed]` as in the protocol. */
  readonly kinds?: { readonly [kind: string]: readonly number[] }
  /** By slice: sums `[n, failed, timed, over…]` as in the protocol. Kept for stratum `split` alone. */
  readonly slices?: SliceSums
}

export type SliceSums = { readonly [attribute: string]: { readonly [value: string]: readonly number[] } }

export interface Exposure {
  readonly rolloutId: string
  /** First epoch of the present run: conversions before it do not count against being at risk. */
  readonly runEpoch: number
  readonly epoch: number
  readonly tick: number
  readonly unit: string
  readonly variant: string
  readonly stratum: string
  readonly at: number
}

/** What a first exposure also counts. */
export interface ExposureMetrics {
  /** Conversions: the unit comes under risk, unless it has converted already. */
  readonly conversions?: readonly string[]
  /** Values per exposed unit: the unit is one more to divide by. */
  readonly perUnit?: readonly string[]
  /** Values divided by something else. */
  readonly perEvent?: readonly string[]
  /** Slices, `sdk` and `instance`: the unit is one more of this value. */
  readonly slice?: { readonly [attribute: string]: string }
}

/** How an exposure was taken: the first of the unit in this epoch, a repetition, or the same unit in another arm. */
export type ExposureResult = 'first' | 'repeated' | 'conflict'

export interface Conversion {
  readonly rolloutId: string
  readonly runEpoch: number
  readonly metric: string
  readonly unit: string
  readonly tick: number
  readonly at: number
  readonly windowMs: number
}

/** `counted`: the unit's first conversion, in the arm of its exposure in the newest epoch it was exposed in. */
export type ConversionResult = 'counted' | 'repeated' | 'not-exposed' | 'outside-window'

/** What one event adds to a metric of values. */
export interface ValueEvent {
  readonly rolloutId: string
  readonly runEpoch: number
  readonly metric: string
  readonly unit: string
  readonly at: number
  readonly windowMs: number
  /** The most (in size) that a unit's sum counts for in one epoch. */
  readonly cap?: number
  /** Added to what is counted, and to what it is divided by (0 where that is the exposed units). */
  readonly y: number
  readonly d: number
}

/** `counted`: in the arm and epoch of the unit's newest exposure. */
export type ValueResult = 'counted' | 'not-exposed' | 'outside-window'

/** Figures of an external metric, seen in one time bucket. */
export interface Observation {
  readonly rolloutId: string
  readonly epoch: number
  readonly tick: number
  readonly metric: string
  readonly arm: 'canary' | 'stable'
  readonly sum: number
  readonly count: number
}

/** Everything an automatic decision was taken on, as its caller packed it. */
export interface DecisionRecord {
  /** Id of the history entry. */
  readonly historyId: string
  readonly rolloutId: string
  readonly at: number
  /** Version of the judge. */
  readonly judge: string
  readonly evidence: Uint8Array
}

/** An event that came before its exposure and waits for it. */
export interface PendingEvent {
  readonly environment: string
  readonly event: string
  readonly unit: string
  /** When it happened, by the server's clock. */
  readonly at: number
  readonly expiresAt: number
  readonly value?: number
}

/** What the SDKs reported, added up; times are epoch milliseconds. */
export interface EvidenceStore {
  addOutcomes(delta: OutcomeDelta): Promise<void>
  expose(exposure: Exposure, metrics: ExposureMetrics): Promise<ExposureResult>
  convert(conversion: Conversion): Promise<ConversionResult>
  addValue(event: ValueEvent): Promise<ValueResult>
  observe(observation: Observation): Promise<void>
  /** False when this key of an event was claimed in the environment before. */
  claimEvent(environment: string, key: string, at: number): Promise<boolean>
  /** False when so many wait already (100 000 per environment). */
  addPending(event: PendingEvent): Promise<boolean>
  /** Takes out the waiting events of a unit. */
  takePending(environment: string, unit: string): Promise<readonly PendingEvent[]>
  /** True while any event waits in the environment: saves a look per exposure. */
  hasPending(environment: string): Promise<boolean>
  /** Forgets waiting events whose time is over. */
  prunePending(now: number): Promise<void>
  /** Forgets at most `limit` keys of events claimed before; says how many. */
  pruneEventKeys(before: number, limit: number): Promise<number>
  /** Closed ticks `after < tick ≤ through` of epochs from `fromEpoch`, ordered by (tick, epoch), arms already added up. */
  ticks(
    rolloutId: string,
    options: { readonly fromEpoch: number; readonly after: number; readonly through: number },
  ): Promise<readonly Tick[]>
  /** Of epochs from `fromEpoch`, oldest first; stratum `split`, and `forced` of all other canary decisions. */
  buckets(rolloutId: string, fromEpoch: number): Promise<readonly EpochBuckets[]>
  /** Randomised units of an epoch by slice, `sdk` and `instance`. */
  exposedBy(rolloutId: string, epoch: number): Promise<ExposedBy>
  /** Encoded latency sketch of one epoch and arm (stratum `split`), merged. */
  latency(rolloutId: string, epoch: number, arm: 'canary' | 'stable'): Promise<string | undefined>
  /** Sums for people: per epoch, variant and stratum. */
  totals(rolloutId: string, fromEpoch: number): Promise<readonly EvidenceTotal[]>
}

export interface EvidenceTotal {
  readonly epoch: number
  readonly variant: string
  readonly stratum: string
  readonly n: number
  readonly failed: number
  readonly timed: number
  readonly exposed: number
  readonly conversions: { readonly [metric: string]: { readonly atRisk: number; readonly converted: number } }
}
