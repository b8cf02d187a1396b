import { normalQuantile } from './normal.ts'

/**
 * Requests per arm of a test with one look at its end, two-sided at `alpha` with power 1 − `beta`: R's `power.prop.test`,
 * n = [z_{α/2}√(2p̄q̄) + z_β√(p₁q₁ + p₀q₀)]² / (p₁−p₀)². For comparison with what sequential tests need; infinite without a difference.
 */
export function fixedSample(
  { p1, p0 }: { readonly p1: number; readonly p0: number },
  { alpha, beta }: { readonly alpha: number; readonly beta: number },
): number {
  if (p1 === p0) return Number.POSITIVE_INFINITY
  const mean = (p1 + p0) / 2
  const spread =
    normalQuantile(1 - alpha / 2) * Math.sqrt(2 * mean * (1 - mean)) +
    normalQuantile(1 - beta) * Math.sqrt(p1 * (1 - p1) + p0 * (1 - p0))
  return (spread / (p1 - p0)) ** 2
}

/** Canary requests of the same where `ratio` canary requests come to one of stable: Cohen's h, n₁ = (z_{α/2}+z_β)²(1+ratio)/h². */
export function fixedSampleUneven(
  { p1, p0 }: { readonly p1: number; readonly p0: number },
  { alpha, beta, ratio }: { readonly alpha: number; readonly beta: number; readonly ratio: number },
): number {
  const h = 2 * (Math.asin(Math.sqrt(p1)) - Math.asin(Math.sqrt(p0)))
  if (h === 0) return Number.POSITIVE_INFINITY
  return ((normalQuantile(1 - alpha / 2) + normalQuantile(1 - beta)) ** 2 * (1 + ratio)) / (h * h)
}
