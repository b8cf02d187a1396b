import { normalCdf, normalLogCdf } from '../special/normal.ts'

/** How evidence grows: mean and variance of a log e-value per unit of whatever is counted (a canary request, say). */
export interface Growth {
  readonly mean: number
  readonly variance: number
}

/** The growth of evidence that is divided by an over-dispersion: log e / D, of requests that vary D times as much. */
export function dispersed({ mean, variance }: Growth, factor: number): Growth {
  return { mean: mean / factor, variance: variance / factor }
}

/**
 * Chance that evidence which grows like this has reached `level` (above 0) by `n`: the first-passage law of Brownian motion,
 * Φ((gn−L)/√(vn)) + e^{2gL/v}·Φ(−(gn+L)/√(vn)) (STATISTICS 9). The second term is formed in logs, so that nothing overflows.
 */
export function crossedBy(n: number, level: number, { mean, variance }: Growth): number {
  if (!(n > 0)) return 0
  const deviation = Math.sqrt(variance * n)
  if (!(deviation > 0)) return mean * n >= level ? 1 : 0
  const ahead = (mean * n - level) / deviation
  if (ahead > 40) return 1
  const mirrored = (mean * n + level) / deviation
  // Both terms are below e^{−800} there, and infinite squares would follow.
  if (ahead < -40 && mirrored > 0) return 0
  const reflected = Math.exp((2 * mean * level) / variance + normalLogCdf(-mirrored))
  return Math.min(1, normalCdf(ahead) + reflected)
}

/** The n by which `level` is reached with this chance; infinite where evidence does not grow. */
export function crossingQuantile(chance: number, level: number, growth: Growth): number {
  if (!(growth.mean > 0) || !(chance < 1)) return Number.POSITIVE_INFINITY
  let high = level / growth.mean
  while (crossedBy(high, level, growth) < chance) {
    high *= 2
    if (!Number.isFinite(high)) return high
  }
  return bisect(high, (n) => crossedBy(n, level, growth) >= chance)
}

/** The least n in (0, high] from which on `holds` is true; it has to be true at `high`. */
export function bisect(high: number, holds: (n: number) => boolean): number {
  let low = 0
  let top = high
  for (let i = 0; i < 200 && top - low > 1e-12 * top; i++) {
    const middle = 0.5 * (low + top)
    if (holds(middle)) top = middle
    else low = middle
  }
  return 0.5 * (low + top)
}
