import type { Judgement, MetricJudgement } from './judgement.ts'

/** What is known of a metric, in a word. */
export type Classification =
  /** Nobody has reported it, or one arm has nothing. */
  | 'no-data'
  /** Harm is shown. */
  | 'worse'
  /** Ten to one speaks for harm: the stage waits. */
  | 'suspect'
  /** Shown to be better, where a gate asks for it. */
  | 'better'
  /** Shown to be within the margin. */
  | 'within'
  /** Too little traffic to show it; watched for harm. */
  | 'watched'
  | 'undecided'

export interface MetricScore {
  readonly metric: string
  readonly classification: Classification
  /** 0 to 100; absent without data. */
  readonly score?: number
  /** Share of the evidence that a revert (of this metric alone) needs, and that advancing needs, in percent. */
  readonly towardsRevert: number
  readonly towardsAdvance?: number
  readonly weight: number
}

/** For people who know Kayenta: a report, never the reason of a verdict. */
export interface Score {
  /** Weighted mean of the metrics with data, 0 to 100; absent where there is none. */
  readonly score?: number
  /** `pass` from 95, `marginal` from 75. */
  readonly label: 'pass' | 'marginal' | 'fail' | 'no-data'
  readonly metrics: readonly MetricScore[]
}

const logSuspect = Math.log(10)
const points: { readonly [C in Classification]: number | undefined } = {
  'no-data': undefined,
  worse: 0,
  suspect: 50,
  better: 100,
  within: 100,
  watched: 100,
  undecided: 100,
}

/**
 * A composite in the manner of Kayenta's judge: each metric passes (100), is suspect (50) or worse (0); metrics without data are left out; the
 * score is the mean by the guards' weights (a metric that only gates counts as the lightest guard). Classification is by the sequential
 * evidence, so that looking often does not change what it means.
 */
export function scoreOf(judgement: Judgement): Score {
  const guards = judgement.metrics.flatMap(({ guard }) =>
    guard !== undefined && guard.weight > 0 ? [guard.weight] : [],
  )
  const lightest = guards.length > 0 ? Math.min(...guards) : 1
  const metrics = judgement.metrics.map((metric) => scoreMetric(metric, judgement.logHarmNeeded, lightest))
  const counted = metrics.filter(({ score }) => score !== undefined)
  const weight = counted.reduce((sum, metric) => sum + metric.weight, 0)
  if (weight === 0) return { label: 'no-data', metrics }
  const score = counted.reduce((sum, metric) => sum + metric.weight * (metric.score ?? 0), 0) / weight
  return { score, label: score >= 95 ? 'pass' : score >= 75 ? 'marginal' : 'fail', metrics }
}

function scoreMetric(metric: MetricJudgement, needed: number, lightest: number): MetricScore {
  const classification = classify(metric, needed)
  const score = points[classification]
  const { nonInferiority: shown, superiority: goal } = metric
  const steps = [
    ...(shown === undefined || shown.monitorOnly ? [] : [shown.passed ? 100 : share(shown.logEvidence, shown.needed)]),
    ...(goal === undefined ? [] : [goal.passed ? 100 : share(goal.logEvidence, goal.needed)]),
  ]
  return {
    metric: metric.metric,
    classification,
    ...(score === undefined ? {} : { score }),
    towardsRevert: share(metric.logHarm, needed),
    ...(steps.length === 0 ? {} : { towardsAdvance: Math.min(...steps) }),
    weight: metric.guard !== undefined && metric.guard.weight > 0 ? metric.guard.weight : lightest,
  }
}

const share = (log: number, needed: number): number => Math.round(100 * Math.min(1, Math.max(0, log / needed)))

function classify(metric: MetricJudgement, needed: number): Classification {
  const { canary, stable, limit, logHarm, nonInferiority, superiority } = metric
  const isCompared = canary.n > 0 && stable.n > 0
  if (!isCompared && (limit === undefined || limit.canary.n === 0)) return 'no-data'
  if (logHarm >= needed) return 'worse'
  if (logHarm >= logSuspect) return 'suspect'
  if (superiority?.passed === true) return 'better'
  if (nonInferiority?.passed === true) return 'within'
  return nonInferiority?.monitorOnly === true ? 'watched' : 'undecided'
}
