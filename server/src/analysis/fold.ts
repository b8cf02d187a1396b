import type { RolloutDefinition } from '../rollout/definition.ts'
import type { Counts } from './e-value.ts'
import { addStratum } from './estimate.ts'
import type { ArmTick, Tick } from './evidence.ts'
import { addTick, type HarmSettings, prune, startSegment } from './harm-process.ts'
import type { JudgeState } from './judgement.ts'
import { type Memory, type MetricMemory, memoryOf, metricMemory, newEpoch, noTraffic } from './memory.ts'
import { addStageTick, newStageTest, stageMargin, type Traffic } from './non-inferiority.ts'
import { type PlannedMetric, planMetrics } from './plan.ts'
import { addReporting } from './reporting.ts'

/** The circuit breaker (STATISTICS 3.6): at least this share of at least so many canary outcomes in one tick. */
const trip = { share: 0.5, outcomes: 20, stableShare: 0.25 } as const

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
    if (metric.kind === 'error_rate') return { n: side.n, x: side.failed }
    if (metric.limits !== undefined) {
      // Right after an edit a bucket may still be counted against the limits of before, in another order.
      const counted = side.over.length === metric.limits.of
      return counted ? { n: side.timed, x: side.over[metric.limits.at] ?? 0 } : { n: 0, x: 0 }
    }
    const conversion = side.conversions[metric.key]
    return { n: conversion?.atRisk ?? 0, x: conversion?.converted ?? 0 }
  }
  const canary = arm(tick.canary)
  const stable = arm(tick.stable)
  return { n1: canary.n, x1: canary.x, n0: stable.n, x0: stable.x }
}

/**
 * Takes a closed time bucket into the memory. Buckets come in the order of (tick, epoch), each once; one of an earlier epoch (a late
 * report) still counts for harm and for the totals, not for the stage under way.
 */
export function foldTick(definition: RolloutDefinition, state: JudgeState, tick: Tick): JudgeState {
  const plan = planMetrics(definition)
  let memory = memoryOf(state)
  if (tick.epoch > memory.epoch) memory = enterEpoch(memory, tick, plan)
  const late = tick.epoch < memory.epoch
  const both = tick.canary.n + tick.canary.exposed > 0 && tick.stable.n + tick.stable.exposed > 0
  if (!late && both && !memory.comparing) memory = enterComparison(memory, plan)
  const warm = (tick.tick - memory.epochStart) * definition.analysis.tickMs >= definition.analysis.warmupMs
  if (!late && warm && !memory.marginsFixed) memory = fixMargins(memory, definition, plan, tick)
  const metrics: { [key: string]: MetricMemory } = {}
  for (const metric of plan) {
    metrics[metric.key] = foldMetric(metricMemory(memory, metric), metric, tick, memory, warm && !late)
  }
  return late ? { ...memory, metrics } : foldEpoch({ ...memory, metrics }, tick)
}

function enterEpoch(memory: Memory, tick: Tick, plan: readonly PlannedMetric[]): Memory {
  const entered = tick.epoch
  const { tripped: _over, ...kept } = memory
  const metrics: { [key: string]: MetricMemory } = {}
  for (const metric of plan) {
    const old = metricMemory(memory, metric)
    const before = addTraffic(old.before, old.current)
    metrics[metric.key] = {
      ...old,
      before,
      current: noTraffic,
      stage: newStageTest,
      stageMargin: { margin: metric.margin, monitorOnly: false },
      risk: { canary: 0, stable: 0 },
    }
  }
  return {
    ...kept,
    epoch: entered,
    epochStart: tick.tick,
    metrics,
    ...newEpoch,
  }
}

function addTraffic(a: Traffic, b: Traffic): Traffic {
  return {
    total: a.total + b.total,
    bad: a.bad + b.bad,
    scaledBad: a.scaledBad + b.scaledBad,
    ticks: a.ticks + b.ticks,
  }
}

