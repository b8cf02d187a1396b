import { type Dispersion, dispersionOfArm } from '../dispersion.ts'
import { type BucketTable, type EpochBuckets, type Tick, userBuckets } from '../evidence.ts'
import { addTick, type HarmProcess, logEvidence, newHarmProcess, prune, startSegment } from '../harm-process.ts'
import type { PlannedMetric } from '../plan.ts'
import { columnOf } from './columns.ts'

/**
 * "Never above 5 %": the canary alone against a fixed rate, over all its outcomes, randomised or not, so that it also guards a stage of 0 %
 * with cohorts, and 100 %. A latency limit in ms says that at most 1 − q of the requests are slower.
 */
export interface LimitMemory {
  readonly asked: number
  readonly process: HarmProcess
  /** Canary outcomes and bad ones of the run, and stable's of this epoch: an incident of both is nobody's fault. */
  readonly canary: { readonly n: number; readonly x: number }
  readonly stable: { readonly n: number; readonly x: number }
}

/** The rate that the bad events of a metric must not exceed; undefined where the metric has no such limit or counts no events. */
export function limitRate({ kind, never, limits }: PlannedMetric): number | undefined {
  if (never === undefined) return undefined
  if (kind === 'latency') return 1 - (limits?.quantile ?? 0)
  if (kind === 'error_rate') return never.above
  return kind === 'success_rate' && never.below !== undefined ? 1 - never.below : undefined
}

export function newLimit(rate: number): LimitMemory {
  return {
    asked: rate,
    process: startSegment(newHarmProcess(false)),
    canary: { n: 0, x: 0 },
    stable: { n: 0, x: 0 },
  }
}

interface SideCounts {
  readonly n: number
  readonly x: number
}

/** Bad events of one side of a tick; nothing where the limit in ms was not counted yet. */
function sideCounts(
  { kind, errorKind, limits }: PlannedMetric,
  side: Tick['forcedCanary'] | Tick['stable'],
): SideCounts {
  if (kind !== 'latency')
    return { n: side.n, x: errorKind === undefined ? side.failed : (side.kinds?.[errorKind] ?? 0) }
  const over = side.over ?? []
  const at = limits?.never
  const isCounted =
    at !== undefined && limits !== undefined && (over.length === limits.of || over.length === limits.fixed)
  return isCounted ? { n: side.timed ?? 0, x: over[at] ?? 0 } : { n: 0, x: 0 }
}

export function addLimitTick(memory: LimitMemory, metric: PlannedMetric, tick: Tick): LimitMemory {
  const split = sideCounts(metric, tick.canary)
  const forced = sideCounts(metric, tick.forcedCanary)
  const stable = sideCounts(metric, tick.stable)
  const n = split.n + forced.n
  const x = split.x + forced.x
  const settings = {
    down: false,
    prior: memory.asked,
    null: { kind: 'limit', rate: memory.asked } as const,
    planned: 1,
  }
  return {
    ...memory,
    process: prune(addTick(memory.process, { n1: n, x1: x, n0: 0, x0: 0 }, settings), false),
    canary: { n: memory.canary.n + n, x: memory.canary.x + x },
    stable: { n: memory.stable.n + stable.n, x: memory.stable.x + stable.x },
  }
}

/** A new epoch: what stable did in another one is no excuse any more. */
export function enterLimitEpoch(memory: LimitMemory): LimitMemory {
  return { ...memory, stable: { n: 0, x: 0 } }
}

/** log M of "the canary is above the limit", and whether stable is beyond it as well. */
export function lookAtLimit(
  memory: LimitMemory,
  metric: PlannedMetric,
  buckets: readonly EpochBuckets[],
): { readonly log: number; readonly isShared: boolean } {
  const { canary, stable, asked } = memory
  const spread = canary.x === 0 ? undefined : spreadOf(metric, buckets)
  const log = logEvidence(memory.process, false, 0, () => spread ?? { factor: 1, degrees: Number.POSITIVE_INFINITY })
  return { log, isShared: canary.n > 0 && stable.n >= 20 && stable.x > asked * stable.n }
}

/** Of all canary outcomes of the run by user buckets. */
function spreadOf(metric: PlannedMetric, buckets: readonly EpochBuckets[]): Dispersion {
  const n = new Float64Array(userBuckets)
  const x = new Float64Array(userBuckets)
  const add = (table: BucketTable): void => {
    const column = columnOf(metric, table, metric.limits?.never)
    if (column === undefined) return
    for (let b = 0; b < n.length; b++) {
      n[b] = (n[b] as number) + (column.n[b] as number)
      x[b] = (x[b] as number) + (column.x[b] as number)
    }
  }
  for (const epoch of buckets) {
    add(epoch.canary)
    if (epoch.forced !== undefined) add(epoch.forced)
  }
  return dispersionOfArm(n, x)
}
