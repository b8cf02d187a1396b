import type { RolloutDefinition } from '../rollout/definition.ts'
import type { ArmFigures, MetricJudgement } from './judgement.ts'
import type { PlannedMetric } from './plan.ts'

const digits = (value: number, most: number): string => value.toLocaleString('en-US', { maximumFractionDigits: most })

/** A count for people: `1,300`. */
export const whole = (value: number): string => digits(Math.round(value), 0)

/** A rate as a percentage with as many digits as it deserves: 2.1 %, 0.042 %. */
export function percent(rate: number): string {
  const value = rate * 100
  if (value === 0) return '0 %'
  return `${digits(value, Math.min(6, Math.max(0, 1 - Math.floor(Math.log10(Math.abs(value))))))} %`
}

/** Evidence as odds: `160:1`, `1:3`; beyond a billion it only says so. */
export function oddsText(log: number): string {
  if (log > Math.log(1e9)) return 'more than 1,000,000,000:1'
  if (log < -Math.log(1e9)) return 'less than 1:1,000,000,000'
  return log >= 0 ? `${whole(Math.exp(log))}:1` : `1:${whole(Math.exp(-log))}`
}

/** A span for people: `12 s`, `4 min`, `2.5 h`. */
export function span(ms: number): string {
  if (ms < 90_000) return `${Math.max(0, Math.ceil(ms / 1000))} s`
  if (ms < 5_400_000) return `${Math.ceil(ms / 60_000)} min`
  return ms < 172_800_000 ? `${digits(ms / 3_600_000, 1)} h` : `${digits(ms / 86_400_000, 1)} days`
}

/** What a metric is called in a sentence. */
export function title(metric: Pick<PlannedMetric, 'key' | 'kind' | 'limits'>): string {
  if (metric.kind === 'error_rate') return 'error rate'
  if (metric.limits !== undefined) return `p${digits(metric.limits.quantile * 100, 2)} latency`
  return `${metric.key} conversion`
}

function armText(metric: Pick<PlannedMetric, 'kind'>, arm: ArmFigures): string {
  if (arm.rate === undefined) return 'nothing yet'
  const of = metric.kind === 'conversion' ? 'users' : 'requests'
  return `${percent(arm.rate)} of ${whole(arm.n)} ${of}`
}

const latencyWording = (metric: Pick<PlannedMetric, 'limits'>): string =>
  `requests slower than stable's p${digits((metric.limits?.quantile ?? 0) * 100, 2)}`

/** Both arms, the ratio and its interval: what a metric stands at. */
export function comparison(metric: PlannedMetric, found: Pick<MetricJudgement, 'canary' | 'stable' | 'ratio'>): string {
  const what = metric.kind === 'latency' ? latencyWording(metric) : title(metric)
  const ratio = found.ratio
  const times =
    ratio === undefined
      ? ''
      : ` (ratio ${digits(ratio.estimate, 2)}, 95 % always-valid interval ${digits(ratio.low, 2)}–${digits(ratio.high, 2)})`
  return `${what} ${armText(metric, found.canary)} on the canary against ${armText(metric, found.stable)} on stable${times}`
}

export function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** One sentence per metric for the report. */
export function metricSentence(metric: PlannedMetric, found: Omit<MetricJudgement, 'sentence'>): string {
  const shown = found.nonInferiority
  const margin = shown === undefined ? '' : marginText(metric, shown.margin)
  const tail =
    shown === undefined
      ? ''
      : shown.passed
        ? ` Shown to be within ${margin}.`
        : shown.monitorOnly
          ? ` This stage has too little traffic to show it is within ${margin}; it is watched for harm only.`
          : ` Not yet shown to be within ${margin}: evidence ${oddsText(shown.logEvidence)} of ${oddsText(shown.needed)}.`
  return `${capitalised(comparison(metric, found))}; evidence of harm ${oddsText(found.logHarm)}.${tail}`
}

export function marginText(
  metric: PlannedMetric,
  margin: { readonly relative?: number; readonly absolute?: number },
): string {
  const parts: string[] = []
  if (margin.relative !== undefined) parts.push(`${digits(margin.relative, 2)} times stable`)
  if (margin.absolute !== undefined) parts.push(`${digits(margin.absolute * 100, 3)} percentage points of stable`)
  return metric.kind === 'latency' ? `${parts.join('')} in milliseconds` : parts.join(' or ')
}

/** Why a canary is taken back or stopped for harm. */
export function harmSentence(
  metric: PlannedMetric,
  found: Pick<MetricJudgement, 'canary' | 'stable' | 'ratio'>,
  logHarm: number,
  definition: RolloutDefinition,
): string {
  const oneIn = whole(1 / definition.analysis.alpha)
  return `${capitalised(comparison(metric, found))}: odds ${oddsText(logHarm)} against chance. False alarms of this rule happen in at most 1 of ${oneIn} rollouts.`
}
