/** Σ of Taylor's series of erf is as accurate as a double below this, the continued fraction above it. */
const seriesEnds = 2.5
const fractionTerms = 120

/** erfc(x)·e^{x²} for x ≥ 0, to about 1e-13: series and continued fraction of Abramowitz & Stegun 7.1.6 and 7.1.14. */
export function scaledErfc(x: number): number {
  if (x < seriesEnds) {
    let term = x
    let sum = x
    for (let n = 1; term > sum * 1e-17; n++) {
      term *= (2 * x * x) / (2 * n + 1)
      sum += term
    }
    return Math.exp(x * x) - (2 / Math.sqrt(Math.PI)) * sum
  }
  let fraction = x
  for (let n = fractionTerms; n > 0; n--) fraction = x + n / 2 / fraction
  return 1 / (fraction * Math.sqrt(Math.PI))
}

/** Chance that a standard normal variable is at most x. */
export function normalCdf(x: number): number {
  if (Number.isNaN(x)) return x
  const z = Math.abs(x) / Math.SQRT2
  const tail = z > 27.5 ? 0 : 0.5 * Math.exp(-z * z) * scaledErfc(z)
  return x < 0 ? tail : 1 - tail
}

/** The x with Φ(x) = p, by bisection; ±∞ at 0 and 1. */
export function normalQuantile(p: number): number {
  if (p <= 0) return Number.NEGATIVE_INFINITY
  if (p >= 1) return Number.POSITIVE_INFINITY
  let low = -39
  let high = 39
  for (let i = 0; i < 100; i++) {
    const middle = 0.5 * (low + high)
    if (normalCdf(middle) < p) low = middle
    else high = middle
  }
  return 0.5 * (low + high)
}
