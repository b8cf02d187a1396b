import { describe, expect, it } from 'vitest'
import { golden } from '../golden/read-golden.ts'
import {
  agrestiCoull,
  clopperPearson,
  differenceAgrestiCaffo,
  differenceNewcombe,
  differenceScore,
  differenceWald,
  jeffreys,
  ratioKatz,
  ratioScore,
  wilson,
} from './intervals.ts'
import { mannWhitney, mannWhitneyOf } from './mann-whitney.ts'
import { type Alternative, powerByH, powerOfEqualArms, sizeByH, sizeOfEqualArms } from './power.ts'
import { binAt, bootstrapMedian, medianBin, medianDifference, quantileRanks, sampleQuantile } from './quantiles.ts'
import { sprt, sprtBounds } from './sprt.ts'
import { cohenH, fisherExact, twoProportions } from './two-proportions.ts'
import { chiSquareSplit, ratioVariance, welch } from './welch.ts'

type Want = number | string | null
type Row = { readonly [field: string]: Want } & { readonly [K in 'n1' | 'x1' | 'n0' | 'x0']: number }
type Pairs = readonly (readonly [got: number | undefined, want: Want | undefined])[]

/** Cases of a file that are not met. */
function misses<C extends object>(
  { isNear }: { readonly isNear: (got: number | undefined, want: Want) => boolean },
  cases: readonly C[],
  pairs: (of: C) => Pairs,
): readonly object[] {
  return cases.flatMap((of, i) =>
    pairs(of).flatMap(([got, want], k) => (want === undefined || isNear(got, want) ? [] : [{ i, k, got, want }])),
  )
}

const both = (got: readonly [number, number] | undefined, want: readonly [number, number] | null): Pairs => [
  [got?.[0], want === null ? null : want[0]],
  [got?.[1], want === null ? null : want[1]],
]

