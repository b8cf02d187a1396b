import type { Random } from '@pipit/shared/clock'
import { binMiddle, type LatencySketch } from '@pipit/shared/sketch'
import type { Counts } from '../e-value.ts'
import type { EpochBuckets, ValueTable } from '../evidence.ts'
import type { Judgement, MetricJudgement } from '../judgement.ts'
import { betaGreater } from '../special/beta-greater.ts'
import { normalQuantile, normalSf } from '../special/normal.ts'
import { differenceNewcombe, differenceScore, type Interval } from './intervals.ts'
import { mannWhitney } from './mann-whitney.ts'
import { bootstrapMedian, medianDifference } from './quantiles.ts'
import { fisherExact, twoProportions } from './two-proportions.ts'
import { chiSquareSplit, welch } from './welch.ts'

export interface ClassicInput {
  readonly judgement: Judgement
  /** The canary's share of the units in this stage, 0 to 1. */
  readonly share: number
  /** Latencies of the stage under way. */
  readonly latency: { readonly canary: LatencySketch; readonly stable: LatencySketch } | undefined
  readonly buckets: EpochBuckets | undefined
  readonly random: Random
}

/** Tests with a fixed horizon: for reading, not for deciding. Their errors hold for one look at a moment chosen beforehand. */
export interface ClassicReport {
  readonly note: 'fixed horizon: for reading, not for deciding'
  readonly alpha: number
  readonly proportions: readonly ProportionReport[]
  readonly means: readonly MeanReport[]
  readonly latency?: LatencyReport
  readonly sampleRatio?: { readonly chiSquare: number; readonly p: number }
}

export interface ProportionReport {
  readonly metric: string
  readonly z?: number
  readonly p?: number
  readonly cohenH: number
  /** Fisher's exact p, for fewer than 5000 in each arm. */
  readonly fisher?: number
  readonly newcombe: Interval
  readonly miettinenNurminen: Interval
  /** P(canary's rate is above stable's) of beta posteriors (Jeffreys), counts divided by the over-dispersion: a Bayesian display value. */
  readonly canaryAbove: number
}

export interface MeanReport {
  readonly metric: string
  readonly t?: number
  readonly df?: number
  readonly p?: number
  readonly interval?: Interval
}

export interface LatencyReport {
  /** z is divided by √D: requests of one user are not independent. */
  readonly mannWhitney?: {
    readonly z: number
    readonly p: number
    readonly rankBiserial: number
    readonly cles: number
  }
  /** Bootstrap interval of the difference of medians in ms. */
  readonly medianDifference?: Interval
  readonly quantiles: readonly QuantileReport[]
}

export interface QuantileReport {
  readonly quantile: number
  readonly canary?: { readonly ms: number; readonly interval: Interval }
  readonly stable?: { readonly ms: number; readonly interval: Interval }
}

const alpha = 0.05
const fisherLimit = 5000
const quantiles = [0.5, 0.9, 0.99] as const

export function classicReport({ judgement, share, latency, buckets, random }: ClassicInput): ClassicReport {
  const { canary, stable } = judgement.units
  const split = share > 0 && share < 1 ? chiSquareSplit([canary, stable], [share, 1 - share]) : undefined
  const dispersion = Math.max(
    1,
    ...judgement.metrics.filter(({ kind }) => kind === 'latency').map((metric) => metric.dispersion),
  )
  return {
    note: 'fixed horizon: for reading, not for deciding',
    alpha,
    proportions: judgement.metrics.flatMap(proportion),
    means: meansOf(buckets),
    ...(latency === undefined ? {} : { latency: latencyReport(latency, dispersion, random) }),
    ...(split === undefined ? {} : { sampleRatio: split }),
  }
}

