import { bisect } from './bisect.ts'
import { logGamma, stirlingRest } from './log-gamma.ts'

const tiny = 1e-300

const halfLogTwoPi = 0.5 * Math.log(2 * Math.PI)

/** log B(a, b); for large parameters by the differences of Stirling's formula, so that nothing is lost to cancellation (as in SLATEC). */
export function logBeta(a: number, b: number): number {
  const p = Math.min(a, b)
  const q = Math.max(a, b)
  const total = p + q
  if (p >= 10) {
    const rest = stirlingRest(p) + stirlingRest(q) - stirlingRest(total)
    return -0.5 * Math.log(q) + halfLogTwoPi + rest + (p - 0.5) * Math.log(p / total) + q * Math.log1p(-p / total)
  }
  if (q >= 10) {
    const rest = stirlingRest(q) - stirlingRest(total)
    return logGamma(p) + rest + p - p * Math.log(total) + (q - 0.5) * Math.log1p(-p / total)
  }
  return logGamma(p) + logGamma(q) - logGamma(total)
}

/** The continued fraction of the incomplete beta (DLMF 8.17.22) by Lentz's method. */
function betaFraction(x: number, a: number, b: number): number {
  let c = 1
  let d = 1 - ((a + b) * x) / (a + 1)
  if (Math.abs(d) < tiny) d = tiny
  d = 1 / d
  let h = d
  for (let m = 1; m < 100_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    d = 1 + even * d
    if (Math.abs(d) < tiny) d = tiny
    c = 1 + even / c
    if (Math.abs(c) < tiny) c = tiny
    d = 1 / d
    h *= d * c
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 + odd * d
    if (Math.abs(d) < tiny) d = tiny
    c = 1 + odd / c
    if (Math.abs(c) < tiny) c = tiny
    d = 1 / d
    const change = d * c
    h *= change
    if (Math.abs(change - 1) < 1e-16) break
  }
  return h
}

/** Beta(a, b): P(X ≤ x) and P(X > x), each with relative accuracy where it is small. `rest` is 1 − x where that is known better. */
export function beta(x: number, a: number, b: number, rest = 1 - x): { readonly cdf: number; readonly sf: number } {
  if (!(x > 0)) return { cdf: 0, sf: 1 }
  if (!(rest > 0)) return { cdf: 1, sf: 0 }
  const log = a * Math.log(x) + b * Math.log(rest) - logBeta(a, b)
  if (x < (a + 1) / (a + b + 2)) {
    const cdf = (Math.exp(log) * betaFraction(x, a, b)) / a
    return { cdf, sf: 1 - cdf }
  }
  const sf = (Math.exp(log) * betaFraction(rest, b, a)) / b
  return { cdf: 1 - sf, sf }
}

/** The x with P(X ≤ x) = p. */
export function betaQuantile(p: number, a: number, b: number): number {
  if (p <= 0) return 0
  if (p >= 1) return 1
  // On the log odds of x, so that values next to 0 and 1 keep their digits.
  const at = (logit: number): { x: number; rest: number } => {
    const x = 1 / (1 + Math.exp(-logit))
    return { x, rest: 1 / (1 + Math.exp(logit)) }
  }
  const over = (logit: number): number => {
    const { x, rest } = at(logit)
    const { cdf, sf } = beta(x, a, b, rest)
    return p < 0.5 ? cdf - p : 1 - p - sf
  }
  return at(bisect(over, -700, 700)).x
}

/** Student's t: P(T ≤ x) and P(T > x); `df` need not be whole. */
export function studentT(x: number, df: number): { readonly cdf: number; readonly sf: number } {
  const square = x * x
  const { cdf } = beta(df / (df + square), df / 2, 0.5, square / (df + square))
  const tail = 0.5 * cdf
  return x > 0 ? { cdf: 1 - tail, sf: tail } : { cdf: tail, sf: 1 - tail }
}

export function studentTQuantile(p: number, df: number): number {
  if (p === 0.5) return 0
  if (p > 0.5) return -studentTQuantile(1 - p, df)
  // x = −e^u covers every size.
  return -Math.exp(bisect((u) => p - studentT(-Math.exp(u), df).cdf, -700, 700))
}

/** Binomial: P(X = k), P(X ≤ k), P(X > k). */
export function binomial(
  k: number,
  n: number,
  p: number,
): { readonly pmf: number; readonly cdf: number; readonly sf: number } {
  if (k < 0) return { pmf: 0, cdf: 0, sf: 1 }
  if (k >= n) return { pmf: k === n ? p ** n : 0, cdf: 1, sf: 0 }
  const { cdf, sf } = beta(1 - p, n - k, k + 1, p)
  return { pmf: Math.exp(logBinomialPmf(k, n, p)), cdf, sf }
}

export function logBinomialPmf(k: number, n: number, p: number): number {
  if (p <= 0) return k === 0 ? 0 : Number.NEGATIVE_INFINITY
  if (p >= 1) return k === n ? 0 : Number.NEGATIVE_INFINITY
  const choose = -Math.log(n + 1) - logBeta(n - k + 1, k + 1)
  return choose + k * Math.log(p) + (n - k) * Math.log1p(-p)
}

/** The smallest k with P(X ≤ k) ≥ u. */
export function binomialQuantile(u: number, n: number, p: number): number {
  let low = 0
  let high = n
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (binomial(middle, n, p).cdf >= u) high = middle
    else low = middle + 1
  }
  return low
}

/** Two-sided p of an exact binomial test: all outcomes that are no likelier than `k`, alike within rounding counting as alike (as R and scipy). */
export function binomialTest(k: number, n: number, p: number): number {
  const limit = logBinomialPmf(k, n, p) + 1e-7
  const isRare = (x: number): boolean => logBinomialPmf(x, n, p) <= limit
  const mode = Math.min(n, Math.floor((n + 1) * p))
  if (k === mode) return 1
  if (k < mode) {
    // The likelihood falls from the mode: the first rare outcome above it ends what is likelier.
    const first = firstIn(mode, n + 1, isRare)
    return Math.min(1, binomial(k, n, p).cdf + (first > n ? 0 : binomial(first - 1, n, p).sf))
  }
  const last = mode - firstIn(0, mode + 1, (below) => isRare(mode - below))
  return Math.min(1, binomial(k - 1, n, p).sf + (last < 0 ? 0 : binomial(last, n, p).cdf))
}

/** The first whole number from `low` for which a condition holds that goes on holding; `high` where it never does. */
function firstIn(low: number, high: number, holds: (x: number) => boolean): number {
  let [a, b] = [low, high]
  while (a < b) {
    const middle = Math.floor((a + b) / 2)
    if (holds(middle)) b = middle
    else a = middle + 1
  }
  return a
}
