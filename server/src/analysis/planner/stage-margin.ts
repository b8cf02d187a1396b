import type { Margin, RolloutDefinition, Stage } from '../../rollout/definition.ts'
import {
  addStageTick,
  feasibleErrors,
  logShown,
  marginScore,
  newStageTest,
  type StageMargin,
  stageMargin,
} from '../non-inferiority.ts'
import type { PlannedMetric } from '../plan.ts'
import { feasibleMargin, informationOf, passedEitherLook, passedFirstLook } from './advance-chance.ts'
import { crossedBy, dispersed, type Growth } from './first-passage.ts'
import { linearGrowth } from './harm-growth.ts'
import type { CountedBase, ValuedBase } from './traffic.ts'

/** What a stage can show of one metric when the canary is as good as stable. */
export interface MarginPlan extends StageMargin {
  /** The narrowest ratio that the traffic can show by the first final look; absent where the test is not one of a ratio. */
  readonly feasible?: number
  /** Chance that the margin is shown within so many ms of the stage. */
  readonly shownBy: (elapsedMs: number) => number
}

/** Fewer expected requests or units than this are none. */
const nobody = 1e-6

/** Ticks that the judge has seen when it fixes the margins of a stage, at least. */
const leastTicks = 3

export function countedMargin(
  metric: PlannedMetric,
  base: CountedBase,
  stage: Stage,
  { analysis }: Pick<RolloutDefinition, 'analysis'>,
): MarginPlan {
  const { tickMs, warmupMs } = analysis
  const ticks = Math.max(leastTicks, warmupMs / tickMs)
  const total = (base.perSecond * ticks * tickMs) / 1000
  const seen = { total, bad: total * base.rate, scaledBad: total * base.scaledRate, ticks }
  const found = stageMargin(metric, seen, stage, analysis)
  const share = stage.weight / 100
  const testedMs = (elapsedMs: number): number => Math.max(0, elapsedMs - warmupMs)
  const canary = (elapsedMs: number): number => (base.perSecond * share * testedMs(elapsedMs)) / 1000
  const growth = marginGrowth(metric, base, share, found.margin)
  const noise = metric.kind === 'conversion' ? 0 : analysis.armNoise ** 2 * (1 - share) * base.rate * (1 - base.rate)
  const half = canary(stage.maxHoldMs / 2)
  const scores = {
    first: scoreOf(metric, base, found.margin, half, share),
    second: scoreOf(metric, base, found.margin, canary(stage.maxHoldMs), share),
    sharpness: sharpness(metric, base, found.margin, half, share),
  }
  const evidence = (elapsedMs: number): number => {
    const n = canary(elapsedMs)
    return crossedBy(n, logShown, dispersed(growth, base.dispersion + noise * n))
  }
  const feasible = feasibleMargin(informationOf(half, (half * (1 - share)) / share, base.rate, base.dispersion))
  return {
    ...found,
    ...(metric.kind === 'latency' || metric.kind === 'success_rate' || !Number.isFinite(feasible)
      ? {}
      : { feasible: metric.down ? 1 / feasible : feasible }),
    shownBy: (elapsedMs) => looksBy(elapsedMs, stage.maxHoldMs, evidence(elapsedMs), scores),
  }
}

function looksBy(
  elapsedMs: number,
  maxHoldMs: number,
  evidence: number,
  scores: Parameters<typeof passedEitherLook>[0],
): number {
  if (elapsedMs < maxHoldMs / 2) return evidence
  return Math.max(evidence, elapsedMs < maxHoldMs ? passedFirstLook(scores) : passedEitherLook(scores))
}

/** Growth of the stage's evidence per canary request of an equal canary; the better of the two where both margins are given. */
function marginGrowth(metric: PlannedMetric, base: CountedBase, share: number, margin: Margin): Growth {
  const { rate, scaledRate } = base
  if (!(rate > 0 && rate < 1)) return growthAtLimit(rate, margin)
  const n0 = (1 - share) / share
  const learned = { ...newStageTest, bad: 1e12 * rate, scaledBad: 1e12 * scaledRate, total: 1e12 }
  const log =
    (field: 'logRatio' | 'logDifference') =>
    (x1: number, x0: number): number => {
      const counts = { n1: 1, x1, n0, x0 }
      const scaled = metric.kind === 'latency' ? { x1, x0: 0 } : undefined
      return addStageTick(learned, metric, { counts, added: counts, scaled }, margin)[field]
    }
  const truth = { p1: metric.kind === 'latency' ? scaledRate : rate, p0: rate }
  const ratio = linearGrowth(log('logRatio'), truth, n0)
  const difference = linearGrowth(log('logDifference'), truth, n0)
  return difference.mean > ratio.mean ? difference : ratio
}