describe('classic tests meet the golden values', () => {
  it('two proportions: z, Cohen h, Fisher', () => {
    const file = golden<readonly Row[]>('two_prop_z')
    const found = misses(file, file.cases, (row) => {
      const got = twoProportions(row)
      return [
        [got?.difference, row.diff],
        [got?.pooled, row.pooled],
        [got?.error, row.se_pooled],
        [got?.errorUnpooled, row.se_unpooled],
        [got?.z, row.z],
        [got?.pTwoSided, row.p_two_sided],
        [got?.pGreater, row.p_greater],
        [got?.pLess, row.p_less],
        [got?.cohenH, row.cohen_h],
        ...(row.fisher_two_sided === null ? [] : [[fisherExact(row), row.fisher_two_sided] as const]),
      ]
    })
    expect(found).toEqual([])
  })

  it('intervals of proportions, differences and ratios', () => {
    type Ends = readonly [number, number]
    type Arm = { readonly [K in 'wilson' | 'beta' | 'jeffreys' | 'agresti_coull']: Ends }
    const file =
      golden<
        readonly (Row & { readonly alpha: number; readonly arm1: Arm; readonly arm0: Arm } & {
          readonly [K in `diff_${'newcombe' | 'wald' | 'agresti_caffo' | 'mn' | 'mee'}`]: Ends
        } & { readonly [K in 'ratio_log' | 'ratio_score_mn']: Ends | null })[]
      >('prop_ci')
    const found = misses(file, file.cases, (row) => {
      const { alpha } = row
      const arm = (x: number, n: number, want: Arm): Pairs => [
        ...both(wilson(x, n, alpha), want.wilson),
        ...both(clopperPearson(x, n, alpha), want.beta),
        ...both(jeffreys(x, n, alpha), want.jeffreys),
        ...both(agrestiCoull(x, n, alpha), want.agresti_coull),
      ]
      return [
        ...both(differenceNewcombe(row, alpha), row.diff_newcombe),
        ...both(differenceWald(row, alpha), row.diff_wald),
        ...both(differenceAgrestiCaffo(row, alpha), row.diff_agresti_caffo),
        ...both(differenceScore(row, alpha, true), row.diff_mn),
        ...both(differenceScore(row, alpha, false), row.diff_mee),
        ...both(ratioKatz(row, alpha), row.ratio_log),
        ...both(ratioScore(row, alpha), row.ratio_score_mn),
        ...arm(row.x1, row.n1, row.arm1),
        ...arm(row.x0, row.n0, row.arm0),
      ]
    })
    expect(found).toEqual([])
  })

  it('power and sample size', () => {
    type Fields = 'p1' | 'p0' | 'alpha' | 'power' | 'ratio_n0_over_n1' | 'cohen_h' | 'n1_by_h' | 'power_by_h_n1_1000'
    type Case = { readonly [K in Fields | 'n_per_arm_R' | 'power_R_n5000']: number } & { alternative: Alternative }
    const file = golden<readonly Case[]>('power')
    const found = misses(file, file.cases, (row) => [
      [cohenH(row.p1, row.p0), row.cohen_h],
      [sizeByH(row, row.power, row.ratio_n0_over_n1), row.n1_by_h],
      [powerByH(row, 1000, row.ratio_n0_over_n1), row.power_by_h_n1_1000],
      [sizeOfEqualArms(row, row.power), row.n_per_arm_R],
      [powerOfEqualArms(row, 5000), row.power_R_n5000],
    ])
    expect(found).toEqual([])
  })

  it('Mann-Whitney from values and from histograms', () => {
    type P = { readonly [K in `p_${'two_sided' | 'greater' | 'less'}_${'cc' | 'nocc'}`]: number }
    type Case = P & { readonly U1: number; readonly rank_biserial: number; readonly cles: number }
    const file = golden<{
      readonly samples: readonly (Case & { readonly x1: readonly number[]; readonly x0: readonly number[] })[]
      readonly hist: readonly (Case & { readonly count1: readonly number[]; readonly count0: readonly number[] })[]
    }>('mann_whitney')
    type Found = ReturnType<typeof mannWhitney>
    const pairs = (with_: Found, without: Found, row: Case): Pairs => [
      [with_?.u, row.U1],
      [with_?.rankBiserial, row.rank_biserial],
      [with_?.cles, row.cles],
      [with_?.pTwoSided, row.p_two_sided_cc],
      [with_?.pGreater, row.p_greater_cc],
      [with_?.pLess, row.p_less_cc],
      [without?.pTwoSided, row.p_two_sided_nocc],
      [without?.pGreater, row.p_greater_nocc],
      [without?.pLess, row.p_less_nocc],
    ]
    const samples = misses(file, file.cases.samples, (row) =>
      pairs(mannWhitneyOf(row.x1, row.x0), mannWhitneyOf(row.x1, row.x0, false), row),
    )
    expect(samples).toEqual([])
    const histograms = misses(file, file.cases.hist, (row) =>
      pairs(mannWhitney(row.count1, row.count0), mannWhitney(row.count1, row.count0, false), row),
    )
    expect(histograms).toEqual([])
  })

  it('quantiles, their ranks, and the bootstrap of the median', () => {
    type Types = { readonly [K in 'type7' | 'type6' | 'type8' | 'type1' | 'x' | 'p']: readonly number[] }
    type Rank = { readonly [K in 'n' | 'p' | 'alpha' | 'rank_lo' | 'rank_hi' | 'coverage']: number }
    type Boot = { readonly counts: readonly number[]; readonly boot_cdf: readonly number[] } & {
      readonly [K in 'median_bin' | 'boot_lo_bin' | 'boot_hi_bin']: number
    }
    const file = golden<{ sample: readonly Types[]; order_ci: readonly Rank[]; boot_median: readonly Boot[] }>(
      'quantiles',
    )
    const quantiles = misses(file, file.cases.sample, (row) => {
      const sorted = [...row.x].sort((a, b) => a - b)
      return row.p.flatMap(
        (p, i): Pairs => [
          [sampleQuantile(sorted, p), row.type7[i]],
          [sampleQuantile(sorted, p, 6), row.type6[i]],
          [sampleQuantile(sorted, p, 8), row.type8[i]],
          [sampleQuantile(sorted, p, 1), row.type1[i]],
        ],
      )
    })
    expect(quantiles).toEqual([])
    const ranks = misses(file, file.cases.order_ci, (row) => {
      const { low, high, coverage } = quantileRanks(row.n, row.p, row.alpha)
      return [
        [low, row.rank_lo],
        [high, row.rank_hi],
        [coverage, row.coverage],
      ]
    })
    expect(ranks).toEqual([])
    const medians = misses(file, file.cases.boot_median, (row) => {
      const cdf = bootstrapMedian(row.counts)
      return [
        ...row.boot_cdf.map((want, k) => [cdf[k], want] as const),
        [medianBin(row.counts), row.median_bin],
        [binAt(cdf, 0.025), row.boot_lo_bin],
        [binAt(cdf, 0.975), row.boot_hi_bin],
      ]
    })
    expect(medians).toEqual([])
  })

  it("Wald's SPRT", () => {
    type Fields = 'upper' | 'lower' | 'llr' | 'asn_h0' | 'asn_h1' | 'slope' | 'intercept_upper' | 'intercept_lower'
    type Case = { readonly [K in Fields | 'p0' | 'p1' | 'alpha' | 'beta' | 'n' | 'x']: number } & { decision: string }
    const file = golden<readonly Case[]>('sprt')
    const found = misses(file, file.cases, (row) => {
      const bounds = sprtBounds(row)
      return [
        [bounds.upper, row.upper],
        [bounds.lower, row.lower],
        [sprt(row, row.n, row.x).llr, row.llr],
        [bounds.expectedUnder0, row.asn_h0],
        [bounds.expectedUnder1, row.asn_h1],
        [bounds.slope, row.slope],
        [bounds.interceptUpper, row.intercept_upper],
        [bounds.interceptLower, row.intercept_lower],
      ]
    })
    expect(found).toEqual([])
    expect(file.cases.map((row) => sprt(row, row.n, row.x).decision)).toEqual(file.cases.map((row) => row.decision))
  })

  it('Welch, the delta method, chi-square of a split', () => {
    type WelchCase = {
      readonly [K in 'mean1' | 'sd1' | 'n1' | 'mean0' | 'sd0' | 'n0' | 't' | 'df' | 'p_two_sided']: number
    } & {
      readonly ci95: readonly [number, number]
    }
    const file = golden<readonly WelchCase[]>('welch')
    const found = misses(file, file.cases, (row) => {
      const got = welch({ mean: row.mean1, sd: row.sd1, n: row.n1 }, { mean: row.mean0, sd: row.sd0, n: row.n0 })
      return [[got?.t, row.t], [got?.df, row.df], [got?.pTwoSided, row.p_two_sided], ...both(got?.interval, row.ci95)]
    })
    expect(found).toEqual([])
    const delta = golden<{
      delta: readonly { Y: readonly number[]; N: readonly number[]; ratio: number; var: number }[]
    }>('ratio_variance')
    const ratios = misses(delta, delta.cases.delta, (row) => {
      const got = ratioVariance(row.Y, row.N)
      return [
        [got?.ratio, row.ratio],
        [got?.variance, row.var],
      ]
    })
    expect(ratios).toEqual([])
    const srm =
      golden<readonly { counts: readonly number[]; weights: readonly number[]; chi2: number; p: number }[]>('srm')
    const splits = misses(srm, srm.cases, (row) => {
      const got = chiSquareSplit(row.counts, row.weights)
      return [
        [got?.chiSquare, row.chi2],
        [got?.p, row.p],
      ]
    })
    expect(splits).toEqual([])
  })
})

