import type { Counts } from './e-value.ts'

/** Running sums of the Mantel-Haenszel ratio over strata (epoch × tick), with Greenland and Robins' variance (1985). */
export interface RatioSums {
  readonly over: number
  readonly under: number
  readonly spread: number
}

export const noRatio: RatioSums = { over: 0, under: 0, spread: 0 }

export function addStratum(sums: RatioSums, { n1, x1, n0, x0 }: Counts): RatioSums {
  const n = n1 + n0
  if (n === 0) return sums
  return {
    over: sums.over + (x1 * n0) / n,
    under: sums.under + (x0 * n1) / n,
    spread: sums.spread + (n1 * n0 * (x1 + x0) - x1 * x0 * n) / (n * n),
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

/** Intervals that people are shown miss the truth at any look in at most 1 of 100 rollouts. */
export const displayAlpha = 0.01

/** A ratio with its always-valid 99 % interval. */
export function ratioInterval(
  sums: RatioSums,
  dispersion: number,
  armNoise: number,
): { readonly estimate: number; readonly low: number; readonly high: number } | undefined {
  const found = ratioOf(sums, dispersion)
  if (found === undefined || !(found.variance > 0)) return undefined
  const width = alwaysValidHalfWidth(Math.sqrt(found.variance + armNoise * armNoise), displayAlpha, tightestInformation)
  return { estimate: found.ratio, low: found.ratio * Math.exp(-width), high: found.ratio * Math.exp(width) }
}
