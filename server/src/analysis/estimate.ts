import type { Counts } from './e-value.ts'

/** Running sums of the Mantel-Haenszel ratio over strata (epoch × tick), with Greenland and Robins' variance (1985). */
export interface RatioSums {
  readonly over: number
  readonly under: number
  readonly spread: number
  /** Σ n₁n₀x(n−x)/n³, x bad of n in both arms: variance of `over` − `under` where the arms are alike (Mantel and Haenszel 1959). */
  readonly alike: number
}

export const noRatio: RatioSums = { over: 0, under: 0, spread: 0, alike: 0 }

export function addStratum(sums: RatioSums, { n1, x1, n0, x0 }: Counts): RatioSums {
  const n = n1 + n0
  if (n === 0) return sums
  const x = x1 + x0
  return {
    over: sums.over + (x1 * n0) / n,
    under: sums.under + (x0 * n1) / n,
    spread: sums.spread + (n1 * n0 * x - x1 * x0 * n) / (n * n),
    alike: sums.alike + (((n1 / n) * (n0 / n) * x) / n) * (n - x),
  }
}

/** The ratio and the variance of its log, inflated by the over-dispersion; undefined while an arm has no event. */
export function ratioOf(
  sums: RatioSums,
  dispersion: number,
): { readonly ratio: number; readonly variance: number } | undefined {
  if (!(sums.over > 0 && sums.under > 0)) return undefined
  return { ratio: sums.over / sums.under, variance: (dispersion * sums.spread) / (sums.over * sums.under) }
}

/** Information at which the always-valid interval is tightest: a standard error of the log ratio of 0.135. */
export const tightestInformation = 55

/** Half width of a two-sided interval that is valid at every look (normal mixture; Howard et al. 2021, Waudby-Smith et al. 2024). */
export function alwaysValidHalfWidth(standardError: number, alpha: number, tightest: number): number {
  const information = 1 / (standardError * standardError)
  const a = 2 * Math.log(1 / alpha)
  const rho = tightest / (a + Math.log(1 + a))
  return Math.sqrt((information + rho) * (Math.log((information + rho) / rho) + a)) / information
}

/**
 * Intervals that people are shown miss the truth at any look in at most 1 of 100 rollouts. They rest on a normal approximation, exact only for
 * many events: a quarter of that is kept in hand.
 */
export const displayAlpha = 0.0075

/** Beyond e^30 times the estimate an end of an interval is not looked for. */
const furthest = 30

/**
 * A ratio θ with its always-valid 99 % interval: all θ that the score u = (over − θ·under)/D does not speak against. Its variance under θ is
 * I = θ·`alike`/D, with D ← D + σ²·`alike` for the noise of arms; the boundary is the normal mixture's, with Bernstein's u/3 added to I
 * where the canary has more events than θ says: few events are skewed. The interval "estimate ± width" would take its variance from the
 * estimate, and with few events miss the truth just when chance has brought too many.
 */
export function ratioInterval(
  sums: RatioSums,
  dispersion: number,
  armNoise: number,
): { readonly estimate: number; readonly low: number; readonly high: number } | undefined {
  const { over, under, alike } = sums
  if (!(over > 0 && under > 0 && alike > 0)) return undefined
  const estimate = over / under
  const factor = dispersion + armNoise * armNoise * alike
  const a = 2 * Math.log(1 / displayAlpha)
  const rho = tightestInformation / (a + Math.log(1 + a))
  const isWithin = (theta: number): boolean => {
    const score = (over - theta * under) / factor
    const information = (theta * alike) / factor + Math.max(0, score) / 3 + rho
    return score * score <= information * (Math.log(information / rho) + a)
  }
  return { estimate, low: estimate * end(isWithin, estimate, -1), high: estimate * end(isWithin, estimate, 1) }
}

/** The end of the interval in a direction, as a multiple of the estimate: by bisection of its log. */
function end(isWithin: (theta: number) => boolean, estimate: number, direction: 1 | -1): number {
  let inner = 0
  let outer = 0.5
  while (outer < furthest && isWithin(estimate * Math.exp(direction * outer))) {
    inner = outer
    outer *= 2
  }
  for (let i = 0; i < 30; i++) {
    const middle = (inner + outer) / 2
    if (isWithin(estimate * Math.exp(direction * middle))) inner = middle
    else outer = middle
  }
  return Math.exp(direction * outer)
}

/** A ratio whose log has this standard error, with its always-valid 99 % interval; undefined where that would say nothing at all. */
export function ratioAround(
  estimate: number,
  standardError: number,
): { readonly estimate: number; readonly low: number; readonly high: number } | undefined {
  if (!(estimate > 0 && standardError > 0)) return undefined
  const width = alwaysValidHalfWidth(standardError, displayAlpha, tightestInformation)
  const [low, high] = [estimate * Math.exp(-width), estimate * Math.exp(width)]
  return Number.isFinite(high) ? { estimate, low, high } : undefined
}
