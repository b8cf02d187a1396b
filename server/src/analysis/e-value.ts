/**
 * E-values of one time bucket (STATISTICS 3.1, 5.1): canary is arm 1, stable arm 0; `x` of `n` requests are bad. All are natural
 * logs; each has expectation at most 1 under its null hypothesis, so products over buckets stay valid at every look. The harm
 * e-value itself is shared with the SDK's breaker (`@pipit/shared/base`).
 */

export interface Counts {
  readonly n1: number
  readonly x1: number
  readonly n0: number
  readonly x0: number
}

/** What did not happen, where `x` counts what did. */
export const successes = ({ n1, x1, n0, x0 }: Counts): Counts => ({ n1, x1: n1 - x1, n0, x0: n0 - x0 })

export interface Rates {
  readonly p1: number
  readonly p0: number
}

/** The pooled rate known before a bucket: (E + ½) / (N + ½/q₀), E bad of N so far, q₀ the prior guess. */
export function prefixRate(bad: number, total: number, prior: number): number {
  return (bad + 0.5) / (total + 0.5 / prior)
}

/**
 * The point on the line p₁ = θp₀ that is nearest to (p₁, p₀) in Kullback-Leibler terms, weighted by the arms' traffic: the
 * Farrington-Manning / Miettinen-Nurminen quadratic.
 */
export function restrictedRatio(n1: number, n0: number, p1: number, p0: number, theta: number): Rates {
  const n = n1 + n0
  const bad = n1 * p1 + n0 * p0
  const a = theta * n
  const b = -(bad * (1 + theta) + n1 * theta * (1 - p1) + n0 * (1 - p0))
  const z = (2 * bad) / (-b + Math.sqrt(Math.max(b * b - 4 * a * bad, 0)))
  // Where nearly everything is counted, rounding must not make a rate of 1 of it.
  const p = Math.min(z, (1 - Number.EPSILON) / Math.max(1, theta))
  return { p1: theta * p, p0: p }
}

/** The same on the line p₁ = p₀ + δ (δ of any sign), by bisection of the monotone score. */
export function restrictedDifference(n1: number, n0: number, p1: number, p0: number, delta: number): Rates {
  const score = (z: number): number =>
    (n1 * (z + delta - p1)) / ((z + delta) * (1 - z - delta)) + (n0 * (z - p0)) / (z * (1 - z))
  let low = Math.max(0, -delta) + 1e-15
  let high = Math.min(1, 1 - delta) - 1e-15
  for (let i = 0; i < 200 && high - low > 1e-17; i++) {
    const middle = 0.5 * (low + high)
    if (middle === low || middle === high) break
    if (score(middle) > 0) high = middle
    else low = middle
  }
  const z = 0.5 * (low + high)
  return { p1: z + delta, p0: z }
}

/** Log-likelihood ratio of two pairs of rates; terms without observations are left out, so that rates may be 0 or 1 there. */
function logLikelihoodRatio({ n1, x1, n0, x0 }: Counts, over: Rates, under: Rates): number {
  let sum = 0
  if (x1 > 0) sum += x1 * Math.log(over.p1 / under.p1)
  if (n1 > x1) sum += (n1 - x1) * Math.log((1 - over.p1) / (1 - under.p1))
  if (x0 > 0) sum += x0 * Math.log(over.p0 / under.p0)
  if (n0 > x0) sum += (n0 - x0) * Math.log((1 - over.p0) / (1 - under.p0))
  return sum
}

/** Against "the canary is at least as bad as the ratio margin": p₁ ≥ θp₀ for θ > 1, p₁ ≤ θp₀ for θ < 1; alternative p₁ = p₀ = q. */
export function logWithinRatio(counts: Counts, q: number, theta: number): number {
  return logLine(counts, { p1: q, p0: q }, theta)
}

/** Against p₁ ≥ p₀ + δ (δ > 0), or p₁ ≤ p₀ + δ (δ < 0); alternative p₁ = p₀ = q. */
export function logWithinDifference(counts: Counts, q: number, delta: number): number {
  if (counts.n1 + counts.n0 === 0) return 0
  const alternative = { p1: q, p0: q }
  return logLikelihoodRatio(counts, alternative, restrictedDifference(counts.n1, counts.n0, q, q, delta))
}

/** Against the line p₁ = θp₀ and what lies beyond it, for any alternative. */
export function logLine(counts: Counts, alternative: Rates, theta: number): number {
  if (counts.n1 + counts.n0 === 0) return 0
  return logLikelihoodRatio(
    counts,
    alternative,
    restrictedRatio(counts.n1, counts.n0, alternative.p1, alternative.p0, theta),
  )
}

/** The same against the line p₁ = p₀ + δ. */
export function logDifferenceLine(counts: Counts, alternative: Rates, delta: number): number {
  if (counts.n1 + counts.n0 === 0) return 0
  const { n1, n0 } = counts
  return logLikelihoodRatio(counts, alternative, restrictedDifference(n1, n0, alternative.p1, alternative.p0, delta))
}

/** Farrington-Manning score statistic for H₀: p₁ = θp₀ (1990). */
export function scoreRatio({ n1, x1, n0, x0 }: Counts, theta: number): number {
  if (n1 === 0 || n0 === 0) return 0
  const null_ = restrictedRatio(n1, n0, x1 / n1, x0 / n0, theta)
  const variance = (null_.p1 * (1 - null_.p1)) / n1 + (theta * theta * null_.p0 * (1 - null_.p0)) / n0
  return variance > 0 ? (x1 / n1 - (theta * x0) / n0) / Math.sqrt(variance) : 0
}

/** Miettinen-Nurminen score statistic for H₀: p₁ = p₀ + δ, without the small-sample factor (1985). */
export function scoreDifference({ n1, x1, n0, x0 }: Counts, delta: number): number {
  if (n1 === 0 || n0 === 0) return 0
  const pooled = x1 + x0
  const determinate = delta !== 0 || (pooled > 0 && pooled < n1 + n0)
  if (!determinate) return 0
  const null_ = restrictedDifference(n1, n0, x1 / n1, x0 / n0, delta)
  const variance = (null_.p1 * (1 - null_.p1)) / n1 + (null_.p0 * (1 - null_.p0)) / n0
  return variance > 0 ? (x1 / n1 - x0 / n0 - delta) / Math.sqrt(variance) : 0
}

/** log Σ exp(vᵢ), without overflow. */
export function logSumExp(values: readonly number[]): number {
  let top = Number.NEGATIVE_INFINITY
  for (const value of values) if (value > top) top = value
  if (top === Number.NEGATIVE_INFINITY) return top
  let sum = 0
  for (const value of values) sum += Math.exp(value - top)
  return top + Math.log(sum)
}
