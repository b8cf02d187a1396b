import { type Counts, prefixRate, successes } from '../e-value.ts'
import { addStratum } from '../estimate.ts'
import type { ArmTick, Tick } from '../evidence.ts'
import { addTick, type HarmSettings, prune } from '../harm-process.ts'
import type { MetricMemory } from '../memory.ts'
import { addStageTick, type Traffic } from '../non-inferiority.ts'
import type { PlannedMetric } from '../plan.ts'
import { addTrendTick, newTrend } from '../trend.ts'
import { addLimitTick } from './limit.ts'
import { addSliceTick, isSliced } from './slices.ts'
import { addSuperiorityTick } from './superiority.ts'

/** What a test has to know of the moment a tick is taken in. */
export interface TickMoment {
  /** The tick is of an epoch that is over: it counts for harm and the totals, not for the stage. */
  readonly late: boolean
  readonly comparing: boolean
  /** The stage's own tests run: its warm-up is over and both arms have users. */
  readonly testing: boolean
  /** Comparison stages planned at the start of the run. */
  readonly planned: number
  readonly tickMs: number
}

interface TickCounts {
  /** What the tests see: requests, or units that were at risk during the tick. */
  readonly tested: Counts
  /** What is new in this tick, for totals: requests, or units that came under risk. */
  readonly added: Counts
}

/**
 * The counts of a metric in one tick. A conversion is tested like a log-rank: the units at risk are those exposed in this epoch that have
 * not converted, so that delayed conversions and unequal exposure times need no closing window (STATISTICS 4.2).
 */
function countsOf(metric: PlannedMetric, tick: Tick, risk: MetricMemory['risk']): TickCounts {
  const added = addedCounts(metric, tick)
  if (metric.kind !== 'conversion') return { tested: added, added }
  const n1 = added.n1 + risk.canary
  const n0 = added.n0 + risk.stable
  // A metric that was added later counts conversions of units that nobody had counted as at risk.
  return { tested: { n1, x1: Math.min(added.x1, n1), n0, x0: Math.min(added.x0, n0) }, added }
}

function addedCounts(metric: PlannedMetric, tick: Tick): Counts {
  const arm = (side: ArmTick): { n: number; x: number } => {
    if (metric.kind === 'error_rate' || metric.kind === 'success_rate') {
      return { n: side.n, x: metric.errorKind === undefined ? side.failed : (side.kinds?.[metric.errorKind] ?? 0) }
    }
    if (metric.limits !== undefined) {
      const { at, of } = metric.limits
      // Right after an edit a bucket may still be counted against the limits of before, in another order.
      const counted = at !== undefined && side.over.length === of
      return counted ? { n: side.timed, x: side.over[at] ?? 0 } : { n: 0, x: 0 }
    }
    const conversion = side.conversions[metric.key]
    return { n: conversion?.atRisk ?? 0, x: conversion?.converted ?? 0 }
  }
  const canary = arm(tick.canary)
  const stable = arm(tick.stable)
  return { n1: canary.n, x1: canary.x, n0: stable.n, x0: stable.x }
}

/** Takes a time bucket into the memory of a metric that counts events. */
export function foldCounted(old: MetricMemory, metric: PlannedMetric, tick: Tick, when: TickMoment): MetricMemory {
  const { late, comparing, testing, planned } = when
  // The units at risk of an epoch that is over are not known any more.
  if (late && metric.kind === 'conversion') return old
  const { tested: counts, added } = countsOf(metric, tick, old.risk)
  const scaled = scaledCounts(metric, tick)
  const harm = comparing
    ? old.harm.map((process, i) => prune(addTick(process, counts, harmSettings(metric, planned, i)), metric.down))
    : old.harm
  const current = late
    ? old.current
    : addTraffic(old.current, {
        total: counts.n1 + counts.n0,
        bad: counts.x1 + counts.x0,
        scaledBad: scaled === undefined ? 0 : scaled.x1 + scaled.x0,
        ticks: 1,
      })
  const { totals } = old
  return {
    ...old,
    harm,
    ratio: addStratum(old.ratio, metric.kind === 'success_rate' ? successes(counts) : counts),
    totals: { n1: totals.n1 + added.n1, x1: totals.x1 + added.x1, n0: totals.n0 + added.n0, x0: totals.x0 + added.x0 },
    stage: testing ? addStageTick(old.stage, metric, { counts, added, scaled }, old.stageMargin.margin) : old.stage,
    superiority:
      testing && metric.goal !== undefined ? foldGoal(old, metric, counts, metric.goal.relative) : old.superiority,
    ...(old.limit === undefined ? {} : { limit: addLimitTick(old.limit, metric, tick) }),
    ...(comparing && !late && tick.slices !== undefined && isSliced(metric)
      ? { slices: addSliceTick(old.slices ?? {}, metric, tick.slices) }
      : {}),
    ...(late ? {} : { trend: foldTrend(old.trend, tick, counts, when.tickMs) }),
    current,
    risk: { canary: counts.n1 - counts.x1, stable: counts.n0 - counts.x0 },
  }
}

function foldTrend(
  before: MetricMemory['trend'],
  { tick }: Tick,
  { n1, x1, n0, x0 }: Counts,
  tickMs: number,
): NonNullable<MetricMemory['trend']> {
  const at = tick * tickMs
  return {
    canary: addTrendTick(before?.canary ?? newTrend, tick, at, { x: x1, n: n1 }),
    stable: addTrendTick(before?.stable ?? newTrend, tick, at, { x: x0, n: n0 }),
  }
}

function scaledCounts({ limits }: PlannedMetric, { canary, stable }: Tick): { x1: number; x0: number } | undefined {
  if (limits?.scaled === undefined || canary.over.length + stable.over.length === 0) return undefined
  return { x1: canary.over[limits.scaled] ?? 0, x0: stable.over[limits.scaled] ?? 0 }
}

/** A goal on successes is tested on successes, although failures are counted. */
function foldGoal(
  old: MetricMemory,
  metric: PlannedMetric,
  counts: Counts,
  theta: number,
): MetricMemory['superiority'] {
  const q = prefixRate(old.stage.bad, old.stage.total, metric.prior)
  const up = metric.higherIsBetter
  return metric.kind === 'success_rate'
    ? addSuperiorityTick(old.superiority, successes(counts), 1 - q, { theta, up })
    : addSuperiorityTick(old.superiority, counts, q, { theta, up })
}

function harmSettings(metric: PlannedMetric, planned: number, index: number): HarmSettings {
  return { down: metric.down, prior: metric.prior, null: metric.nulls[index] ?? { kind: 'stable' }, planned }
}

export function addTraffic(a: Traffic, b: Traffic): Traffic {
  return {
    total: a.total + b.total,
    bad: a.bad + b.bad,
    scaledBad: a.scaledBad + b.scaledBad,
    ticks: a.ticks + b.ticks,
  }
}
