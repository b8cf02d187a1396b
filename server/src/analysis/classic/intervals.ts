import { type Counts, scoreDifference, scoreRatio } from '../e-value.ts'
import { betaQuantile } from '../special/beta.ts'
import { bisect } from '../special/bisect.ts'
import { normalQuantile } from '../special/normal.ts'
import { mustBeCounts, mustBeProbability } from './check.ts'

/** Both ends of an interval. */
export type Interval = readonly [low: number, high: number]

const z = (alpha: number): number => {
  mustBeProbability({ alpha })
  return -normalQuantile(alpha / 2)
}

/** Wilson's score interval of a proportion (1927). */
export function wilson(x: number, n: number, alpha: number): Interval {
  const q = z(alpha)
  const p = x / n
  const centre = (p + (q * q) / (2 * n)) / (1 + (q * q) / n)
  const half = (q * Math.sqrt((p * (1 - p)) / n + (q * q) / (4 * n * n))) / (1 + (q * q) / n)
  return [Math.max(0, centre - half), Math.min(1, centre + half)]
}

/** Clopper and Pearson's exact interval (1934). */
export function clopperPearson(x: number, n: number, alpha: number): Interval {
  mustBeProbability({ alpha })
  return [x === 0 ? 0 : betaQuantile(alpha / 2, x, n - x + 1), x === n ? 1 : betaQuantile(1 - alpha / 2, x + 1, n - x)]
}

/** Jeffreys' interval: quantiles of Beta(x + ½, n − x + ½). */
export function jeffreys(x: number, n: number, alpha: number): Interval {
  mustBeProbability({ alpha })
  return [betaQuantile(alpha / 2, x + 0.5, n - x + 0.5), betaQuantile(1 - alpha / 2, x + 0.5, n - x + 0.5)]
}

/** Agresti and Coull (1998): Wald's around Wilson's centre. */
export function agrestiCoull(x: number, n: number, alpha: number): Interval {
  const q = z(alpha)
  const total = n + q * q
  const p = (x + (q * q) / 2) / total
  const half = q * Math.sqrt((p * (1 - p)) / total)
  return [Math.max(0, p - half), Math.min(1, p + half)]
}

const around = (centre: number, half: number): Interval => [centre - half, centre + half]

/** p₁ − p₀, Wald. */
export function differenceWald({ n1, x1, n0, x0 }: Counts, alpha: number): Interval {
  const [p1, p0] = [x1 / n1, x0 / n0]
  return around(p1 - p0, z(alpha) * Math.sqrt((p1 * (1 - p1)) / n1 + (p0 * (1 - p0)) / n0))
}

/** p₁ − p₀, Agresti and Caffo (2000): Wald's with one success and one failure added to each arm. */
export function differenceAgrestiCaffo({ n1, x1, n0, x0 }: Counts, alpha: number): Interval {
  const [low, high] = differenceWald({ n1: n1 + 2, x1: x1 + 1, n0: n0 + 2, x0: x0 + 1 }, alpha)
  return [Math.max(-1, low), Math.min(1, high)]
}

/** p₁ − p₀, Newcombe's hybrid of Wilson's intervals (1998). */
export function differenceNewcombe(counts: Counts, alpha: number): Interval {
  mustBeCounts(counts)
  const { n1, x1, n0, x0 } = counts
  const [l1, u1] = wilson(x1, n1, alpha)
  const [l0, u0] = wilson(x0, n0, alpha)
  const [p1, p0] = [x1 / n1, x0 / n0]
  return [p1 - p0 - Math.hypot(p1 - l1, u0 - p0), p1 - p0 + Math.hypot(u1 - p1, p0 - l0)]
}

/** p₁ − p₀ by inverting Mee's score test (1984); Miettinen and Nurminen's (1985) with `corrected`: variances times N/(N − 1). */
export function differenceScore(counts: Counts, alpha: number, corrected: boolean): Interval {
  mustBeCounts(counts)
  const { n1, x1, n0, x0 } = counts
  const bound = z(alpha)
  const total = n1 + n0
  const shrink = corrected ? Math.sqrt((total - 1) / total) : 1
  const point = x1 / n1 - x0 / n0
  const score = (delta: number): number => scoreDifference(counts, delta) * shrink
  return [bisect((delta) => bound - score(delta), -1, point), bisect((delta) => -bound - score(delta), point, 1)]
}

/** p₁/p₀ by Katz's log interval (1978); undefined where an arm has no event. */
export function ratioKatz({ n1, x1, n0, x0 }: Counts, alpha: number): Interval | undefined {
  if (x1 === 0 || x0 === 0) return undefined
  const log = Math.log(x1 / n1 / (x0 / n0))
  const half = z(alpha) * Math.sqrt(1 / x1 - 1 / n1 + 1 / x0 - 1 / n0)
  return [Math.exp(log - half), Math.exp(log + half)]
}

/** p₁/p₀ by inverting Miettinen and Nurminen's score test (1985); undefined where an arm has no event. */
export function ratioScore(counts: Counts, alpha: number): Interval | undefined {
  mustBeCounts(counts)
  const { n1, x1, n0, x0 } = counts
  if (x1 === 0 || x0 === 0) return undefined
  const bound = z(alpha)
  const total = n1 + n0
  const shrink = Math.sqrt((total - 1) / total)
  const point = Math.log(x1 / n1 / (x0 / n0))
  const score = (log: number): number => scoreRatio(counts, Math.exp(log)) * shrink
  return [
    Math.exp(bisect((log) => bound - score(log), point - 50, point)),
    Math.exp(bisect((log) => -bound - score(log), point, point + 50)),
  ]
}
