import { type Dispersion, dispersionsUntilNow, type Segment } from '../dispersion.ts'
import { successes } from '../e-value.ts'
import { ratioInterval } from '../estimate.ts'
import type { EpochBuckets } from '../evidence.ts'
import { logEvidence } from '../harm-process.ts'
import type { Findings, MetricLook } from '../judge-metric.ts'
import type { ArmFigures } from '../judgement.ts'
import type { MetricMemory } from '../memory.ts'
import { lookAtStage, stageEvidence } from '../non-inferiority.ts'
import type { PlannedMetric } from '../plan.ts'
import { columnOf } from './columns.ts'
import { lookAtLimit } from './limit.ts'
import { superiorityEvidence } from './superiority.ts'

const none: Dispersion = { factor: 1, degrees: Number.POSITIVE_INFINITY }
/** Gates of STATISTICS 3.6: they can only make false reverts rarer. */
const gates = { badEvents: 3, users: 3, ratioUp: 1.1, ratioDown: 0.97, difference: 0.0005 } as const

/** Rates, latencies and conversions: events out of requests or units. */
export function judgeCounted({ planned, input, memory, own, stage, comparing, warm }: MetricLook): Findings {
  // A unit converts once: nothing correlates, and no instance is behind it (STATISTICS 4.2).
  const armNoise = planned.kind === 'conversion' ? 0 : input.definition.analysis.armNoise
  const spread = spreads(planned, input.buckets, memory.segments)
  const whole = memory.segments.length === 0 ? none : spread(0)
  const inStage = memory.comparing ? spread(memory.segments.length - 1) : none
  const harm = own.harm.map((process) => logEvidence(process, planned.down, armNoise, spread))
  const { margin, monitorOnly } = own.stageMargin
  const times = { elapsedMs: input.stage.elapsedMs, maxHoldMs: stage.maxHoldMs }
  const isComparedHere = comparing && warm && planned.margin !== undefined
  const looked = isComparedHere ? lookAtStage(own.stage, planned, margin, inStage, armNoise, times) : own.stage
  const ratio = ratioInterval(own.ratio, whole.factor, armNoise)
  const limit = own.limit === undefined ? undefined : lookAtLimit(own.limit, planned, input.buckets)
  const totals = planned.kind === 'success_rate' ? successes(own.totals) : own.totals
  const bothProven = isProven(
    planned,
    own,
    input.buckets,
    memory.segments,
    planned.kind === 'success_rate' ? undefined : ratio?.estimate,
  )
  const limitProven = limit !== undefined && own.limit !== undefined && own.limit.canary.x >= gates.badEvents
  return {
    canary: figures(totals.n1, totals.x1),
    stable: figures(totals.n0, totals.x0),
    ...(ratio === undefined ? {} : { ratio }),
    ...(harm.length === 0 ? {} : { harm: Math.min(...harm) }),
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
    proven: limit !== undefined && limit.log > Math.min(...harm, limit.log - 1) ? limitProven : bothProven,
    memory: looked === own.stage ? own : { ...own, stage: looked },
  }
}

function figures(n: number, x: number): ArmFigures {
  return n > 0 ? { n, x, rate: x / n } : { n, x }
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
  if (planned.down) return x0 >= gates.badEvents && estimate <= gates.ratioDown
  if (x1 < gates.badEvents || estimate < gates.ratioUp) return false
  if (planned.kind === 'conversion') return true
  if (planned.kind !== 'latency' && difference < gates.difference) return false
  return reachesUsers(planned, buckets, segments, gates.users)
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
