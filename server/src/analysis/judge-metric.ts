import type { Stage } from '../rollout/definition.ts'
import { type Dispersion, dispersion, type Segment } from './dispersion.ts'
import { ratioInterval } from './estimate.ts'
import type { BucketTable, EpochBuckets } from './evidence.ts'
import { logEvidence } from './harm-process.ts'
import type { ArmFigures, JudgeInput, MetricJudgement } from './judgement.ts'
import { type Memory, type MetricMemory, metricMemory } from './memory.ts'
import { logShown, lookAtStage, stageEvidence } from './non-inferiority.ts'
import { type PlannedMetric, planMetrics } from './plan.ts'
import { metricSentence } from './sentences.ts'

export interface JudgedMetric {
  readonly planned: PlannedMetric
  readonly found: MetricJudgement
  /** The practical gates of a harm verdict hold: enough bad events of enough users, and a difference worth acting on. */
  readonly proven: boolean
  /** The memory with what this look latched. */
  readonly memory: MetricMemory
}

const none: Dispersion = { factor: 1, degrees: Number.POSITIVE_INFINITY }
/** Gates of STATISTICS 3.6: they can only make false reverts rarer. */
const gates = { badEvents: 3, users: 3, ratioUp: 1.1, ratioDown: 0.97, difference: 0.0005 } as const

/** Every metric that a guard or gate names, judged on the evidence of the run and of the stage. */
export function judgeMetrics(input: JudgeInput, memory: Memory, stage: Stage): readonly JudgedMetric[] {
  return planMetrics(input.definition).map((planned) => judgeMetric(planned, input, memory, stage))
}

function judgeMetric(planned: PlannedMetric, input: JudgeInput, memory: Memory, stage: Stage): JudgedMetric {
  const { armNoise: configured, maxMargin: _, ...times } = input.definition.analysis
  const own = metricMemory(memory, planned)
  // A unit converts once: nothing correlates, and no instance is behind it (STATISTICS 4.2).
  const armNoise = planned.kind === 'conversion' ? 0 : configured
  const spread = spreads(planned, input.buckets, memory.segments)
  const logHarm = Math.min(...own.harm.map((process) => logEvidence(process, planned.down, armNoise, spread)))
  const whole = memory.segments.length === 0 ? none : spread(0)
  const inStage = memory.comparing ? spread(memory.segments.length - 1) : none
  const comparing = input.stage.weight > 0 && input.stage.weight < 100
  const { margin, monitorOnly } = own.stageMargin
  const warm = input.stage.elapsedMs >= times.warmupMs
  const looked =
    comparing && warm
      ? lookAtStage(own.stage, planned, margin, inStage, armNoise, {
          elapsedMs: input.stage.elapsedMs,
          maxHoldMs: stage.maxHoldMs,
        })
      : own.stage
  const ratio = ratioInterval(own.ratio, whole.factor, armNoise)
  const found: Omit<MetricJudgement, 'sentence'> = {
    metric: planned.key,
    kind: planned.kind,
    ...(planned.guard === undefined
      ? {}
      : {
          guard: {
            action: planned.guard.action,
            weight: planned.weight,
            dismissed: input.dismissed.includes(planned.key),
          },
        }),
    canary: figures(own.totals.n1, own.totals.x1),
    stable: figures(own.totals.n0, own.totals.x0),
    ...(ratio === undefined ? {} : { ratio }),
    logHarm,
    dispersion: whole.factor,
    ...(Number.isFinite(whole.degrees) ? { degreesOfFreedom: whole.degrees } : {}),
    ...(comparing && (planned.gated || planned.guard?.action !== 'alert')
      ? {
          nonInferiority: {
            margin,
            logEvidence: stageEvidence(looked, margin, inStage, armNoise),
            needed: logShown,
            passed: looked.shown !== undefined,
            ...(looked.shown === undefined ? {} : { by: looked.shown }),
            monitorOnly,
          },
        }
      : {}),
  }
  return {
    planned,
    found: { ...found, sentence: metricSentence(planned, found) },
    proven: isProven(planned, own, input.buckets, memory.segments, ratio?.estimate),
    memory: { ...own, stage: looked },
  }
}

function figures(n: number, x: number): ArmFigures {
  return n > 0 ? { n, x, rate: x / n } : { n, x }
}

/** Over-dispersion from a comparison epoch of the run until now, computed once each. */
function spreads(
  planned: PlannedMetric,
  buckets: readonly EpochBuckets[],
  segments: readonly number[],
): (segment: number) => Dispersion {
  if (planned.kind === 'conversion') return () => none
  const tables = segments.map((epoch) => buckets.find((entry) => entry.epoch === epoch))
  const known = new Map<number, Dispersion>()
  return (segment) => {
    let found = known.get(segment)
    if (found === undefined) {
      const span = tables.slice(segment).flatMap((entry) => (entry === undefined ? [] : segmentOf(planned, entry)))
      found = span.length === 0 ? none : dispersion(span)
      known.set(segment, found)
    }
    return found
  }
}

function segmentOf(planned: PlannedMetric, entry: EpochBuckets): Segment[] {
  const canary = column(planned, entry.canary)
  const stable = column(planned, entry.stable)
  if (canary === undefined || stable === undefined) return []
  return [{ n1: canary.n, x1: canary.x, n0: stable.n, x0: stable.x }]
}

function column(
  planned: PlannedMetric,
  table: BucketTable,
): { readonly n: Float64Array; readonly x: Float64Array } | undefined {
  if (planned.kind === 'error_rate') return { n: table.n, x: table.failed }
  const over = planned.limits === undefined ? undefined : table.over[planned.limits.at]
  return over === undefined ? undefined : { n: table.timed, x: over }
}

/**
 * STATISTICS 3.6 (a) to (c). For a conversion, fewer events are the harm: there the same number of events is asked of stable, and users and
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
  if (planned.kind === 'conversion') return x0 >= gates.badEvents && estimate <= gates.ratioDown
  if (x1 < gates.badEvents || estimate < gates.ratioUp) return false
  if (planned.kind === 'error_rate' && difference < gates.difference) return false
  return distinctUsers(planned, buckets, segments) >= gates.users
}

/** User buckets with a bad canary event; independent of time, so that one user's storm is one. */
function distinctUsers(planned: PlannedMetric, buckets: readonly EpochBuckets[], segments: readonly number[]): number {
  const seen = new Set<number>()
  for (const entry of buckets) {
    if (!segments.includes(entry.epoch)) continue
    column(planned, entry.canary)?.x.forEach((bad, bucket) => {
      if (bad > 0) seen.add(bucket)
    })
  }
  return seen.size
}
