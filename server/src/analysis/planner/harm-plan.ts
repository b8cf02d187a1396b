import type { RolloutDefinition } from '../../rollout/definition.ts'
import { startMass } from '../harm-process.ts'
import { meanEffects } from '../mean-evidence.ts'
import { comparisonStages, type PlannedMetric } from '../plan.ts'
import { harmGates } from '../tests/judge-counted.ts'
import { crossedBy, dispersed } from './first-passage.ts'
import { type EffectPath, effectPaths } from './harm-growth.ts'
import type { CountedBase, ValuedBase } from './traffic.ts'

/** Harm in one stage: how evidence for each effect size grows, per canary request (or unit). */
export interface HarmPlan {
  /** Canary requests (units) per second. */
  readonly perSecond: number
  readonly paths: readonly EffectPath[]
  readonly dispersion: number
  /** What the arm-noise floor adds to the dispersion, per canary request. */
  readonly noise: number
  /** Of the arm in which bad events (or, for conversions, events) have to be seen, per canary request. */
  readonly eventRate: number
  /** Bad events more, or conversions less, per canary request; undefined where the metric counts no events. */
  readonly damage?: number
}

/** Counts and conversions: harm that begins with the `index`-th comparison stage. Undefined where a revert is never due. */
export function countedHarm(
  definition: RolloutDefinition,
  metric: PlannedMetric,
  base: CountedBase,
  at: { readonly share: number; readonly index: number; readonly factor: number },
): HarmPlan | undefined {
  const { share, factor } = at
  const p0 = base.rate
  const p1 = base.changed(factor)
  const { analysis } = definition
  if (!(metric.weight > 0) || metric.nulls.length === 0 || !isWorthActing(metric, p1, p0)) return undefined
  const planned = comparisonStages(definition)
  const mass =
    at.index === 0
      ? startMass.start + (planned <= 1 ? startMass.stages : 0)
      : startMass.stages / Math.max(1, planned - 1)
  const weight = weightOf(metric)
  // Of several nulls the least evidence counts.
  const byNull = metric.nulls.map((against) =>
    effectPaths({ p1, p0, share }, { alpha: analysis.alpha, weight, mass, down: metric.down, null: against }),
  )
  const slowest = byNull.reduce((least, paths) => (fastest(paths) < fastest(least) ? paths : least))
  const q = (1 - share) * p0 + share * p1
  return {
    perSecond: base.perSecond * share,
    paths: slowest,
    dispersion: base.dispersion,
    noise: metric.kind === 'conversion' ? 0 : analysis.armNoise ** 2 * (1 - share) * q * (1 - q),
    eventRate: metric.down ? (p0 * (1 - share)) / share : p1,
    damage: Math.abs(p1 - p0),
  }
}

const fastest = (paths: readonly EffectPath[]): number =>
  Math.max(...paths.map(({ growth, level }) => growth.mean / level))

/** A guard with a limit as well gives half of its weight to each. */
const weightOf = ({ guard, weight }: PlannedMetric): number => (guard?.never === undefined ? weight : weight / 2)

/** The gates of STATISTICS 3.6: smaller effects are never acted on. */
function isWorthActing(metric: PlannedMetric, p1: number, p0: number): boolean {
  if (metric.down) return p1 <= harmGates.ratioDown * p0
  if (p1 < harmGates.ratioUp * p0) return false
  return metric.kind === 'latency' || metric.kind === 'conversion' || p1 - p0 >= harmGates.difference
}

