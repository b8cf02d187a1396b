import type { Rates } from '../e-value.ts'
import { effectGrid, type HarmNull, logOfTick } from '../harm-process.ts'
import { crossingQuantile, dispersed, type Growth } from './first-passage.ts'

/** What is true of the arms: rates, and the canary's part of the traffic. */
export interface Truth extends Rates {
  readonly share: number
}

/** What the harm test of a metric has to reach, and with what part of the error budget. */
export interface HarmSpending {
  readonly alpha: number
  /** The metric's part of α, and the prior mass of the start from which the harm counts. */
  readonly weight: number
  readonly mass: number
  readonly down: boolean
  readonly null: HarmNull
}

/** One effect size of the grid: how evidence for it grows per canary request, and what it has to reach alone. */
export interface EffectPath {
  readonly psi: number
  readonly level: number
  readonly growth: Growth
}

/**
 * Growth per canary request of a log e-value that is linear in its counts, as those of time buckets are: its slopes give mean and
 * variance. `log(x1, x0)` is of one canary request and of `stable` stable ones, of which x1 and x0 are bad.
 */
export function linearGrowth(log: (x1: number, x0: number) => number, { p1, p0 }: Rates, stable: number): Growth {
  const none = log(0, 0)
  const perCanary = log(1, 0) - none
  const perStable = (log(0, stable) - none) / stable
  return {
    mean: none + p1 * perCanary + stable * p0 * perStable,
    variance: p1 * (1 - p1) * perCanary ** 2 + stable * p0 * (1 - p0) * perStable ** 2,
  }
}

/** Growth of the judge's log e-value that looks for odds ratio ψ, per canary request (STATISTICS 9). */
export function growthOf(truth: Truth, psi: number, against: HarmNull): Growth {
  const { p1, p0, share } = truth
  const q = (1 - share) * p0 + share * p1
  if (!(share > 0 && share < 1 && q > 0 && q < 1)) return { mean: 0, variance: 0 }
  const n0 = (1 - share) / share
  return linearGrowth((x1, x0) => logOfTick({ n1: 1, x1, n0, x0 }, q, psi, against), truth, n0)
}

/** Every effect size of the grid: each has to reach log 1/(α·w·μ·w_j) by itself. */
export function effectPaths(truth: Truth, spending: HarmSpending): readonly EffectPath[] {
  const { alpha, weight, mass, down } = spending
  return (down ? effectGrid.down : effectGrid.up).map(([psi, part]) => ({
    psi,
    level: Math.log(1 / (alpha * weight * mass * part)),
    growth: growthOf(truth, psi, spending.null),
  }))
}

export interface RevertTime extends EffectPath {
  /** Canary requests until evidence of harm suffices; infinite where it does not grow. */
  readonly n: number
}

/**
 * Canary requests until a revert with the given chance: the best single effect size (the mixture is a little faster). `dispersion` is D,
 * the factor by which correlated requests widen everything.
 */
export function timeToRevert(truth: Truth, spending: HarmSpending, chance: number, dispersion = 1): RevertTime {
  const times = effectPaths(truth, spending).map((path) => ({
    ...path,
    n: crossingQuantile(chance, path.level, dispersed(path.growth, dispersion)),
  }))
  return times.reduce((best, time) => (time.n < best.n ? time : best))
}

/** Kullback-Leibler divergence of two rates; the terms that cancel are left out, so that rates close to each other keep their digits. */
function divergence(p: number, q: number): number {
  const happens = p > 0 ? p * logBend((q - p) / p) : -q
  const not = p < 1 ? (1 - p) * logBend((p - q) / (1 - p)) : q - 1
  return -happens - not
}

/** log(1 + x) − x. */
function logBend(x: number): number {
  if (Math.abs(x) > 0.01) return Math.log1p(x) - x
  let sum = 0
  for (let k = 9; k >= 2; k--) sum = x * sum + (k % 2 === 0 ? -1 : 1) / k
  return sum * x * x
}

/**
 * Least expected canary requests of any sequential test of these error rates (Wald 1945): the log odds it needs over the information that
 * a request brings. `known`: stable's rate is known beforehand; otherwise it is learned from stable's part of the traffic.
 */
export function waldBound(
  { p1, p0, share }: Truth,
  { alpha, beta }: { readonly alpha: number; readonly beta: number },
  baseline: 'known' | 'learned',
): number {
  const pooled = (1 - share) * p0 + share * p1
  const information =
    baseline === 'known'
      ? divergence(p1, p0)
      : share > 0
        ? (share * divergence(p1, pooled) + (1 - share) * divergence(p0, pooled)) / share
        : 0
  if (!(information > 0)) return Number.POSITIVE_INFINITY
  const needed = (1 - beta) * Math.log((1 - beta) / alpha) + beta * Math.log(beta / (1 - alpha))
  return Math.max(0, needed) / information
}