/**
 * Margins are fixed when a stage's warm-up ends, from what came before: earlier stages, and the warm-up itself, which the stage's test leaves
 * out. So they do not depend on what they judge, and the first stage has one that its traffic can show.
 */
function fixMargins(memory: Memory, definition: RolloutDefinition, plan: readonly PlannedMetric[], tick: Tick): Memory {
  const fixed = { ...memory, marginsFixed: true }
  const stage = definition.stages[tick.stage ?? 0]
  if (stage === undefined || stage.weight <= 0 || stage.weight >= 100) return fixed
  const metrics = { ...memory.metrics }
  for (const metric of plan) {
    const own = metricMemory(memory, metric)
    const known = addTraffic(own.before, own.current)
    metrics[metric.key] = { ...own, stageMargin: stageMargin(metric, known, stage, definition.analysis) }
  }
  return { ...fixed, metrics }
}

function enterComparison(memory: Memory, plan: readonly PlannedMetric[]): Memory {
  const metrics: { [key: string]: MetricMemory } = {}
  for (const metric of plan) {
    const old = metricMemory(memory, metric)
    metrics[metric.key] = { ...old, harm: old.harm.map(startSegment) }
  }
  return { ...memory, comparing: true, segments: [...memory.segments, memory.epoch], metrics }
}

function foldMetric(
  old: MetricMemory,
  metric: PlannedMetric,
  tick: Tick,
  memory: Memory,
  testing: boolean,
): MetricMemory {
  const late = tick.epoch < memory.epoch
  // The units at risk of an epoch that is over are not known any more.
  if (late && metric.kind === 'conversion') return old
  const { tested: counts, added } = countsOf(metric, tick, old.risk)
  const limits = metric.limits
  const scaled =
    limits === undefined
      ? undefined
      : { x1: tick.canary.over[limits.scaled] ?? 0, x0: tick.stable.over[limits.scaled] ?? 0 }
  const harm = memory.comparing
    ? old.harm.map((process, i) =>
        prune(addTick(process, counts, harmSettings(metric, memory.planned, i)), metric.down),
      )
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
    ratio: addStratum(old.ratio, counts),
    totals: { n1: totals.n1 + added.n1, x1: totals.x1 + added.x1, n0: totals.n0 + added.n0, x0: totals.x0 + added.x0 },
    stage:
      testing && memory.comparing
        ? addStageTick(old.stage, metric, { counts, added, scaled }, old.stageMargin.margin)
        : old.stage,
    current,
    risk: { canary: counts.n1 - counts.x1, stable: counts.n0 - counts.x0 },
  }
}

function harmSettings(metric: PlannedMetric, planned: number, index: number): HarmSettings {
  return { down: metric.down, prior: metric.prior, null: metric.nulls[index] ?? { kind: 'stable' }, planned }
}

function foldEpoch(memory: Memory, tick: Tick): Memory {
  const { canary, stable, forcedCanary } = tick
  const n = canary.n + forcedCanary.n
  const failed = canary.failed + forcedCanary.failed
  const stableFine = stable.n === 0 || stable.failed < trip.stableShare * stable.n
  const trips = n >= trip.outcomes && failed >= trip.share * n && stableFine
  return {
    ...memory,
    epochTicks: memory.epochTicks + 1,
    units: { canary: memory.units.canary + canary.exposed, stable: memory.units.stable + stable.exposed },
    outcomes: { canary: memory.outcomes.canary + canary.n, stable: memory.outcomes.stable + stable.n },
    reporting: addReporting(memory.reporting, tick),
    forced: {
      n: memory.forced.n + forcedCanary.n,
      failed: memory.forced.failed + forcedCanary.failed,
      exposed: memory.forced.exposed + forcedCanary.exposed,
    },
    ...(trips ? { tripped: { n, failed, compared: stable.n > 0 } } : {}),
  }
}