/** Where nothing fails, each canary request without a failure speaks for an absolute margin, by −log(1 − δ); nothing for a ratio. */
function growthAtLimit(rate: number, { absolute }: Margin): Growth {
  return { mean: rate === 0 && absolute !== undefined ? -Math.log(1 - Math.min(absolute, 0.999)) : 0, variance: 0 }
}

function countsOf(metric: PlannedMetric, { rate, scaledRate }: CountedBase, n1: number, share: number) {
  const n0 = (n1 * (1 - share)) / share
  return { n1, x1: n1 * (metric.kind === 'latency' ? scaledRate : rate), n0, x0: n0 * rate }
}

function scoreOf(metric: PlannedMetric, base: CountedBase, margin: Margin, n1: number, share: number): number {
  if (!(n1 > nobody && base.rate > 0 && base.rate < 1)) return -1e3
  return marginScore(countsOf(metric, base, n1, share), metric, margin) / Math.sqrt(base.dispersion)
}

/** The score test's standard error under the margin over the true one: the power of the look depends on both. */
function sharpness(metric: PlannedMetric, base: CountedBase, margin: Margin, n1: number, share: number): number {
  const { relative } = margin
  if (!(n1 > nobody && base.rate > 0 && base.rate < 1)) return 1
  const counts = countsOf(metric, base, n1, share)
  const score = marginScore(counts, metric, margin)
  const p1 = counts.x1 / counts.n1
  const byRatio = relative !== undefined && marginScore(counts, metric, { relative }) >= score
  const theta = metric.kind === 'latency' ? 1 : byRatio ? (relative ?? 1) : 1
  const spread = Math.sqrt((p1 * (1 - p1)) / counts.n1 + (theta ** 2 * base.rate * (1 - base.rate)) / counts.n0)
  const p = metric.kind === 'success_rate' ? 1 - base.rate : base.rate
  const distance =
    metric.kind === 'latency' ? base.rate - p1 : byRatio ? Math.abs(1 - theta) * p : (margin.absolute ?? 0)
  return score > 0 && spread > 0 ? distance / score / spread : 1
}

/** Sums per unit, by the normal approximation: V = sd²(1/n₁ + θ²/n₀). */
export function valuedMargin(
  metric: PlannedMetric,
  { perSecond, mean, sd }: ValuedBase,
  stage: Stage,
  { analysis }: Pick<RolloutDefinition, 'analysis'>,
): MarginPlan {
  const margin = metric.margin ?? {}
  const theta = margin.relative ?? 1
  const share = stage.weight / 100
  const width = Math.abs((1 - theta) * mean)
  const canary = (elapsedMs: number): number => (perSecond * share * elapsedMs) / 1000
  const error = (elapsedMs: number): number =>
    sd * Math.sqrt(1 / canary(elapsedMs) + (theta ** 2 * share) / (1 - share) / canary(elapsedMs))
  const reach = feasibleErrors * error(stage.maxHoldMs / 2)
  const inForce = (ms: number): number => (metric.gated ? width : Math.max(width, feasibleErrors * error(ms)))
  const monitorOnly = !metric.gated && reach > (1 - 1 / analysis.maxMargin) * Math.abs(mean)
  const side = theta < 1 ? -1 : 1
  const ratio = (distance: number): number => Math.max(0, 1 + (side * distance) / Math.abs(mean))
  const perUnit = sd > 0 ? (width / sd) ** 2 / (1 + (theta ** 2 * share) / (1 - share)) : 0
  const scores = {
    first: inForce(stage.maxHoldMs / 2) / error(stage.maxHoldMs / 2),
    second: inForce(stage.maxHoldMs) / error(stage.maxHoldMs),
    sharpness: 1,
  }
  const isKnown = mean !== 0 && sd > 1e-9 * Math.abs(mean) && canary(stage.maxHoldMs / 2) > nobody
  return {
    margin: monitorOnly || !isKnown ? margin : { relative: ratio(inForce(stage.maxHoldMs / 2)) },
    monitorOnly,
    ...(isKnown && Number.isFinite(reach) ? { feasible: ratio(reach) } : {}),
    shownBy: (elapsedMs) =>
      isKnown
        ? looksBy(
            elapsedMs,
            stage.maxHoldMs,
            crossedBy(canary(elapsedMs), logShown, { mean: perUnit / 2, variance: perUnit }),
            scores,
          )
        : 0,
  }
}
