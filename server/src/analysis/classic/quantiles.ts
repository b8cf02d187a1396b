import type { Random } from '@pipit/shared/clock'
import { binomial, binomialQuantile } from '../special/beta.ts'
import { mustBeFinite, mustBeFiniteList, mustBeProbability } from './check.ts'

/** Definitions of a sample quantile that are in use (Hyndman & Fan 1996). */
export type QuantileType = 1 | 6 | 7 | 8

/** The q-quantile of sorted values; undefined of none. Type 7 is that of R, numpy and spreadsheets. */
export function sampleQuantile(sorted: readonly number[], q: number, type: QuantileType = 7): number | undefined {
  mustBeFinite({ q })
  const n = sorted.length
  if (n === 0) return undefined
  const at = (rank: number): number => sorted[Math.min(n, Math.max(1, rank)) - 1] as number
  if (type === 1) return at(Math.ceil(n * q - 1e-12 * n))
  const position = type === 7 ? (n - 1) * q + 1 : type === 6 ? (n + 1) * q : (n + 1 / 3) * q + 1 / 3
  const rank = Math.floor(position + 4 * Number.EPSILON)
  const part = Math.max(0, position - rank)
  return at(rank) + part * (at(rank + 1) - at(rank))
}

/** Ranks (from 1; 0 and n + 1 are unbounded) of an interval of the q-quantile of n values, with its exact coverage. */
export function quantileRanks(
  n: number,
  q: number,
  alpha: number,
): { readonly low: number; readonly high: number; readonly coverage: number } {
  mustBeFinite({ n })
  mustBeProbability({ q, alpha })
  const low = binomialQuantile(alpha / 2, n, q)
  const high = binomialQuantile(1 - alpha / 2, n, q) + 1
  return { low, high, coverage: binomial(high - 1, n, q).cdf - binomial(low - 1, n, q).cdf }
}

/**
 * The exact bootstrap distribution of the lower median of a histogram: P(median* ≤ bin k) = P(Bin(n, F_k) ≥ ⌈n/2⌉). `size`: how many values
 * a resample has (fewer than n where they are correlated); n unless told otherwise.
 */
export function bootstrapMedian(counts: ArrayLike<number>, size?: number): Float64Array {
  mustBeFiniteList('counts', counts)
  let n = 0
  for (let k = 0; k < counts.length; k++) n += counts[k] as number
  const drawn = Math.max(1, Math.round(size ?? n))
  const cdf = new Float64Array(counts.length)
  let below = 0
  for (let k = 0; k < counts.length; k++) {
    below += counts[k] as number
    cdf[k] = below >= n ? 1 : binomial(Math.ceil(drawn / 2) - 1, drawn, below / n).sf
  }
  return cdf
}

/** The bin of the lower median of a histogram. */
export function medianBin(counts: ArrayLike<number>): number {
  const all = Array.from(counts)
  const half = Math.ceil(all.reduce((sum, count) => sum + count, 0) / 2)
  let below = 0
  return all.findIndex((count) => {
    below += count
    return below >= half
  })
}

/** The first bin at which a distribution reaches `level`. */
export function binAt(cdf: Float64Array, level: number): number {
  const found = cdf.findIndex((value) => value >= level)
  return found < 0 ? cdf.length - 1 : found
}

/**
 * Bootstrap interval of the difference of medians (canary − stable) by `draws` pairs from both exact distributions. `valueAt`: the value of a
 * bin. The same `random` gives the same interval.
 */
export function medianDifference(
  canary: Float64Array,
  stable: Float64Array,
  options: {
    readonly valueAt: (bin: number) => number
    readonly random: Random
    readonly alpha: number
    readonly draws?: number
  },
): readonly [low: number, high: number] {
  const { valueAt, random, alpha, draws = 2000 } = options
  const found = Array.from(
    { length: draws },
    () => valueAt(binAt(canary, random())) - valueAt(binAt(stable, random())),
  ).sort((a, b) => a - b)
  const at = (q: number): number => sampleQuantile(found, q) ?? 0
  return [at(alpha / 2), at(1 - alpha / 2)]
}
