import type { Counts } from '../e-value.ts'
import { logBinomialPmf } from '../special/beta.ts'
import { normalSf } from '../special/normal.ts'
import { mustBeCounts } from './check.ts'

/** Two-proportion z test with pooled standard error. `z` and the p-values are undefined where the pooled rate is 0 or 1: no evidence. */
export interface TwoProportions {
  readonly difference: number
  readonly pooled: number
  /** Standard errors of the difference: pooled, which z uses, and of each arm's own rate. */
  readonly error: number
  readonly errorUnpooled: number
  readonly z: number | undefined
  readonly pTwoSided: number | undefined
  readonly pGreater: number | undefined
  readonly pLess: number | undefined
  /** Cohen's h: 0.2 is small, 0.5 medium, 0.8 large. */
  readonly cohenH: number
}

/**
 * z = (p̂₁ − p̂₀)/√(p̄(1 − p̄)(1/n₁ + 1/n₀)), canary 1 against stable 0 (STATISTICS 11). Fixed horizon: for reading, not for deciding.
 * Undefined where an arm is empty. Throws `RangeError`.
 *
 * @example `twoProportions({ n1: 1, x1: 1, n0: 1, x0: 0 })?.z` is √2.
 */
export function twoProportions(counts: Counts): TwoProportions | undefined {
  mustBeCounts(counts)
  const { n1, x1, n0, x0 } = counts
  if (n1 === 0 || n0 === 0) return undefined
  const difference = x1 / n1 - x0 / n0
  const pooled = (x1 + x0) / (n1 + n0)
  const error = Math.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n0))
  const errorUnpooled = Math.sqrt(((x1 / n1) * (1 - x1 / n1)) / n1 + ((x0 / n0) * (1 - x0 / n0)) / n0)
  const effect = { difference, pooled, error, errorUnpooled, cohenH: cohenH(x1 / n1, x0 / n0) }
  if (!(error > 0)) return { ...effect, z: undefined, pTwoSided: undefined, pGreater: undefined, pLess: undefined }
  const z = difference / error
  return { ...effect, z, pTwoSided: 2 * normalSf(Math.abs(z)), pGreater: normalSf(z), pLess: normalSf(-z) }
}

/** 2·asin√p₁ − 2·asin√p₀ (Cohen 1988). */
export function cohenH(p1: number, p0: number): number {
  return 2 * Math.asin(Math.sqrt(p1)) - 2 * Math.asin(Math.sqrt(p0))
}

/** Two-sided p of Fisher's exact test: all tables with the same margins that are no likelier. Cost grows with the rarer margin. */
export function fisherExact(counts: Counts): number {
  mustBeCounts(counts)
  const { n1, x1, n0, x0 } = counts
  const bad = x1 + x0
  // Hypergeometric as a ratio of binomials of one rate: P(x) ∝ C(n₁, x)·C(n₀, bad − x).
  const log = (x: number): number => logBinomialPmf(x, n1, 0.5) + logBinomialPmf(bad - x, n0, 0.5)
  const low = Math.max(0, bad - n0)
  const high = Math.min(bad, n1)
  const observed = log(x1)
  let top = observed
  for (let x = low; x <= high; x++) top = Math.max(top, log(x))
  let all = 0
  let rare = 0
  for (let x = low; x <= high; x++) {
    const part = log(x)
    all += Math.exp(part - top)
    // As R and scipy: alike within rounding counts as alike.
    if (part <= observed + 1e-7) rare += Math.exp(part - top)
  }
  return Math.min(1, rare / all)
}
