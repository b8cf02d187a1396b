import { upperGammaFraction } from './gamma.ts'

const halfLogTwoPi = 0.5 * Math.log(2 * Math.PI)

/** erf x for |x| < 2 by its Maclaurin series with all terms positive (Abramowitz & Stegun 7.1.6). */
function erfSeries(x: number): number {
  if (x < 0) return -erfSeries(-x)
  let term = x
  let sum = x
  for (let n = 1; n < 100; n++) {
    term *= (2 * x * x) / (2 * n + 1)
    sum += term
    if (term < sum * 1e-17) break
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum
}

/** log erfc x for x ≥ 2 by the continued fraction of Γ(½, x²) (DLMF 8.9.2, 7.11.2): exact in the tail. */
const logErfc = (x: number): number =>
  -x * x + Math.log(x) - 0.5 * Math.log(Math.PI) + Math.log(upperGammaFraction(0.5, x * x))

/** erfc x with about 1e-14 relative, in the upper tail as well. */
export function erfc(x: number): number {
  if (x >= 2) return Math.exp(logErfc(x))
  return x <= -2 ? 2 - Math.exp(logErfc(-x)) : 1 - erfSeries(x)
}

/** Below it a double loses digits. */
const smallest = 2.3e-308

/** P(Z ≤ x) of a standard normal; relative accuracy in both tails, down to 1e-307 and 0 beyond. */
export function normalCdf(x: number): number {
  if (x >= -2 * Math.SQRT2) return 0.5 * erfc(-x / Math.SQRT2)
  const tail = 0.5 * Math.exp(logErfc(-x / Math.SQRT2))
  return tail < smallest ? 0 : tail
}

/** P(Z > x). */
export const normalSf = (x: number): number => normalCdf(-x)

/** log P(Z ≤ x), finite for every finite x. */
export function normalLogCdf(x: number): number {
  if (x < -2 * Math.SQRT2) return logErfc(-x / Math.SQRT2) - Math.LN2
  return x > 0 ? Math.log1p(-0.5 * erfc(x / Math.SQRT2)) : Math.log(normalCdf(x))
}

export const normalPdf = (x: number): number => Math.exp(-0.5 * x * x - halfLogTwoPi)

/**
 * The z with P(Z ≤ z) = p. Newton's method on log P, which is concave, from the asymptotic of the tail; ±∞ at 0 and 1.
 */
export function normalQuantile(p: number): number {
  if (!(p > 0)) return p === 0 ? Number.NEGATIVE_INFINITY : Number.NaN
  if (p > 0.5) return p < 1 ? -normalQuantile(1 - p) : p === 1 ? Number.POSITIVE_INFINITY : Number.NaN
  const target = Math.log(p)
  let z =
    p > 0.1 ? (p - 0.5) * Math.sqrt(2 * Math.PI) : -Math.sqrt(-2 * target - Math.log(-2 * target * Math.PI * 2 + 1))
  for (let i = 0; i < 60; i++) {
    const log = normalLogCdf(z)
    const step = (log - target) / Math.exp(-0.5 * z * z - halfLogTwoPi - log)
    z -= step
    if (Math.abs(step) <= 1e-15 * Math.max(1, Math.abs(z))) break
  }
  return z
}
