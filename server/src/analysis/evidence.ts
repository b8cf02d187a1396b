import type { OutcomeKind } from '@pipit/shared/protocol'

/**
 * The judge's input. Canary is every arm but stable, added up; only randomised decisions (stratum `split`) are in it, except where a
 * field says otherwise. All counts are sums, so reports of many SDKs and replicas merge by addition. Absent optional fields stand for
 * zeros.
 */

/** Requests of one side: what every comparison of requests is made of. */
export interface Requests {
  /** Outcomes, and those that were not ok. */
  readonly n: number
  readonly failed: number
  /** Outcomes that carried a latency and were counted against the current thresholds, and those above each threshold. */
  readonly timed: number
  readonly over: readonly number[]
}

/** Failures by kind, where the application says so. */
export type FailuresByKind = { readonly [K in OutcomeKind]?: number }

/** One arm in one time bucket. */
export interface ArmTick extends Requests {
  readonly kinds?: FailuresByKind
  /** Randomised units first exposed in this epoch during this tick (each unit once per epoch). */
  readonly exposed: number
  /** Units that came in this arm although another arm has had them in this epoch. */
  readonly conflicts?: number
  /** By conversion metric: units that came under risk (exposed and not converted before), first conversions. */
  readonly conversions: { readonly [metric: string]: { readonly atRisk: number; readonly converted: number } }
}

/** One value of a slice in one time bucket. Values beyond the first sixteen of an attribute are added up under `(other)`. */
export interface SliceTick {
  readonly canary: Requests
  readonly stable: Requests
}

/** Canary outcomes that were not randomised (cohort, header, rule, override): for absolute limits and for people, never compared. */
export interface ForcedTick {
  readonly n: number
  readonly failed: number
  readonly exposed: number
  readonly timed?: number
  readonly over?: readonly number[]
  readonly kinds?: FailuresByKind
}

/** Figures of an external metric observed in one time bucket: sums of observations, so that several count by their mean. */
export interface ExternalTick {
  readonly canary: { readonly sum: number; readonly count: number }
  readonly stable: { readonly sum: number; readonly count: number }
}

/** One closed time bucket of one epoch. `tick` = floor(server time / tickMs). */
export interface Tick {
  readonly epoch: number
  readonly tick: number
  readonly thresholdsVersion: number
  /** Index of the stage the epoch belongs to, where the engine knows it: margins are fixed by it when an epoch begins. */
  readonly stage?: number
  readonly canary: ArmTick
  readonly stable: ArmTick
  readonly forcedCanary: ForcedTick
  readonly slices?: { readonly [attribute: string]: { readonly [value: string]: SliceTick } }
  readonly external?: { readonly [metric: string]: ExternalTick }
}

/** User-bucket tables of one epoch: arrays of 256, or of 256 per threshold for `over`. Sums since the start of the epoch. */
export interface BucketTable {
  readonly n: Float64Array
  readonly failed: Float64Array
  readonly timed: Float64Array
  readonly over: readonly Float64Array[]
  readonly kinds?: { readonly [K in OutcomeKind]?: Float64Array }
}

/** A per-unit metric of one arm in one epoch, by 256 buckets of units (another hash than that of `BucketTable`), and its unit totals. */
export interface ValueTable {
  /** Σ of what is counted, capped per unit. */
  readonly y: Float64Array
  /** What it is divided by: exposed units for `sum` and `count`, the denominator's sum for `mean` and `ratio`. */
  readonly d: Float64Array
  /** Exposed units; those that added anything; Σ (unit total)² of y. */
  readonly units: number
  readonly contributing: number
  readonly squares: number
}

export interface EpochBuckets {
  readonly epoch: number
  readonly thresholdsVersion: number
  readonly canary: BucketTable
  readonly stable: BucketTable
  /** Canary outcomes that were not randomised. */
  readonly forced?: BucketTable
  readonly values?: { readonly [metric: string]: { readonly canary: ValueTable; readonly stable: ValueTable } }
}

/** Randomised units of the present epoch by what they have in common: a slice, `sdk`, or `instance`. For the sample-ratio drill-down. */
export type ExposedBy = {
  readonly [attribute: string]: { readonly [value: string]: { readonly canary: number; readonly stable: number } }
}

export const userBuckets = 256
