import type { RolloutDefinition, Stage } from '../../rollout/definition.ts'
import { sizeByH } from '../classic/power.ts'
import type { PlannedMetric } from '../plan.ts'
import { waldBound } from './harm-growth.ts'
import {
  countedHarm,
  expectedRequests,
  type HarmPlan,
  type Passed,
  requestsUntil,
  revertedBy,
  revertedOver,
  valuedHarm,
} from './harm-plan.ts'
import type { EffectPlan, PlannedEffect, StagePlan } from './rollout-plan.ts'
import type { Base } from './traffic.ts'
import { effectName } from './warnings.ts'

/** A metric of the plan with what is known of its figures. */
export interface Modelled {
  readonly metric: PlannedMetric
  readonly base: Base
}

/** An effect on a metric that can be planned. */
export interface Asked {
  readonly effect: PlannedEffect
  readonly model: Modelled
}

/** Both arms have users in this stage. */
export const isComparing = ({ weight }: Stage): boolean => weight > 0 && weight < 100

function harmOf(
  definition: RolloutDefinition,
  { metric, base }: Modelled,
  at: { readonly share: number; readonly index: number; readonly factor: number },
): HarmPlan | undefined {
  if (base.kind === 'counted') return countedHarm(definition, metric, base, at)
  return base.kind === 'valued' ? valuedHarm(definition, metric, base, at) : undefined
}

/** An effect in one stage: the `index`-th of those that compare. */
export function effectPlan(
  definition: RolloutDefinition,
  { effect, model }: Asked,
  { stage, index }: { readonly stage: Stage; readonly index: number },
): EffectPlan {
  const { factor } = effect
  const share = stage.weight / 100
  const name = effectName(model.metric, factor)
  const plan = harmOf(definition, model, { share, index, factor })
  if (plan === undefined || !(plan.perSecond > 0)) return { ...effect, name, detected: 0 }
  const time = (chance: number) => {
    const canary = requestsUntil(plan, chance)
    const seconds = (canary ?? Number.POSITIVE_INFINITY) / plan.perSecond
    return canary !== undefined && Number.isFinite(seconds) ? { canary, seconds } : undefined
  }
  const median = time(0.5)
  const p90 = time(0.9)
  const bound =
    model.base.kind === 'counted'
      ? waldBound(
          { p0: model.base.rate, p1: model.base.changed(factor), share },
          { alpha: definition.analysis.alpha, beta: definition.analysis.alpha },
          'learned',
        )
      : Number.POSITIVE_INFINITY
  return {
    ...effect,
    name,
    ...(median === undefined ? {} : { median }),
    ...(p90 === undefined ? {} : { p90 }),
    detected: revertedBy(plan, (plan.perSecond * stage.maxHoldMs) / 1000),
    ...(median === undefined || plan.damage === undefined
      ? {}
      : { damage: plan.damage * expectedRequests(plan, median.canary) }),
    ...(Number.isFinite(bound) ? { waldBound: bound } : {}),
    ...fixedSample(definition, model, factor, share),
  }
}

/** By Cohen's h, which takes arms of unequal size. */
function fixedSample(
  { analysis: { alpha } }: RolloutDefinition,
  { metric, base }: Modelled,
  factor: number,
  share: number,
): Pick<EffectPlan, 'fixedSample'> {
  if (base.kind !== 'counted') return {}
  const alternative = metric.down ? ('smaller' as const) : ('larger' as const)
  const p1 = base.changed(factor)
  if (!(base.rate > 0 && base.rate < 1 && p1 > 0 && p1 < 1)) return {}
  const question = { p1, p0: base.rate, alpha, alternative }
  const size = sizeByH(question, 0.9, (1 - share) / share)
  return size === undefined ? {} : { fixedSample: size }
}

/**
 * A canary beyond the margin in force does not pass: it has the whole of the stage's longest hold, and there the ramp ends. One within it
 * goes on as fast as a good one.
 */
export function overRamp(
  definition: RolloutDefinition,
  stages: readonly StagePlan[],
  { effect, model }: Asked,
): number {
  const passed: Passed[] = []
  let missed = 1
  let index = 0
  for (const [i, planned] of stages.entries()) {
    const stage = definition.stages[i]
    if (stage === undefined || !isComparing(stage)) continue
    const plan = harmOf(definition, model, { share: stage.weight / 100, index, factor: effect.factor })
    index += 1
    if (plan === undefined) return 0
    const blocks = isBeyond(planned, effect, model.metric)
    const seconds = blocks ? stage.maxHoldMs / 1000 : (planned.medianSeconds ?? stage.maxHoldMs / 1000)
    passed.push({ plan, seconds })
    // Values begin anew in each stage.
    if (model.base.kind === 'valued') missed *= 1 - revertedBy(plan, plan.perSecond * seconds)
    if (blocks) break
  }
  return model.base.kind === 'valued' ? 1 - missed : revertedOver(passed)
}

function isBeyond({ metrics }: StagePlan, { metric, factor }: PlannedEffect, { kind }: PlannedMetric): boolean {
  const found = metrics.find((candidate) => candidate.metric === metric)
  const relative = found?.inForce?.relative
  if (found === undefined || found.monitorOnly || relative === undefined) return false
  // An effect on a success rate is one on its failures; any that is worth planning is beyond such a margin.
  if (kind === 'success_rate') return true
  return relative < 1 ? factor <= relative : factor >= relative
}
