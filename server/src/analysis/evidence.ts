/**
 * The judge's input. Canary is every arm but stable, added up; only randomised decisions (stratum `split`) are in it, except where a
 * field says otherwise. All counts are sums, so reports of many SDKs and replicas merge by addition.
 */

/** One arm in one time bucket. */
export interface ArmTick {
  /** Outcomes, and those that were not ok. */
  readonly n: number
  readonly failed: number
  /** Outcomes that carried a latency and were counted against the current thresholds, and those above each threshold. */
  readonly timed: number
  readonly over: readonly number[]
  /** Randomised units first exposed in this epoch during this tick (each unit once per epoch). */
  readonly exposed: number
  /** By conversion metric: units that came under risk (exposed and not converted before), first conversions. */
  readonly conversions: { readonly [metric: string]: { readonly atRisk: number; readonly converted: number } }
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
  /** Canary outcomes that were not randomised (cohort, header, rule, override). */
  readonly forcedCanary: { readonly n: number; readonly failed: number; readonly exposed: number }
}

/** User-bucket tables of one epoch: arrays of 256, or of 256 per threshold for `over`. Sums since the start of the epoch. */
export interface BucketTable {
  readonly n: Float64Array
  readonly failed: Float64Array
  readonly timed: Float64Array
  readonly over: readonly Float64Array[]
}

export interface EpochBuckets {
  readonly epoch: number
  readonly thresholdsVersion: number
  readonly canary: BucketTable
  readonly stable: BucketTable
}

export const userBuckets = 256
