import type { RolloutDefinition } from '../rollout/definition.ts'
import { newReporting, type Reporting } from './checks/reporting.ts'
import type { Counts } from './e-value.ts'
import { noRatio, type RatioSums } from './estimate.ts'
import { type HarmProcess, newHarmProcess } from './harm-process.ts'
import type { JudgeState } from './judgement.ts'
import { newStageTest, type StageMargin, type StageTest, type Traffic } from './non-inferiority.ts'
import { comparisonStages, isValued, type PlannedMetric } from './plan.ts'
import { enterLimitEpoch, type LimitMemory, limitRate, newLimit } from './tests/limit.ts'
import { endObservedStage, newObserved, type ObservedMemory } from './tests/observed.ts'
import { endSliceStage, type SliceMemory } from './tests/slices.ts'
import { newSuperiority, type SuperiorityTest } from './tests/superiority.ts'
import { endValuedStage, newValued, type ValuedMemory } from './tests/valued.ts'

/** Version of the judge: grows when the same evidence could give another verdict. */
import type { Trend } from './trend.ts'

export const judgeVersion = 'pipit-2'

/** What is remembered of one metric over a run. Plain JSON. */
export interface MetricMemory {
  /** What was asked of it: where an edit asks something else, what was learned for the old question does not count for the new. */
  readonly asked: { readonly nulls: string; readonly margin: string; readonly goal: string; readonly never: string }
  /** One process for each null; the smaller counts. */
  readonly harm: readonly HarmProcess[]
  readonly ratio: RatioSums
  /** Run totals by arm. */
  readonly totals: Counts
  readonly stage: StageTest
  readonly stageMargin: StageMargin
  /** All earlier stages together, and what this stage adds to them when it ends. */
  readonly before: Traffic
  readonly current: Traffic
  /** "Better than stable", in this stage. */
  readonly superiority: SuperiorityTest
  /** The canary alone against a fixed rate, where a guard names one. */
  readonly limit?: LimitMemory
  readonly valued?: ValuedMemory
  readonly observed?: ObservedMemory
  /** The metric's own history in each arm. */
  readonly trend?: { readonly canary: Trend; readonly stable: Trend }
  /** By slice, where the rollout declares any and somebody has reported them. */
  readonly slices?: SliceMemory
  /** Conversions: units of this epoch that have not converted yet. */
  readonly risk: { readonly canary: number; readonly stable: number }
}

/** The judge's memory of a run. Plain JSON. */
export interface Memory extends JudgeState {
  /** Comparison stages planned when the run began. */
  readonly planned: number
  readonly epoch: number
  /** Ticks folded in this epoch. */
  readonly epochTicks: number
  /** First tick of this epoch: the warm-up counts from here. */
  readonly epochStart: number
  /** Epochs in which both arms had users, in order: the segments of the harm processes. */
  readonly segments: readonly number[]
  readonly comparing: boolean
  /** The margins of the stage have been set: its warm-up is over. */
  readonly marginsFixed: boolean
  readonly metrics: { readonly [key: string]: MetricMemory }
  /** This epoch: randomised units and outcomes by arm. */
  readonly units: { readonly canary: number; readonly stable: number }
  readonly outcomes: { readonly canary: number; readonly stable: number }
  readonly reporting: Reporting
  /** Units that came in both arms, in this epoch. */
  readonly conflicts: number
  /** The last tick with any outcome, in this epoch. */
  readonly lastHeard?: number
  readonly forced: { readonly n: number; readonly failed: number; readonly exposed: number }
  /** The tick in which the canary failed beyond all doubt, if any in this epoch; `compared` where stable was there and well. */
  readonly tripped?: { readonly n: number; readonly failed: number; readonly compared: boolean }
}

export const noTraffic: Traffic = { total: 0, bad: 0, scaledBad: 0, ticks: 0 }

/** What every epoch begins with. */
export const newEpoch = {
  epochTicks: 0,
  comparing: false,
  marginsFixed: false,
  units: { canary: 0, stable: 0 },
  outcomes: { canary: 0, stable: 0 },
  reporting: newReporting,
  conflicts: 0,
  forced: { n: 0, failed: 0, exposed: 0 },
} as const satisfies Partial<Memory>

