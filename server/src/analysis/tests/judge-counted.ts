import { type Dispersion, dispersionOfArm, dispersionsUntilNow, type Segment } from '../dispersion.ts'
import { type Counts, successes } from '../e-value.ts'
import { ratioInterval } from '../estimate.ts'
import type { EpochBuckets } from '../evidence.ts'
import { logEvidence } from '../harm-process.ts'
import type { Findings, MetricLook } from '../judge-metric.ts'
import type { ArmFigures } from '../judgement.ts'
import type { MetricMemory } from '../memory.ts'
import {
  finalLooksDue,
  lookAtStage,
  marginAtFinalLook,
  type StageMargin,
  type StageTime,
  stageEvidence,
} from '../non-inferiority.ts'
import type { PlannedMetric } from '../plan.ts'
import { columnOf } from './columns.ts'
import { figures } from './figures.ts'
import { lookAtLimit } from './limit.ts'
import { lookAtSlices, type SliceFinding, type SliceMemory } from './slices.ts'
import { superiorityEvidence } from './superiority.ts'

const none: Dispersion = { factor: 1, degrees: Number.POSITIVE_INFINITY }
/** Gates of STATISTICS 3.6: they can only make false reverts rarer. */
export const harmGates = {
  badEvents: 3,
  sliceEvents: 5,
  users: 3,
  ratioUp: 1.1,
  ratioDown: 0.97,
  difference: 0.0005,
} as const

/** Rates, latencies and conversions: events out of requests or units. */
export function judgeCounted(look: MetricLook): Findings {
  const { planned, input, memory, own, stage, comparing, warm } = look
  // A unit converts once: nothing correlates, and no instance is behind it (STATISTICS 4.2).
  const armNoise = planned.kind === 'conversion' ? 0 : input.definition.analysis.armNoise
  const spread = spreads(planned, input.buckets, memory.segments)
  const whole = memory.segments.length === 0 ? none : spread(0)
  const inStage = memory.comparing ? spread(memory.segments.length - 1) : none
  const processes = own.harm.map((process) => logEvidence(process, planned.down, armNoise, spread))
  const harm = processes.length === 0 ? undefined : Math.min(...processes)
  const attributes = input.definition.slices.length
  const sliced =
    own.slices === undefined || harm === undefined || attributes === 0
      ? undefined
      : lookAtSlices(own.slices, harm, { attributes, planned: memory.planned, spread: whole, armNoise })
  const times = { elapsedMs: input.stage.elapsedMs, maxHoldMs: stage.maxHoldMs }
  const isComparedHere = comparing && warm && planned.margin !== undefined
  const stageMargin = isComparedHere ? marginNow(look, armNoise, times) : own.stageMargin
  const { margin, monitorOnly } = stageMargin
  const looked = isComparedHere ? lookAtStage(own.stage, planned, margin, inStage, armNoise, times) : own.stage
  const ratio = ratioInterval(own.ratio, whole.factor, armNoise * noiseScale(planned, own.totals))
  const limit = own.limit === undefined ? undefined : lookAtLimit(own.limit, planned, input.buckets)
  const totals = planned.kind === 'success_rate' ? successes(own.totals) : own.totals
  // The interval is about successes where they are the metric, and failures are what is counted.
  const estimate = planned.kind === 'success_rate' ? undefined : ratio?.estimate
  return {
    canary: figures(totals.n1, totals.x1),
    stable: figures(totals.n0, totals.x0),
    ...(ratio === undefined ? {} : { ratio }),
    ...(harm === undefined ? {} : { harm: sliced?.log ?? harm }),
    ...(sliced === undefined ? {} : { slices: slicesFound(planned, sliced.found), loudestSlice: sliced.loudest }),
    ...(limit === undefined || own.limit === undefined
      ? {}
      : {
          limit: {
            canary: limitFigures(planned, own.limit.canary),
            logEvidence: limit.log,
            isShared: limit.isShared,
          },
        }),
    dispersion: whole.factor,
    degrees: whole.degrees,
    within: {
      margin,
      logEvidence: stageEvidence(looked, margin, inStage, armNoise),
      shown: looked.shown,
      monitorOnly,
    },
    better: superiorityEvidence(own.superiority, inStage, armNoise),
    proven: {
      harm: isProven(planned, own, input.buckets, memory.segments, estimate),
      limit: (own.limit?.canary.x ?? 0) >= harmGates.badEvents,
      slice: sliced?.found[0] !== undefined && isSliceProven(planned, sliced.found[0].counts),
    },
    memory: remembered(own, looked, sliced?.memory),
  }
}

/** Noise on the log odds of failures moves the log of successes by as much less as failures are rarer. */
function noiseScale({ kind }: PlannedMetric, { n1, x1, n0, x0 }: Counts): number {
  return kind === 'success_rate' ? (x1 + x0) / Math.max(1, n1 + n0) : 1
}

