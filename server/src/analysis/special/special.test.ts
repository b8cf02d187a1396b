import { describe, expect, it } from 'vitest'
import { golden } from '../golden/read-golden.ts'
import { beta, betaQuantile, binomial, binomialQuantile, binomialTest, studentT, studentTQuantile } from './beta.ts'
import { betaGreater } from './beta-greater.ts'
import { chiSquare, chiSquareQuantile } from './gamma.ts'
import { logGamma } from './log-gamma.ts'
import { normalCdf, normalLogCdf, normalPdf, normalQuantile, normalSf } from './normal.ts'

type Rows<K extends string> = readonly { readonly [F in K]: number }[]

const normal = golden<{ cdf: Rows<'x' | 'cdf' | 'sf' | 'logcdf' | 'pdf'>; ppf: Rows<'p' | 'z'> }>('normal')
const other = golden<{
  beta: Rows<'a' | 'b' | 'x' | 'cdf' | 'sf' | 'p' | 'ppf'>
  binom: (Rows<'n' | 'p' | 'k' | 'pmf' | 'cdf' | 'sf' | 'u' | 'ppf'>[number] & {
    readonly two_sided_p: number | null
  })[]
  t: Rows<'df' | 'x' | 'cdf' | 'sf' | 'u' | 'ppf'>
  chi2: Rows<'df' | 'x' | 'cdf' | 'sf' | 'ppf99'>
  lgamma: Rows<'x' | 'lgamma'>
  beta_gt: Rows<'a1' | 'b1' | 'a0' | 'b0' | 'prob_p1_gt_p0'>
}>('distributions')

/** Cases that are not met, each with what was got. */
function misses<C>(
  { isNear }: Pick<typeof normal, 'isNear'>,
  cases: readonly C[],
  found: (of: C) => readonly (readonly [number, number])[],
): readonly unknown[] {
  return cases.flatMap((of) => found(of).flatMap(([got, want]) => (isNear(got, want) ? [] : [{ ...of, got, want }])))
}

describe('special functions meet the golden values', () => {
  it('normal distribution, tails to 1e-300', () => {
    const found = misses(normal, normal.cases.cdf, ({ x, cdf, sf, logcdf, pdf }) => [
      [normalCdf(x), cdf],
      [normalSf(x), sf],
      [normalLogCdf(x), logcdf],
      [normalPdf(x), pdf],
    ])
    expect(found).toEqual([])
    expect(misses(normal, normal.cases.ppf, ({ p, z }) => [[normalQuantile(p), z]])).toEqual([])
  })

  it('beta distribution', () => {
    const found = misses(other, other.cases.beta, ({ a, b, x, cdf, sf, p, ppf }) => [
      [beta(x, a, b).cdf, cdf],
      [beta(x, a, b).sf, sf],
      [betaQuantile(p, a, b), ppf],
    ])
    expect(found).toEqual([])
  })

  it('binomial distribution', () => {
    const found = misses(other, other.cases.binom, ({ n, p, k, pmf, cdf, sf, u, ppf, two_sided_p }) => [
      ...(two_sided_p === null ? [] : [[binomialTest(k, n, p), two_sided_p] as const]),
      [binomial(k, n, p).pmf, pmf],
      [binomial(k, n, p).cdf, cdf],
      [binomial(k, n, p).sf, sf],
      [binomialQuantile(u, n, p), ppf],
    ])
    expect(found).toEqual([])
  })

  it("Student's t, chi-square, log gamma", () => {
    const t = misses(other, other.cases.t, ({ df, x, cdf, sf, u, ppf }) => [
      [studentT(x, df).cdf, cdf],
      [studentT(x, df).sf, sf],
      [studentTQuantile(u, df), ppf],
    ])
    expect(t).toEqual([])
    const chi = misses(other, other.cases.chi2, ({ df, x, cdf, sf, ppf99 }) => [
      [chiSquareQuantile(0.99, df), ppf99],
      [chiSquare(x, df).cdf, cdf],
      [chiSquare(x, df).sf, sf],
    ])
    expect(chi).toEqual([])
    expect(misses(other, other.cases.lgamma, ({ x, lgamma }) => [[logGamma(x), lgamma]])).toEqual([])
  })

  it('the chance that one beta is above another', () => {
    const found = misses(other, other.cases.beta_gt, ({ a1, b1, a0, b0, prob_p1_gt_p0 }) => [
      [betaGreater({ a: a1, b: b1 }, { a: a0, b: b0 }), prob_p1_gt_p0],
    ])
    expect(found).toEqual([])
  })
})

describe('special functions', () => {
  const xs = Array.from({ length: 121 }, (_, i) => -6 + i / 10)

  it('are symmetric, rising, and inverted by their quantiles', () => {
    for (const x of xs) {
      expect(normalCdf(x) + normalSf(x)).toBeCloseTo(1, 14)
      expect(normalCdf(x + 0.1)).toBeGreaterThan(normalCdf(x))
      expect(normalQuantile(normalCdf(x))).toBeCloseTo(x, x > 5 ? 6 : 9)
      expect(studentT(x, 7).cdf).toBeCloseTo(studentT(-x, 7).sf, 14)
      // Many degrees of freedom are a normal.
      expect(studentT(x, 1e9).cdf).toBeCloseTo(normalCdf(x), 7)
    }
    for (const p of [1e-12, 0.01, 0.5, 0.99]) expect(beta(betaQuantile(p, 3, 40), 3, 40).cdf).toBeCloseTo(p, 12)
  })

  it('stay finite at the ends and with a billion samples', () => {
    expect([normalCdf(-40), normalCdf(40), normalSf(40)]).toEqual([expect.any(Number), 1, expect.any(Number)])
    expect(normalLogCdf(-1e6)).toBeCloseTo(-5e11 - 14.7, -2)
    expect([beta(0, 2, 3), beta(1, 2, 3)]).toEqual([
      { cdf: 0, sf: 1 },
      { cdf: 1, sf: 0 },
    ])
    const many = beta(0.01, 1e7, 1e9 - 1e7)
    expect(many.cdf).toBeGreaterThan(0.49)
    expect(many.cdf).toBeLessThan(0.51)
    expect(betaGreater({ a: 100, b: 100 }, { a: 100, b: 100 })).toBeCloseTo(0.5, 9)
    expect(betaGreater({ a: 0.5, b: 0.5 }, { a: 0.5, b: 0.5 })).toBeCloseTo(0.5, 6)
  })
})
