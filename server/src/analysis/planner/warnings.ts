import type { RolloutDefinition, Stage } from '../../rollout/definition.ts'
import type { PlannedMetric } from '../plan.ts'
import { marginText, percent, span, title, whole } from '../sentences.ts'
import type { EffectPlan, PlannedEffect } from './rollout-plan.ts'
import type { MarginPlan } from './stage-margin.ts'
import { assumedLatencySpread, type Base, type PlanTraffic } from './traffic.ts'

/** What an effect is called: `error rate × 2`, `p99 latency +50 %`. */
export function effectName(metric: PlannedMetric, factor: number): string {
  const what = metric.kind === 'success_rate' ? 'failures' : title(metric)
  if (factor === 2) return `${what} doubled`
  const change = percent(Math.abs(factor - 1))
  return `${what} ${factor < 1 ? '−' : '+'}${change}`
}

/** What the plan does not say about a metric, and why. */
export function metricWarnings(metric: PlannedMetric, base: Base, traffic: PlanTraffic): string[] {
  const name = title(metric)
  const found: string[] = []
  if (base.kind === 'unplanned') {
    const passed = metric.margin === undefined ? '' : '; times and chances are those of the other metrics alone'
    found.push(`Nothing is planned for ${name}: ${base.why}${passed}.`)
  }
  if (base.kind === 'counted' && (base.rate <= 0 || base.rate >= 1)) {
    const why =
      metric.margin?.absolute === undefined
        ? ' within a ratio; an absolute margin can be'
        : ' but by its absolute margin'
    const always = base.rate <= 0 ? 'never happens' : 'always happens'
    found.push(`What ${name} counts ${always} on stable: it cannot be shown${why}.`)
  }
  if (metric.kind === 'latency' && base.kind === 'counted' && traffic.latency === undefined) {
    found.push(
      `The shape of latencies is not given (latency.p50 and .p99): ${name} is planned for logs with a standard deviation of ${assumedLatencySpread}.`,
    )
  }
  if (metric.never !== undefined) found.push(`The limit of ${name} is not in the plan: it is compared with nothing.`)
  if (metric.goal !== undefined) found.push(`How long it takes to show that ${name} is better is not in the plan.`)
  return found
}

export function unplanned(
  effect: PlannedEffect,
  models: readonly { readonly metric: PlannedMetric; readonly base: Base }[],
): string[] {
  const model = models.find(({ metric }) => metric.key === effect.metric)
  if (model === undefined)
    return [`No guard or gate of this rollout looks at ${effect.metric}: an effect on it is not found.`]
  return model.base.kind === 'unplanned'
    ? [`An effect on ${title(model.metric)} cannot be planned: ${model.base.why}.`]
    : []
}

interface StageFindings {
  readonly definition: RolloutDefinition
  readonly stage: Stage
  readonly traffic: PlanTraffic
  readonly margins: readonly { readonly metric: PlannedMetric; readonly plan: MarginPlan }[]
  readonly effects: readonly EffectPlan[]
  readonly passes: number
  /** No stage ends before: hold, warm-up, and the units it asks for. */
  readonly leastMs: number
}

export function stageWarnings(findings: StageFindings): string[] {
  const { stage, traffic, margins, effects } = findings
  const at = `Stage ${stage.name}`
  if (!(traffic.requestsPerSecond > 0)) return [`${at} cannot show anything: there is no traffic.`]
  return [
    ...margins.flatMap(({ metric, plan }) => marginWarning(at, { metric, plan, stage, traffic })),
    ...lengthWarnings(at, findings),
    ...effects.flatMap((effect) => effectWarning(at, effect)),
  ]
}

function marginWarning(
  at: string,
  { metric, plan, stage, traffic }: StageFindings['margins'][number] & Pick<StageFindings, 'stage' | 'traffic'>,
): string[] {
  const asked = marginText(metric, metric.margin ?? {})
  const name = title(metric)
  const need = neededMs(stage, metric, plan)
  if (plan.monitorOnly) {
    const time = need === undefined ? '' : `: it would take ${span(need)}`
    const rate = `${shortNumber(traffic.requestsPerSecond)} requests/s`
    return [`${at} cannot show ${name} within ${asked} at ${rate}${time}; it will only be watched for harm.`]
  }
  if (plan.margin.relative !== metric.margin?.relative) {
    const wider = marginText(metric, plan.margin)
    return [`${at} can show ${name} within ${wider} only, not within ${asked}: the wider margin will be in force.`]
  }
  if (plan.shownBy(stage.maxHoldMs) >= 0.5) return []
  const time = need === undefined ? '' : `; it would take ${span(need)}`
  return [`${at} is not likely to show ${name} within ${asked} in ${span(stage.maxHoldMs)}${time}.`]
}

function lengthWarnings(at: string, { definition, stage, passes, leastMs }: StageFindings): string[] {
  if (leastMs > stage.maxHoldMs) {
    const most = span(stage.maxHoldMs)
    return Number.isFinite(leastMs)
      ? [
          `${at} needs ${span(leastMs)} to have its ${whole(stage.minUnits)} users in each arm: more than its longest hold of ${most}.`,
        ]
      : [`${at} never has its ${whole(stage.minUnits)} users in each arm: nobody comes.`]
  }
  if (passes >= 0.95) return []
  return [
    `A canary as good as stable passes stage ${stage.name} with a chance of ${chanceText(passes)} only; else ${policy[definition.onInconclusive]}.`,
  ]
}

function effectWarning(at: string, { name, detected, median }: EffectPlan): string[] {
  if (detected >= 0.5) return []
  if (median === undefined)
    return [`${at} never reverts for ${name}: the effect is too small, or too rare to be told from chance.`]
  const half = span(median.seconds * 1000)
  return [
    `${at} finds ${name} with a chance of ${chanceText(detected)} only: half of such harm takes longer than ${half}.`,
  ]
}

const policy = {
  pause: 'the rollout pauses and asks',
  advance: 'it advances undecided where nothing speaks of harm',
  revert: 'the rollout is taken back',
} as const

const chanceText = (chance: number): string =>
  chance < 0.001 ? 'less than 0.1 %' : percent(Math.floor(chance * 1000) / 1000)

const shortNumber = (value: number): string => String(Number(value.toPrecision(3)))

/** The stage's length at which the asked ratio could be shown: information grows with time, so by the square of the log ratios. */
function neededMs(stage: Stage, { margin, down }: PlannedMetric, { feasible }: MarginPlan): number | undefined {
  const relative = margin?.relative
  if (relative === undefined || feasible === undefined || relative === 1 || !(feasible > 0)) return undefined
  const wanted = Math.log(down ? 1 / relative : relative)
  const can = Math.log(down ? 1 / feasible : feasible)
  const needed = stage.maxHoldMs * (can / wanted) ** 2
  return Number.isFinite(needed) && needed > 0 ? needed : undefined
}