function remembered(own: MetricMemory, stage: MetricMemory['stage'], slices: SliceMemory | undefined): MetricMemory {
  return stage === own.stage && slices === undefined
    ? own
    : { ...own, stage, ...(slices === undefined ? {} : { slices }) }
}

/** Slices with the most evidence that people are shown. */
const shownSlices = 5

function slicesFound(planned: PlannedMetric, found: readonly SliceFinding[]): NonNullable<Findings['slices']> {
  return found.slice(0, shownSlices).map(({ attribute, value, counts, log }) => {
    const { n1, x1, n0, x0 } = planned.kind === 'success_rate' ? successes(counts) : counts
    return { attribute, value, canary: figures(n1, x1), stable: figures(n0, x0), logEvidence: log }
  })
}

/** As for the whole; who the users of a slice are is not known, so that more events are asked for. */
function isSliceProven({ kind }: PlannedMetric, { n1, x1, n0, x0 }: Counts): boolean {
  if (x1 < harmGates.sliceEvents || n1 === 0 || n0 === 0) return false
  return x1 / n1 >= harmGates.ratioUp * (x0 / n0) && (kind === 'latency' || x1 / n1 - x0 / n0 >= harmGates.difference)
}

/**
 * A guard's margin where a final look is due is the one that can be shown with what is known by now of how much stable's users differ. Stable's
 * alone: failures that pile up on a few users of the canary are its own doing, and make no margin wider.
 */
function marginNow({ planned, input, own }: MetricLook, armNoise: number, times: StageTime): StageMargin {
  if (own.stage.shown !== undefined || finalLooksDue(times) <= own.stage.looks) return own.stageMargin
  const last = input.buckets.at(-1)
  const column =
    last?.epoch === input.stage.epoch && planned.kind !== 'conversion' ? columnOf(planned, last.stable) : undefined
  const factor = column === undefined ? 1 : dispersionOfArm(column.n, column.x).factor
  const { maxMargin } = input.definition.analysis
  return marginAtFinalLook(own.stage, planned, own.stageMargin, { factor, armNoise, maxMargin })
}

function limitFigures({ kind }: PlannedMetric, { n, x }: { readonly n: number; readonly x: number }): ArmFigures {
  return figures(n, kind === 'success_rate' ? n - x : x)
}

/** Over-dispersion from each comparison epoch of the run until now. */
function spreads(
  planned: PlannedMetric,
  buckets: readonly EpochBuckets[],
  segments: readonly number[],
): (segment: number) => Dispersion {
  if (planned.kind === 'conversion') return () => none
  const found = dispersionsUntilNow(
    segments.map((epoch) => {
      const entry = buckets.find((candidate) => candidate.epoch === epoch)
      return entry === undefined ? undefined : segmentOf(planned, entry)
    }),
  )
  return (segment) => found[segment] ?? none
}

function segmentOf(planned: PlannedMetric, entry: EpochBuckets): Segment | undefined {
  const canary = columnOf(planned, entry.canary)
  const stable = columnOf(planned, entry.stable)
  if (canary === undefined || stable === undefined) return undefined
  return { n1: canary.n, x1: canary.x, n0: stable.n, x0: stable.x }
}

/**
 * STATISTICS 3.6 (a) to (c). Where fewer events are the harm (a conversion), the same number of events is asked of stable, and users and
 * events are the same thing.
 */
function isProven(
  planned: PlannedMetric,
  { totals }: MetricMemory,
  buckets: readonly EpochBuckets[],
  segments: readonly number[],
  ratio: number | undefined,
): boolean {
  const { n1, x1, n0, x0 } = totals
  if (n1 === 0 || n0 === 0) return false
  const difference = Math.abs(x1 / n1 - x0 / n0)
  const estimate = ratio ?? (x0 === 0 ? Number.POSITIVE_INFINITY : x1 / n1 / (x0 / n0))
  if (planned.down) return x0 >= harmGates.badEvents && estimate <= harmGates.ratioDown
  if (x1 < harmGates.badEvents || estimate < harmGates.ratioUp) return false
  if (planned.kind === 'conversion') return true
  if (planned.kind !== 'latency' && difference < harmGates.difference) return false
  return reachesUsers(planned, buckets, segments, harmGates.users)
}

/** Whether so many user buckets have a bad canary event; independent of time, so that one user's storm is one. */
function reachesUsers(
  planned: PlannedMetric,
  buckets: readonly EpochBuckets[],
  segments: readonly number[],
  needed: number,
): boolean {
  const seen = new Set<number>()
  for (const entry of buckets) {
    if (!segments.includes(entry.epoch)) continue
    const bad = columnOf(planned, entry.canary)?.x ?? []
    for (let bucket = 0; bucket < bad.length; bucket++) {
      if ((bad[bucket] as number) > 0 && seen.add(bucket).size >= needed) return true
    }
  }
  return false
}