/** Sums per unit (STATISTICS 4.3), by the normal approximation with the sd of stable in both arms. */
export function valuedHarm(
  definition: RolloutDefinition,
  metric: PlannedMetric,
  base: ValuedBase,
  at: { readonly share: number; readonly factor: number },
): HarmPlan | undefined {
  const { share, factor } = at
  const worse = metric.higherIsBetter ? factor < 1 : factor > 1
  if (!(metric.weight > 0) || metric.guard?.worseThan === undefined || !worse) return undefined
  if (!(base.sd > 1e-9 * Math.abs(base.mean)) || base.mean === 0) return undefined
  const tolerated = metric.guard.null === 'margin' ? (metric.margin?.relative ?? 1) : 1
  const truth = Math.abs(factor - tolerated) * Math.abs(base.mean)
  const unitVariance = base.sd ** 2 * (1 + (tolerated ** 2 * share) / (1 - share))
  const beyond = metric.higherIsBetter ? factor < tolerated : factor > tolerated
  if (!beyond) return undefined
  const stages = Math.max(1, comparisonStages(definition))
  const paths = meanEffects.map(([effect, part]) => {
    const d = effect * Math.abs(base.mean)
    return {
      psi: metric.higherIsBetter ? 1 - effect : 1 + effect,
      level: Math.log(stages / (definition.analysis.alpha * weightOf(metric) * part)),
      growth: { mean: (d * truth - (d * d) / 2) / unitVariance, variance: (d * d) / unitVariance },
    }
  })
  return { perSecond: base.perSecond * share, paths, dispersion: 1, noise: 0, eventRate: Number.POSITIVE_INFINITY }
}

/** Chance that harm is acted on within n canary requests. */
export function revertedBy(plan: HarmPlan, n: number): number {
  if (!(n > 0)) return 0
  const factor = plan.dispersion + plan.noise * n
  const crossed = Math.max(0, ...plan.paths.map(({ level, growth }) => crossedBy(n, level, dispersed(growth, factor))))
  return Math.min(crossed, atLeastThree(plan.eventRate * n))
}

/** Chance of the three bad events (`harmGates`) that a revert asks for, of a Poisson number with this mean. */
function atLeastThree(mean: number): number {
  if (!(mean > 0)) return 0
  let missing = 0
  let term = Math.exp(-mean)
  for (let k = 0; k < harmGates.badEvents && term > 0; k++) {
    missing += term
    term *= mean / (k + 1)
  }
  return Math.max(0, 1 - missing)
}

/** More canary requests than this are not planned for. */
const most = 1e13

/** Canary requests until harm is acted on with this chance; undefined where it never is. */
export function requestsUntil(plan: HarmPlan, chance: number): number | undefined {
  let high = 1
  while (revertedBy(plan, high) < chance) {
    high *= 1.5
    if (high > most) return undefined
  }
  let low = high / 1.5
  for (let i = 0; i < 60; i++) {
    const middle = 0.5 * (low + high)
    if (revertedBy(plan, middle) >= chance) high = middle
    else low = middle
  }
  return high
}

/** Expected canary requests until the revert: L·D/g of the fastest path, and no fewer than the median. */
export function expectedRequests(plan: HarmPlan, median: number): number {
  const factor = plan.dispersion + plan.noise * median
  const times = plan.paths.map(({ level, growth }) =>
    growth.mean > 0 ? (level * factor) / growth.mean : Number.POSITIVE_INFINITY,
  )
  return Math.max(median, Math.min(...times))
}

/** A stage of the ramp that the harmful canary goes through. */
export interface Passed {
  readonly plan: HarmPlan
  readonly seconds: number
}

/**
 * Chance that harm which was there from the start is acted on by the end of these stages. Evidence adds up over them: its mean and variance
 * do, and the first-passage law is taken at their sums, which is exact where the canary's share stays the same.
 */
export function revertedOver(stages: readonly Passed[]): number {
  const [first] = stages
  if (first === undefined) return 0
  let best = 0
  let events = 0
  for (let reached = 1; reached <= stages.length; reached++) {
    const sofar = stages.slice(0, reached).map(({ plan, seconds }) => ({ plan, n: plan.perSecond * seconds }))
    const factor = first.plan.dispersion + sofar.reduce((sum, { plan, n }) => sum + plan.noise * n, 0)
    events = sofar.reduce((sum, { plan, n }) => sum + plan.eventRate * n, 0)
    for (const [j, { level }] of first.plan.paths.entries()) {
      const total = sofar.reduce(
        (sum, { plan, n }) => ({
          mean: sum.mean + (plan.paths[j]?.growth.mean ?? 0) * n,
          variance: sum.variance + (plan.paths[j]?.growth.variance ?? 0) * n,
        }),
        { mean: 0, variance: 0 },
      )
      best = Math.max(best, crossedBy(1, level, dispersed(total, factor)))
    }
  }
  return Math.min(best, atLeastThree(events))
}