describe('classic tests', () => {
  const counts = { n1: 400, x1: 30, n0: 900, x0: 50 }
  const swapped = { n1: counts.n0, x1: counts.x0, n0: counts.n1, x0: counts.x1 }

  it('mirror when the arms are swapped', () => {
    const [one, other] = [twoProportions(counts), twoProportions(swapped)]
    expect(one?.z).toBeCloseTo(-(other?.z ?? 0), 12)
    expect(one?.pGreater).toBeCloseTo(other?.pLess ?? 0, 12)
    expect(fisherExact(counts)).toBeCloseTo(fisherExact(swapped), 12)
    const [low, high] = differenceScore(counts, 0.05, true)
    const [otherLow, otherHigh] = differenceScore(swapped, 0.05, true)
    expect([low, high]).toEqual([expect.closeTo(-otherHigh, 9), expect.closeTo(-otherLow, 9)])
    const u = mannWhitney([1, 5, 2], [3, 3, 3])
    expect((u?.cles ?? 0) + (mannWhitney([3, 3, 3], [1, 5, 2])?.cles ?? 0)).toBeCloseTo(1, 12)
  })

  it('grow with the difference and with the samples', () => {
    const z = (x1: number, n: number) => twoProportions({ n1: n, x1: (x1 * n) / 1000, n0: n, x0: n / 100 })?.z ?? 0
    expect(z(20, 1000)).toBeGreaterThan(z(15, 1000))
    expect(z(20, 2000)).toBeGreaterThan(z(20, 1000))
    const wanted = { p1: 0.02, p0: 0.01, alpha: 0.05, alternative: 'two-sided' } as const
    expect(sizeByH(wanted, 0.95, 1)).toBeGreaterThan(sizeByH(wanted, 0.8, 1) ?? 0)
    const [low, high] = wilson(10, 100, 0.01)
    const [inner, outer] = wilson(10, 100, 0.1)
    expect(low < inner && outer < high).toBe(true)
  })

  it('say nothing where there is nothing to say, and stay finite with a billion samples', () => {
    expect(twoProportions({ n1: 0, x1: 0, n0: 10, x0: 1 })).toBeUndefined()
    expect(twoProportions({ n1: 10, x1: 10, n0: 10, x0: 10 })?.z).toBeUndefined()
    expect(mannWhitney([5], [7])?.z).toBeUndefined()
    expect(mannWhitney([], [7])).toBeUndefined()
    expect(welch({ mean: 1, sd: 0, n: 5 }, { mean: 1, sd: 0, n: 5 })).toBeUndefined()
    expect(ratioVariance([1], [1])).toBeUndefined()
    expect(chiSquareSplit([0, 0], [0.5, 0.5])).toBeUndefined()
    expect(sizeByH({ p1: 0.1, p0: 0.1, alpha: 0.05, alternative: 'two-sided' }, 0.9, 1)).toBeUndefined()
    const many = { n1: 1e9, x1: 1e7, n0: 1e9, x0: 1e7 + 1e5 }
    expect(twoProportions(many)?.z).toBeCloseTo(-22.5, 0)
    expect(differenceScore(many, 0.05, true).every(Number.isFinite)).toBe(true)
    expect(clopperPearson(1e7, 1e9, 0.05)[0]).toBeLessThan(0.01)
  })

  it('refuse what is no number by its name', () => {
    expect(() => twoProportions({ n1: Number.NaN, x1: 0, n0: 1, x0: 0 })).toThrow('n1 must be a finite number, not NaN')
    expect(() => fisherExact({ n1: 5, x1: 6, n0: 5, x0: 0 })).toThrow('counts must have 0 ≤ x ≤ n, not 6 of 5')
    expect(() => wilson(1, 2, 0)).toThrow('alpha must be between 0 and 1, not 0')
    expect(() => sprtBounds({ p0: 0, p1: 0.5, alpha: 0.1, beta: 0.1 })).toThrow('p0 must be between 0 and 1')
    const far = { mean: Number.POSITIVE_INFINITY, sd: 1, n: 3 }
    expect(() => mannWhitney([1, Number.NaN], [1])).toThrow('canary[1] must be a finite number, not NaN')
    expect(() => mannWhitneyOf([1], [Number.POSITIVE_INFINITY])).toThrow('stable[0] must be a finite number')
    expect(() => sampleQuantile([1, 2], Number.NaN)).toThrow('q must be a finite number')
    expect(() => quantileRanks(Number.NaN, 0.5, 0.05)).toThrow('n must be a finite number')
    expect(() => bootstrapMedian([Number.NaN])).toThrow('counts[0] must be a finite number')
    expect(() => ratioVariance([1, Number.NaN], [1, 1])).toThrow('y[1] must be a finite number')
    expect(() => chiSquareSplit([1, 2], [0.5, Number.NaN])).toThrow('shares[1] must be a finite number')
    const same = { p1: 0.2, p0: 0.1, alpha: 0.05, alternative: 'two-sided' } as const
    expect(() => powerOfEqualArms(same, Number.NaN)).toThrow('n must be a finite number')
    expect(() => sizeByH(same, 0.8, Number.NaN)).toThrow('ratio must be a finite number')
    expect(() => welch(far, { mean: 0, sd: 1, n: 3 })).toThrow('mean1 must be a finite number')
  })

  it('draw the same interval of a median difference from the same seed', () => {
    let state = 1
    const random = () => {
      state = (state * 48_271) % 2_147_483_647
      return state / 2_147_483_647
    }
    const canary = bootstrapMedian([0, 10, 40, 10])
    const stable = bootstrapMedian([10, 40, 10, 0])
    const draw = () => {
      state = 7
      return medianDifference(canary, stable, { valueAt: (bin) => bin * 10, random, alpha: 0.05 })
    }
    expect(draw()).toEqual(draw())
    expect(draw()).toEqual([10, 10])
  })
})