/** Whole requests: what is compared as events out of requests or units. */
function proportion({ metric, kind, canary, stable, dispersion }: MetricJudgement): ProportionReport[] {
  const isCounted = kind === 'error_rate' || kind === 'success_rate' || kind === 'latency' || kind === 'conversion'
  if (!isCounted || canary.n === 0 || stable.n === 0) return []
  const counts: Counts = { n1: canary.n, x1: canary.x, n0: stable.n, x0: stable.x }
  const found = twoProportions(counts)
  if (found === undefined) return []
  return [
    {
      metric,
      ...(found.z === undefined ? {} : { z: found.z }),
      ...(found.pTwoSided === undefined ? {} : { p: found.pTwoSided }),
      cohenH: found.cohenH,
      ...(Math.max(canary.n, stable.n) < fisherLimit ? { fisher: fisherExact(counts) } : {}),
      newcombe: differenceNewcombe(counts, alpha),
      miettinenNurminen: differenceScore(counts, alpha, true),
      canaryAbove: betaGreater(posterior(canary, dispersion), posterior(stable, dispersion)),
    },
  ]
}

const posterior = ({ n, x }: { readonly n: number; readonly x: number }, dispersion: number) => ({
  a: 0.5 + x / dispersion,
  b: 0.5 + (n - x) / dispersion,
})

/** Totals of users, where a metric is a sum or a count per user. */
function meansOf(buckets: EpochBuckets | undefined): MeanReport[] {
  return Object.entries(buckets?.values ?? {}).map(([metric, { canary, stable }]) => {
    const [one, zero] = [sampleOf(canary), sampleOf(stable)]
    const found = one === undefined || zero === undefined ? undefined : welch(one, zero, alpha)
    if (found === undefined) return { metric }
    return { metric, t: found.t, df: found.df, p: found.pTwoSided, interval: found.interval }
  })
}

function sampleOf({ y, units, squares }: ValueTable): { mean: number; sd: number; n: number } | undefined {
  if (units < 2) return undefined
  const mean = y.reduce((sum, value) => sum + value, 0) / units
  return { mean, sd: Math.sqrt(Math.max(0, squares - units * mean * mean) / (units - 1)), n: units }
}

function latencyReport(
  { canary, stable }: NonNullable<ClassicInput['latency']>,
  dispersion: number,
  random: Random,
): LatencyReport {
  const ranks = mannWhitney(canary.bins, stable.bins)
  const z = ranks?.z === undefined ? undefined : ranks.z / Math.sqrt(dispersion)
  const isBoth = canary.count > 0 && stable.count > 0
  const median = (sketch: LatencySketch): Float64Array => bootstrapMedian(sketch.bins, sketch.count / dispersion)
  return {
    ...(ranks === undefined || z === undefined
      ? {}
      : {
          mannWhitney: {
            ...{ z, p: 2 * normalSf(Math.abs(z)) },
            ...{ rankBiserial: ranks.rankBiserial, cles: ranks.cles },
          },
        }),
    ...(isBoth
      ? { medianDifference: medianDifference(median(canary), median(stable), { valueAt: binMiddle, random, alpha }) }
      : {}),
    quantiles: quantiles.map((quantile) => ({
      quantile,
      ...arm('canary', quantileOf(canary, quantile, dispersion)),
      ...arm('stable', quantileOf(stable, quantile, dispersion)),
    })),
  }
}

const arm = <K extends 'canary' | 'stable'>(
  name: K,
  found: QuantileReport['canary'],
): { readonly [P in K]?: NonNullable<QuantileReport['canary']> } =>
  (found === undefined ? {} : { [name]: found }) as { readonly [P in K]?: NonNullable<QuantileReport['canary']> }

/** A quantile with the interval of ranks nq ± z√(Dnq(1−q)). */
function quantileOf(sketch: LatencySketch, q: number, dispersion: number): QuantileReport['canary'] {
  const n = sketch.count
  const ms = sketch.quantile(q)
  if (ms === undefined) return undefined
  const half = (-normalQuantile(alpha / 2) * Math.sqrt(dispersion * q * (1 - q))) / Math.sqrt(n)
  const at = (share: number): number => sketch.quantile(Math.min(1, Math.max(0, share))) ?? ms
  return { ms, interval: [at(q - half), at(q + half)] }
}
