import type { RolloutDefinition } from '../rollout/definition.ts'
import { addReporting } from './checks/reporting.ts'
import type { Tick } from './evidence.ts'
import { startSegment } from './harm-process.ts'
import type { JudgeState } from './judgement.ts'
import { leaveStage, type Memory, type MetricMemory, memoryOf, metricMemory, newEpoch, noTraffic } from './memory.ts'
import { stageMargin } from './non-inferiority.ts'
import { isCounted, type PlannedMetric, planMetrics } from './plan.ts'
import { addTraffic, foldCounted, type TickMoment } from './tests/counted.ts'
import { addObservedTick } from './tests/observed.ts'

/** The circuit breaker (STATISTICS 3.6): at least this share of at least so many canary outcomes in one tick. */
const trip = { share: 0.5, outcomes: 20, stableShare: 0.25 } as const

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
  const { comparing, planned } = memory
  const { tickMs } = definition.analysis
  const when: TickMoment = { late, comparing, planned, testing: warm && !late && comparing, tickMs }
  const metrics: { [key: string]: MetricMemory } = {}
  for (const metric of plan) {
    metrics[metric.key] = foldMetric(metricMemory(memory, metric), metric, tick, when)
  }
  return late ? { ...memory, metrics } : foldEpoch({ ...memory, metrics }, tick)
}

function enterEpoch(memory: Memory, tick: Tick, plan: readonly PlannedMetric[]): Memory {
  const entered = tick.epoch
  const { tripped: _over, lastHeard: _heard, ...kept } = memory
  const metrics: { [key: string]: MetricMemory } = {}
  for (const metric of plan) {
    const old = metricMemory(memory, metric)
    const before = addTraffic(old.before, old.current)
    metrics[metric.key] = {
      ...leaveStage(old, memory.comparing),
      before,
      current: noTraffic,
      stageMargin: { margin: metric.margin ?? {}, monitorOnly: false },
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
    if (!isCounted(metric.kind)) continue
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

function foldMetric(own: MetricMemory, metric: PlannedMetric, tick: Tick, when: TickMoment): MetricMemory {
  if (isCounted(metric.kind)) return foldCounted(own, metric, tick, when)
  if (own.observed === undefined || when.late) return own
  return { ...own, observed: addObservedTick(own.observed, metric, tick, when.testing) }
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
    conflicts: memory.conflicts + (canary.conflicts ?? 0) + (stable.conflicts ?? 0),
    ...(n + stable.n > 0 ? { lastHeard: tick.tick } : {}),
    forced: {
      n: memory.forced.n + forcedCanary.n,
      failed: memory.forced.failed + forcedCanary.failed,
      exposed: memory.forced.exposed + forcedCanary.exposed,
    },
    ...(trips ? { tripped: { n, failed, compared: stable.n > 0 } } : {}),
  }
}
