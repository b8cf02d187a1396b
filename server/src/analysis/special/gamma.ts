import { bisect } from './bisect.ts'
import { logGamma } from './log-gamma.ts'

const tiny = 1e-300

/** Γ(a, x)·eˣ·x^−a for x > a + 1: Lentz's method on the continued fraction of DLMF 8.9.2. */
export function upperGammaFraction(a: number, x: number): number {
  let b = x + 1 - a
  let c = 1 / tiny
  let d = 1 / b
  let h = d
  for (let i = 1; i < 10_000; i++) {
    const an = -i * (i - a)
    b += 2
    d = an * d + b
    if (Math.abs(d) < tiny) d = tiny
    c = b + an / c
    if (Math.abs(c) < tiny) c = tiny
    d = 1 / d
    const change = d * c
    h *= change
    if (Math.abs(change - 1) < 1e-16) break
  }
  return h
}

/** P(a, x)·eˣ·x^−a·Γ(a + 1): the series of DLMF 8.7.1, all terms positive. */
function lowerGammaSeries(a: number, x: number): number {
  let term = 1
  let sum = 1
  for (let n = 1; n < 100_000; n++) {
    term *= x / (a + n)
    sum += term
    if (term < sum * 1e-17) break
  }
  return sum
}

/** The regularised incomplete gamma functions P(a, x) and Q(a, x) = 1 − P, each with relative accuracy where it is small; a > 0, x ≥ 0. */
export function incompleteGamma(a: number, x: number): { readonly lower: number; readonly upper: number } {
  if (x <= 0) return { lower: 0, upper: 1 }
  const log = a * Math.log(x) - x
  if (x < a + 1) {
    const lower = Math.exp(log - logGamma(a + 1)) * lowerGammaSeries(a, x)
    return { lower, upper: 1 - lower }
  }
  const upper = Math.exp(log - logGamma(a)) * upperGammaFraction(a, x)
  return { lower: 1 - upper, upper }
}

/** Chi-square of `df` degrees of freedom: P(X ≤ x) and P(X > x). */
export function chiSquare(x: number, df: number): { readonly cdf: number; readonly sf: number } {
  const { lower, upper } = incompleteGamma(df / 2, x / 2)
  return { cdf: lower, sf: upper }
}

/** The x with P(X ≤ x) = p. */
export function chiSquareQuantile(p: number, df: number): number {
  if (p <= 0) return 0
  if (p >= 1) return Number.POSITIVE_INFINITY
  const over = (log: number): number => {
    const { cdf, sf } = chiSquare(Math.exp(log), df)
    return p < 0.5 ? cdf - p : 1 - p - sf
  }
  return Math.exp(bisect(over, -700, 700))
}
