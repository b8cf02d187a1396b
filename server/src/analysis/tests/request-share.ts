import { type Dispersion, degreesOf, temper } from '../dispersion.ts'
import { logSumExp } from '../e-value.ts'
import type { EpochBuckets } from '../evidence.ts'

/** Odds of a request to be the canary's, relative to the weight, if reports or requests are missing; with weights. */
const effects = [
  [0.95, 0.15],
  [0.9, 0.25],
  [0.8, 0.25],
  [0.6, 0.2],
  [0.3, 0.15],
] as const

/** Requests of both arms in one stage against the share that its weight gives the canary. */
export interface RequestShare {
  readonly canary: number
  readonly stable: number
  /** The canary's share of units, 0 < w < 1. */
  readonly weight: number
}

/**
 * How much more the requests of user buckets differ between the arms than independent requests would: users are drawn, not requests, and some
 * make a thousand times as many. Residuals c = (1 − p̂)n₁ − p̂n₀ by bucket; D = B/(B−1)·Σc²/(p̂(1 − p̂)N), ν as in STATISTICS 3.4. Where the
 * users that make most requests all happen to be on stable, c hardly shows them; so not less than what drawing users by their weight does to
 * unequal buckets n of both arms: B/(B−1)·Σ(n − N/B)²/N.
 */
export function shareDispersion(buckets: EpochBuckets | undefined): Dispersion {
  const none = { factor: 1, degrees: Number.POSITIVE_INFINITY }
  if (buckets === undefined) return none
  const { canary, stable } = buckets
  const size = canary.n.length
  let n1 = 0
  let n0 = 0
  for (let b = 0; b < size; b++) {
    n1 += canary.n[b] as number
    n0 += stable.n[b] as number
  }
  const total = n1 + n0
  const share = total > 0 ? n1 / total : 0
  const model = total * share * (1 - share)
  if (total === 0) return none
  const drawn = spreadOf(size, (b) => (canary.n[b] as number) + (stable.n[b] as number) - total / size, total)
  // Without any request of one arm there is no residual between them; how unequal users are is known all the same.
  if (!(model > 0)) return { ...drawn, factor: Math.max(1, drawn.factor) }
  const between = spreadOf(size, (b) => (1 - share) * (canary.n[b] as number) - share * (stable.n[b] as number), model)
  const degrees = Math.min(between.degrees, drawn.degrees)
  return { factor: Math.max(1, between.factor, drawn.factor), degrees }
}

function spreadOf(size: number, residual: (bucket: number) => number, model: number): Dispersion {
  let squares = 0
  let fourths = 0
  for (let b = 0; b < size; b++) {
    const square = residual(b) ** 2
    squares += square
    fourths += square * square
  }
  return {
    factor: ((size / (size - 1)) * squares) / model,
    degrees: degreesOf(squares, fourths),
  }
}

/** The canary's share of requests if its odds are `ratio` times those of its weight. */
const shareAt = (weight: number, ratio: number): number => (ratio * weight) / (1 - weight + ratio * weight)

function logRatio({ canary, stable }: RequestShare, over: number, under: number): number {
  return canary * Math.log(over / under) + stable * Math.log((1 - over) / (1 - under))
}

/**
 * log e of "the canary has fewer requests per user than stable": a binomial likelihood ratio of its share of the requests against its weight,
 * which needs no sums but the totals of the stage, so that it is valid at every look; tempered by `spread`. `floor`: the ratio that is still
 * harmless, 1 for none.
 */
export function fewerRequests(share: RequestShare, spread: Dispersion, floor = 1): number {
  const harmless = shareAt(share.weight, floor)
  const logs = effects.map(([ratio, part]) => {
    const log = logRatio(share, shareAt(share.weight, ratio * floor), harmless)
    return Math.log(part) + temper(log, spread.factor, spread.degrees)
  })
  return logSumExp(logs)
}

/** log e of "the canary has more than `floor` times stable's requests per user", if it has as many. */
export function enoughRequests(share: RequestShare, spread: Dispersion, floor: number): number {
  return temper(logRatio(share, share.weight, shareAt(share.weight, floor)), spread.factor, spread.degrees)
}

/** Standard errors by which the canary's share is above that of `floor`. */
export function shareScore(share: RequestShare, spread: Dispersion, floor: number): number {
  const total = share.canary + share.stable
  const least = shareAt(share.weight, floor)
  const variance = total * least * (1 - least) * spread.factor
  return variance > 0 ? (share.canary - total * least) / Math.sqrt(variance) : 0
}

/** The canary's requests per user relative to stable's. */
export function requestRatio({ canary, stable, weight }: RequestShare): number | undefined {
  return stable > 0 ? canary / stable / (weight / (1 - weight)) : undefined
}
