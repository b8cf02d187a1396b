import { mustBeFinite, mustBeProbability } from './check.ts'

/** Wald's sequential probability ratio test of a Bernoulli rate: p₀ against p₁, with errors α and β (1945). */
export interface SprtPlan {
  readonly p0: number
  readonly p1: number
  readonly alpha: number
  readonly beta: number
}

/** Boundaries of the log-likelihood ratio, its line in (n, x), and Wald's expected sample sizes. */
export interface SprtBounds {
  readonly upper: number
  readonly lower: number
  readonly slope: number
  readonly interceptUpper: number
  readonly interceptLower: number
  readonly expectedUnder0: number
  readonly expectedUnder1: number
}

/** A = log((1 − β)/α), B = log(β/(1 − α)). Throws `RangeError`. */
export function sprtBounds(plan: SprtPlan): SprtBounds {
  const { p0, p1, alpha, beta } = plan
  mustBeProbability({ p0, p1, alpha, beta })
  const upper = Math.log((1 - beta) / alpha)
  const lower = Math.log(beta / (1 - alpha))
  const step = Math.log(p1 / p0) - Math.log((1 - p1) / (1 - p0))
  const drift = (p: number): number => p * Math.log(p1 / p0) + (1 - p) * Math.log((1 - p1) / (1 - p0))
  return {
    upper,
    lower,
    slope: -Math.log((1 - p1) / (1 - p0)) / step,
    interceptUpper: upper / step,
    interceptLower: lower / step,
    expectedUnder0: ((1 - alpha) * lower + alpha * upper) / drift(p0),
    expectedUnder1: (beta * lower + (1 - beta) * upper) / drift(p1),
  }
}

/** The log-likelihood ratio of x of n, and what the test says: `reject` (p₁), `accept` (p₀) or `continue`. */
export function sprt(
  plan: SprtPlan,
  n: number,
  x: number,
): { readonly llr: number; readonly decision: 'accept' | 'reject' | 'continue' } {
  mustBeFinite({ n, x })
  const { upper, lower } = sprtBounds(plan)
  const { p0, p1 } = plan
  const llr = x * Math.log(p1 / p0) + (n - x) * Math.log((1 - p1) / (1 - p0))
  return { llr, decision: llr >= upper ? 'reject' : llr <= lower ? 'accept' : 'continue' }
}
