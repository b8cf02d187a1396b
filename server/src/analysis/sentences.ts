import type { RolloutDefinition } from '../rollout/definition.ts'
import type { ArmFigures, MetricJudgement } from './judgement.ts'
import { isCounted, type PlannedMetric } from './plan.ts'

/** One for each number of digits: making one costs far more than using it, and every look writes dozens of figures. */
const formats = Array.from({ length: 7 }, (_, most) => new Intl.NumberFormat('en-US', { maximumFractionDigits: most }))

function digits(value: number, most: number): string {
  // Most figures are counts below a thousand, which need no format.
  if (Number.isInteger(value) && value > 0 && value < 1000) return String(value)
  return (formats[most] as Intl.NumberFormat).format(value)
}

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

type Named = Pick<PlannedMetric, 'key' | 'kind' | 'limits' | 'errorKind'>

/** What a metric is called in a sentence. */
export function title(metric: Named): string {
  switch (metric.kind) {
    case 'error_rate':
      return metric.errorKind === undefined ? 'error rate' : `${metric.errorKind} error rate`
    case 'success_rate':
      return 'success rate'
    case 'throughput':
      return 'requests per user'
    case 'latency':
      return `p${digits((metric.limits?.quantile ?? 0) * 100, 2)} latency`
    case 'conversion':
      return `${metric.key} conversion`
    case 'sum':
    case 'count':
      return `${metric.key} per user`
    case 'mean':
    case 'ratio':
    case 'external':
      return metric.key
  }
}

/** A figure of a metric, as it is read out: `2.1 %`, `49.9`, `800 ms`. */
export function figureText({ kind }: Pick<PlannedMetric, 'kind'>, value: number): string {
  if (kind === 'latency') return `${digits(value, 0)} ms`
  return isRate(kind) ? percent(value) : digits(value, Math.abs(value) < 10 ? 3 : 1)
}

const isRate = (kind: PlannedMetric['kind']): boolean => isCounted(kind)

function behind(kind: PlannedMetric['kind'], n: number): string {
  switch (kind) {
    case 'conversion':
    case 'sum':
    case 'count':
    case 'throughput':
      return `${whole(n)} users`
    case 'mean':
    case 'ratio':
      return digits(n, 0)
    case 'external':
      return `${whole(n)} observations`
    default:
      return `${whole(n)} requests`
  }
}

function armText({ kind }: Pick<PlannedMetric, 'kind'>, arm: ArmFigures): string {
  if (arm.rate === undefined) return 'nothing yet'
  const value = isRate(kind) ? percent(arm.rate) : figureText({ kind }, arm.rate)
  return `${value} ${isRate(kind) ? 'of' : 'over'} ${behind(kind, arm.n)}`
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
      : ` (ratio ${digits(ratio.estimate, 2)}, 99 % always-valid interval ${digits(ratio.low, 2)}–${digits(ratio.high, 2)})`
  return `${what}: ${armText(metric, found.canary)} on the canary against ${armText(metric, found.stable)} on stable${times}`
}

/** A guard's bound: `never above 5 %`. */
export function limitText(metric: PlannedMetric): string {
  const { above, below } = metric.never ?? {}
  if (above !== undefined) return `never above ${figureText(metric, above)}`
  return below === undefined ? '' : `never below ${figureText(metric, below)}`
}

/** What the canary is at, where a bound is about it alone. */
function limitFigure(metric: PlannedMetric, limit: NonNullable<MetricJudgement['limit']>): string {
  const { canary } = limit
  if (canary.rate === undefined) return 'nothing reported yet'
  if (metric.kind === 'latency') {
    const slower = `${percent(canary.rate)} of ${whole(canary.n)} canary requests took longer than ${figureText(metric, limit.above ?? 0)}`
    return `${slower}, where p${digits((metric.limits?.quantile ?? 0) * 100, 2)} allows ${percent(1 - (metric.limits?.quantile ?? 0))}`
  }
  return `${title(metric)}: ${armText(metric, canary)} on the canary, where the guard says ${limitText(metric)}`
}

/** Why a canary beyond its own limit is taken back or stopped. */
export function limitSentence(
  metric: PlannedMetric,
  limit: NonNullable<MetricJudgement['limit']>,
  logHarm: number,
  definition: RolloutDefinition,
): string {
  return `${capitalised(limitFigure(metric, limit))}: odds ${oddsText(logHarm)} against chance. ${falseAlarms(definition)}`
}

/** Why a canary that harms one group of users is taken back or stopped. */
export function sliceSentence(
  metric: PlannedMetric,
  slice: NonNullable<MetricJudgement['slices']>[number],
  logHarm: number,
  definition: RolloutDefinition,
): string {
  const what = metric.kind === 'latency' ? latencyWording(metric) : title(metric)
  const arms = `${armText(metric, slice.canary)} on the canary against ${armText(metric, slice.stable)} on stable`
  return `Where ${slice.attribute} is ${slice.value}, ${what}: ${arms}; elsewhere no such difference is shown: odds ${oddsText(logHarm)} against chance. ${falseAlarms(definition)}`
}

const falseAlarms = ({ analysis }: RolloutDefinition): string =>
  `False alarms of this rule happen in at most 1 of ${whole(1 / analysis.alpha)} rollouts.`

export function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** One sentence per metric for the report. */
export function metricSentence(metric: PlannedMetric, found: Omit<MetricJudgement, 'sentence'>): string {
  const isCompared = metric.margin !== undefined || metric.goal !== undefined || metric.never === undefined
  const first = isCompared
    ? `${capitalised(comparison(metric, found))}; evidence of harm ${oddsText(found.logHarm)}.`
    : ''
  return [first, limitPart(metric, found), withinPart(metric, found), betterPart(found)].filter(Boolean).join(' ')
}

function limitPart(metric: PlannedMetric, { limit }: Pick<MetricJudgement, 'limit'>): string {
  return limit === undefined
    ? ''
    : `${capitalised(limitFigure(metric, limit))}; evidence that it is beyond ${oddsText(limit.logEvidence)}.`
}

function withinPart(metric: PlannedMetric, { nonInferiority: shown }: Pick<MetricJudgement, 'nonInferiority'>): string {
  if (shown === undefined) return ''
  const margin = marginText(metric, shown.margin)
  if (shown.passed) return `Shown to be within ${margin}.`
  return shown.monitorOnly
    ? `This stage has too little traffic to show it is within ${margin}; it is watched for harm only.`
    : `Not yet shown to be within ${margin}: evidence ${oddsText(shown.logEvidence)} of ${oddsText(shown.needed)}.`
}

function betterPart({ superiority }: Pick<MetricJudgement, 'superiority'>): string {
  if (superiority === undefined) return ''
  const goal = betterText(superiority.relative)
  return superiority.passed
    ? `Shown to be ${goal}.`
    : `Not yet shown to be ${goal}: evidence ${oddsText(superiority.logEvidence)} of ${oddsText(superiority.needed)}.`
}

/** `better than stable`, `better than 1.05 times stable`. */
export function betterText(relative: number): string {
  return relative === 1 ? 'better than stable' : `better than ${digits(relative, 3)} times stable`
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
  return `${capitalised(comparison(metric, found))}: odds ${oddsText(logHarm)} against chance. ${falseAlarms(definition)}`
}
