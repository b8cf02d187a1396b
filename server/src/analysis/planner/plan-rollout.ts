import type { RolloutDefinition, Stage } from '../../rollout/definition.ts'
import { type PlannedMetric, planMetrics } from '../plan.ts'
import { type Asked, effectPlan, isComparing, type Modelled, overRamp } from './effect-plan.ts'
import type { MetricPlan, PlannedEffect, RolloutPlan, StagePlan } from './rollout-plan.ts'
import { countedMargin, type MarginPlan, valuedMargin } from './stage-margin.ts'
import { type Base, baseOf, type PlanTraffic } from './traffic.ts'
import { effectName, metricWarnings, stageWarnings, unplanned } from './warnings.ts'

/** Effects that a plan looks at when none are named. */
function defaultEffects(models: readonly Modelled[]): readonly PlannedEffect[] {
  return models.flatMap(({ metric }) => {
    if (!(metric.weight > 0)) return []
    const { key, kind, higherIsBetter } = metric
    if (kind === 'error_rate' || kind === 'success_rate') return [2, 1.5].map((factor) => ({ metric: key, factor }))
    if (kind === 'latency') return [{ metric: key, factor: 1.5 }]
    return [{ metric: key, factor: higherIsBetter ? 0.9 : 1.1 }]
  })
}

/** What a rollout can be expected to show at this traffic, stage by stage. What cannot be known is absent, with a sentence that says so. */
export function planRollout(
  definition: RolloutDefinition,
  traffic: PlanTraffic,
  effects?: readonly PlannedEffect[],
): RolloutPlan {
  const models = planMetrics(definition).map((metric) => ({ metric, base: baseOf(metric, traffic) }))
  const asked = (effects ?? defaultEffects(models)).flatMap((effect) => {
    const model = models.find(({ metric }) => metric.key === effect.metric)
    return model === undefined || model.base.kind === 'unplanned' ? [] : [{ effect, model }]
  })
  const comparing = definition.stages.filter(isComparing)
  const stages = definition.stages.map((stage) =>
    planStage({ definition, traffic, models, asked, stage, index: comparing.indexOf(stage) }),
  )
  const medianSeconds = total(stages.map((stage) => stage.medianSeconds))
  const p90Seconds = total(stages.map((stage) => stage.p90Seconds))
  return {
    stages,
    ...(medianSeconds === undefined ? {} : { medianSeconds }),
    ...(p90Seconds === undefined ? {} : { p90Seconds }),
    passes: stages.reduce((product, { passes }) => product * passes, 1),
    effects: asked.map(({ effect, model }) => ({
      ...effect,
      name: effectName(model.metric, effect.factor),
      detected: overRamp(definition, stages, { effect, model }),
    })),
    warnings: [
      ...models.flatMap(({ metric, base }) => metricWarnings(metric, base, traffic)),
      ...(effects ?? []).flatMap((effect) => unplanned(effect, models)),
      ...definition.stages
        .filter(({ approval }) => approval)
        .map(({ name }) => `Stage ${name} waits for an approval as well: that time is not in the plan.`),
    ],
  }
}

function total(seconds: readonly (number | undefined)[]): number | undefined {
  let sum = 0
  for (const one of seconds) {
    if (one === undefined) return undefined
    sum += one
  }
  return sum
}

interface StageTask {
  readonly definition: RolloutDefinition
  readonly traffic: PlanTraffic
  readonly models: readonly Modelled[]
  readonly asked: readonly Asked[]
  readonly stage: Stage
  /** Among the stages that compare; below 0 where this one does not. */
  readonly index: number
}

function planStage({ definition, traffic, models, asked, stage, index }: StageTask): StagePlan {
  const seconds = stage.maxHoldMs / 1000
  const split = (perSecond: number) => ({
    canary: (perSecond * seconds * stage.weight) / 100,
    stable: perSecond * seconds * (1 - stage.weight / 100),
  })
  const plain = {
    stage: stage.name,
    weight: stage.weight,
    requests: split(traffic.requestsPerSecond),
    ...(traffic.usersPerSecond === undefined ? {} : { units: split(traffic.usersPerSecond) }),
  }
  if (index < 0) {
    const hold = stage.holdMs / 1000
    return { ...plain, metrics: [], medianSeconds: hold, p90Seconds: hold, passes: 1, effects: [], warnings: [] }
  }
  const margins = models.flatMap(({ metric, base }) => {
    const plan = marginOf(definition, metric, base, stage)
    return plan === undefined ? [] : [{ metric, plan }]
  })
  const blocking = margins.filter(({ plan }) => !plan.monitorOnly)
  const least = Math.max(stage.holdMs, definition.analysis.warmupMs, unitsMs(stage, traffic))
  const passedBy = (ms: number): number =>
    ms < least ? 0 : blocking.reduce((product, { plan }) => product * plan.shownBy(ms), 1)
  const median = timeOf(passedBy, 0.5, least, stage.maxHoldMs)
  const p90 = timeOf(passedBy, 0.9, least, stage.maxHoldMs)
  const metrics = margins.map(({ metric, plan }) => metricPlan(metric, plan, stage))
  const effects = asked.map((one) => effectPlan(definition, one, { stage, index }))
  const passes = passedBy(stage.maxHoldMs)
  return {
    ...plain,
    metrics,
    ...(median === undefined ? {} : { medianSeconds: median / 1000 }),
    ...(p90 === undefined ? {} : { p90Seconds: p90 / 1000 }),
    passes,
    effects,
    warnings: stageWarnings({ definition, stage, traffic, margins, effects, passes, leastMs: least }),
  }
}

function marginOf(
  definition: RolloutDefinition,
  metric: PlannedMetric,
  base: Base,
  stage: Stage,
): MarginPlan | undefined {
  if (metric.margin === undefined || !(metric.gated || metric.guard?.action !== 'alert')) return undefined
  if (base.kind === 'counted') return countedMargin(metric, base, stage, definition)
  return base.kind === 'valued' ? valuedMargin(metric, base, stage, definition) : undefined
}

/** Until both arms have the units that the stage asks for. */
function unitsMs({ minUnits, weight }: Stage, { usersPerSecond }: PlanTraffic): number {
  if (minUnits === 0 || usersPerSecond === undefined) return 0
  return (minUnits * 1000) / (usersPerSecond * (Math.min(weight, 100 - weight) / 100))
}

function timeOf(by: (ms: number) => number, chance: number, least: number, most: number): number | undefined {
  if (by(most) < chance) return undefined
  let low = 0
  let high = most
  if (by(least) >= chance) return least
  for (let i = 0; i < 60 && high - low > 1; i++) {
    const middle = (low + high) / 2
    if (by(middle) >= chance) high = middle
    else low = middle
  }
  return high
}

function metricPlan({ key, margin }: PlannedMetric, plan: MarginPlan, stage: Stage): MetricPlan {
  return {
    metric: key,
    ...(margin === undefined ? {} : { asked: margin }),
    ...(plan.monitorOnly ? {} : { inForce: plan.margin }),
    ...(plan.feasible === undefined ? {} : { feasible: plan.feasible }),
    monitorOnly: plan.monitorOnly,
    ...(plan.monitorOnly
      ? {}
      : { passedAtHalf: plan.shownBy(stage.maxHoldMs / 2), passedAtEnd: plan.shownBy(stage.maxHoldMs) }),
  }
}
