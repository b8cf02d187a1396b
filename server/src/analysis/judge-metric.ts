import type { Stage } from '../rollout/definition.ts'
import { logSumExp } from './e-value.ts'
import type { JudgeInput, MetricJudgement } from './judgement.ts'
import { type Memory, type MetricMemory, metricMemory } from './memory.ts'
import { logShown, type ShownBy } from './non-inferiority.ts'
import { isCounted, isValued, type PlannedMetric, planMetrics } from './plan.ts'
import { metricSentence } from './sentences.ts'
import { judgeCounted } from './tests/judge-counted.ts'
import { judgeObserved } from './tests/judge-observed.ts'
import { judgeThroughput } from './tests/judge-throughput.ts'
import { judgeValued } from './tests/judge-valued.ts'
import { trendView } from './trend.ts'

/** What of a metric speaks most against the canary: the comparison, its own limit, or one slice. */
export type Cause = 'harm' | 'limit' | 'slice'

export interface JudgedMetric {
  readonly planned: PlannedMetric
  readonly found: MetricJudgement
  /** The practical gates of a harm verdict hold: enough bad events of enough users, and a difference worth acting on. */
  readonly proven: boolean
  readonly cause: Cause
  /** The memory with what this look latched. */
  readonly memory: MetricMemory
}

/** What a look at one metric has to go by. */
export interface MetricLook {
  readonly planned: PlannedMetric
  readonly input: JudgeInput
  readonly memory: Memory
  readonly own: MetricMemory
  readonly stage: Stage
  /** Both arms have users in this stage, by its weight. */
  readonly comparing: boolean
  readonly warm: boolean
}

/** What the tests of a kind of metric find; what the kind has no test for is absent. */
export interface Findings {
  readonly canary: MetricJudgement['canary']
  readonly stable: MetricJudgement['stable']
  readonly ratio?: MetricJudgement['ratio']
  /** log e of harm against stable, and of being beyond the limit. */
  readonly harm?: number
  readonly limit?: Pick<NonNullable<MetricJudgement['limit']>, 'canary' | 'logEvidence' | 'isShared'>
  readonly dispersion: number
  readonly degrees: number
  readonly within?: {
    readonly margin: NonNullable<MetricJudgement['nonInferiority']>['margin']
    readonly logEvidence: number
    readonly shown: ShownBy | undefined
    readonly monitorOnly: boolean
  }
  readonly better?: number
  readonly slices?: NonNullable<MetricJudgement['slices']>
  /** Part of `harm` that the loudest slice has. */
  readonly loudestSlice?: number
  /** By what speaks against the canary; true where nothing else is asked for. */
  readonly proven: { readonly [K in Cause]?: boolean }
  readonly memory: MetricMemory
}

/** Every metric that a guard or gate names, judged on the evidence of the run and of the stage. */
export function judgeMetrics(input: JudgeInput, memory: Memory, stage: Stage): readonly JudgedMetric[] {
  const comparing = input.stage.weight > 0 && input.stage.weight < 100
  const warm = input.stage.elapsedMs >= input.definition.analysis.warmupMs
  return planMetrics(input.definition).map((planned) =>
    judgeMetric({ planned, input, memory, own: metricMemory(memory, planned), stage, comparing, warm }),
  )
}

function judgeMetric(look: MetricLook): JudgedMetric {
  const { planned, input, comparing } = look
  const findings = findingsOf(look)
  const { within, better } = findings
  const cause = causeOf(planned, findings)
  const blocks = planned.margin !== undefined && (planned.gated || planned.guard?.action !== 'alert')
  const found: Omit<MetricJudgement, 'sentence'> = {
    metric: planned.key,
    kind: planned.kind,
    better: planned.higherIsBetter ? 'higher' : 'lower',
    ...guardPart(planned, input.dismissed),
    canary: findings.canary,
    stable: findings.stable,
    ...(findings.ratio === undefined ? {} : { ratio: findings.ratio }),
    logHarm: harmOf(planned, findings),
    ...limitPart(planned, findings),
    ...trendPart(findings.memory, input.definition.analysis.tickMs),
    ...(findings.slices === undefined ? {} : { slices: findings.slices }),
    ...(planned.goal === undefined || !comparing || better === undefined
      ? {}
      : { superiority: superiorityOf(planned.goal, better, input.definition.analysis.alpha) }),
    dispersion: findings.dispersion,
    ...(Number.isFinite(findings.degrees) ? { degreesOfFreedom: findings.degrees } : {}),
    ...(comparing && blocks && within !== undefined ? { nonInferiority: nonInferiorityOf(within) } : {}),
  }
  return {
    planned,
    found: { ...found, sentence: metricSentence(planned, found) },
    proven: findings.proven[cause] ?? true,
    cause,
    memory: findings.memory,
  }
}

function findingsOf(look: MetricLook): Findings {
  const { kind } = look.planned
  if (isCounted(kind)) return judgeCounted(look)
  if (kind === 'throughput') return judgeThroughput(look)
  return isValued(kind) ? judgeValued(look) : judgeObserved(look)
}

function guardPart(
  { guard, weight, key }: PlannedMetric,
  dismissed: readonly string[],
): Pick<MetricJudgement, 'guard'> {
  if (guard === undefined) return {}
  return { guard: { action: guard.action, weight, dismissed: dismissed.includes(key) } }
}

function trendPart({ trend }: MetricMemory, tickMs: number): Pick<MetricJudgement, 'trend'> {
  if (trend === undefined) return {}
  return { trend: { canary: trendView(trend.canary, tickMs), stable: trendView(trend.stable, tickMs) } }
}

function limitPart({ never }: PlannedMetric, { limit }: Findings): Pick<MetricJudgement, 'limit'> {
  if (never === undefined || limit === undefined) return {}
  return { limit: never.above === undefined ? { below: never.below, ...limit } : { above: never.above, ...limit } }
}

function causeOf({ guard }: PlannedMetric, { harm = 0, limit, loudestSlice }: Findings): Cause {
  if (limit !== undefined && (guard?.worseThan === undefined || limit.logEvidence > harm)) return 'limit'
  return loudestSlice !== undefined && loudestSlice > harm - Math.LN2 ? 'slice' : 'harm'
}

/** A guard with both a comparison and a limit gives half of its weight to each. */
function harmOf({ guard }: PlannedMetric, { harm = 0, limit }: Findings): number {
  if (limit === undefined) return harm
  if (guard?.worseThan === undefined) return limit.logEvidence
  return logSumExp([harm, limit.logEvidence]) - Math.LN2
}

/** Goals and guards share one error budget: a claim "better" needs 1/(α·w). */
function superiorityOf(
  goal: NonNullable<PlannedMetric['goal']>,
  logEvidence: number,
  alpha: number,
): NonNullable<MetricJudgement['superiority']> {
  const needed = Math.log(1 / (alpha * goal.weight))
  return { relative: goal.relative, logEvidence, needed, passed: logEvidence >= needed }
}

function nonInferiorityOf(within: NonNullable<Findings['within']>): NonNullable<MetricJudgement['nonInferiority']> {
  const { shown } = within
  return {
    margin: within.margin,
    logEvidence: within.logEvidence,
    needed: logShown,
    passed: shown !== undefined,
    ...(shown === undefined ? {} : { by: shown }),
    monitorOnly: within.monitorOnly,
  }
}