/** The judge's memory at the start of a run. */
export function startJudge(definition: RolloutDefinition): JudgeState {
  const memory: Memory = {
    judge: judgeVersion,
    planned: comparisonStages(definition),
    epoch: -1,
    epochStart: 0,
    segments: [],
    metrics: {},
    ...newEpoch,
  }
  return memory
}

export function memoryOf(state: JudgeState): Memory {
  return state as Memory
}

/**
 * The memory of a metric. A guard or gate that was added while the rollout runs begins with nothing; one whose null, margin, goal or limit
 * was edited begins that test anew, a new margin as it is written until the next stage.
 */
export function metricMemory(memory: Memory, metric: PlannedMetric): MetricMemory {
  const known = memory.metrics[metric.key]
  const asked = askedOf(metric)
  if (known === undefined) return newMemory(memory, metric, asked)
  if (known.asked === asked) return known
  const same = (field: keyof MetricMemory['asked']): boolean => known.asked[field] === asked[field]
  if (same('nulls') && same('margin') && same('goal') && same('never')) return known
  const fresh = newMemory(memory, metric, asked)
  const { limit: _, slices, ...kept } = known
  const limit = same('never') ? known.limit : fresh.limit
  return {
    ...kept,
    asked,
    ...(limit === undefined ? {} : { limit }),
    ...(slices === undefined || !same('nulls') ? {} : { slices }),
    ...(same('nulls') ? {} : { harm: fresh.harm }),
    ...(same('margin') ? {} : { stage: fresh.stage, stageMargin: fresh.stageMargin }),
    ...(same('goal') ? {} : { superiority: fresh.superiority }),
    ...(known.valued === undefined || (same('nulls') && same('margin') && same('never')) ? {} : { valued: newValued }),
    ...(known.observed === undefined || (same('nulls') && same('margin') && same('never'))
      ? {}
      : { observed: newObserved }),
  }
}

const askedBy = new WeakMap<PlannedMetric, MetricMemory['asked']>()

function askedOf(metric: PlannedMetric): MetricMemory['asked'] {
  let asked = askedBy.get(metric)
  if (asked === undefined) {
    asked = {
      nulls: JSON.stringify([metric.nulls, metric.guard?.null]),
      margin: JSON.stringify(metric.margin ?? {}),
      goal: JSON.stringify(metric.goal?.relative ?? 0),
      never: JSON.stringify(metric.never ?? {}),
    }
    askedBy.set(metric, asked)
  }
  return asked
}

function newMemory(memory: Memory, metric: PlannedMetric, asked: MetricMemory['asked']): MetricMemory {
  const rate = limitRate(metric)
  return {
    asked,
    harm: metric.nulls.map(() => newHarmProcess(metric.down, memory.segments.length - 1)),
    ratio: noRatio,
    totals: { n1: 0, x1: 0, n0: 0, x0: 0 },
    stage: newStageTest,
    stageMargin: { margin: metric.margin ?? {}, monitorOnly: false },
    superiority: newSuperiority,
    ...(rate === undefined ? {} : { limit: newLimit(rate) }),
    ...(isValued(metric.kind) || metric.kind === 'throughput' ? { valued: newValued } : {}),
    ...(metric.kind === 'external' ? { observed: newObserved } : {}),
    before: noTraffic,
    current: noTraffic,
    risk: { canary: 0, stable: 0 },
  }
}

/** A metric's memory when its stage is over: what the stage has shown is gone, what speaks for harm stays. */
export function leaveStage(own: MetricMemory, comparing: boolean): MetricMemory {
  return {
    ...own,
    stage: newStageTest,
    superiority: newSuperiority,
    ...(own.limit === undefined ? {} : { limit: enterLimitEpoch(own.limit) }),
    // Only a stage that was compared has evidence to keep.
    ...(own.valued === undefined || !comparing ? {} : { valued: endValuedStage(own.valued) }),
    ...(own.observed === undefined || !comparing ? {} : { observed: endObservedStage(own.observed) }),
    ...(own.slices === undefined || !comparing ? {} : { slices: endSliceStage(own.slices) }),
  }
}
