import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { startMass } from '../harm-process.ts'
import { finalZ } from '../non-inferiority.ts'
import { normalCdf } from '../special/normal.ts'
import { feasibleMargin, informationOf, passedByEvidence, passedEitherLook, passedFirstLook } from './advance-chance.ts'
import { crossedBy, crossingQuantile } from './first-passage.ts'
import { growthOf, timeToRevert, waldBound } from './harm-growth.ts'

type Field =
  | 'p0'
  | 'p1'
  | 'pi'
  | 'weight'
  | 'mu'
  | 'prob'
  | 'n'
  | 'psi'
  | 'L'
  | 'g'
  | 'v'
  | 'ni_n1'
  | 'ni_n0'
  | 'ni_info'
  | 'ni_theta'
  | 'pass_by_eprocess'
  | 'pass_final_look'
  | 'feasible_margin'
interface Golden {
  readonly meta: { readonly rtol: number; readonly atol: number }
  readonly cases: readonly ({ readonly [F in Field]: number } & { readonly down: boolean })[]
}

const { meta, cases } = JSON.parse(
  readFileSync(new URL('../golden/engine_planner.json', import.meta.url), 'utf8'),
) as Golden
const near = (got: number, want: number | string): void => {
  if (want === 'Infinity') expect(got).toBe(Number.POSITIVE_INFINITY)
  else expect(Math.abs(got - Number(want))).toBeLessThanOrEqual(meta.atol + meta.rtol * Math.abs(Number(want)))
}
const looks = (first: number, second: number) => ({ first, second, sharpness: 1 })
const stable = { kind: 'stable' } as const
const errors = { alpha: 0.01, weight: 0.7, mass: startMass.start, down: false, null: stable }

describe('the planner', () => {
  it('gives the reference values', () => {
    expect(cases.length).toBe(40)
    for (const known of cases) {
      const { p0, p1, pi, weight, mu, prob, down } = known
      const spending = { alpha: 0.01, weight, mass: mu, down, null: stable }
      const found = timeToRevert({ p0, p1, share: pi }, spending, prob)
      near(found.n, known.n)
      expect(found.psi).toBe(known.psi)
      near(found.level, known.L)
      near(found.growth.mean, known.g)
      near(found.growth.variance, known.v)
      const information = informationOf(known.ni_n1, known.ni_n0, p0)
      near(information, known.ni_info)
      const distance = Math.abs(Math.log(known.ni_theta)) * Math.sqrt(information)
      near(passedByEvidence(distance), known.pass_by_eprocess)
      near(passedFirstLook({ first: distance, second: distance, sharpness: 1 }), known.pass_final_look)
      near(feasibleMargin(information), known.feasible_margin)
    }
  })

  it.each([
    [0.01, 0.02, 1270],
    [0.01, 0.015, 4870],
    [0.05, 0.1, 242],
    [0.001, 0.01, 392],
  ])('gives the published median for %f becoming %f at 1 %% weight', (p0, p1, published) => {
    const { n } = timeToRevert({ p0, p1, share: 0.01 }, errors, 0.5)
    // The page rounds, and does not say for which part of the budget.
    expect(Math.abs(n / published - 1)).toBeLessThan(0.06)
  })
})

const rate = fc.double({ min: 1e-6, max: 0.5, noNaN: true })
const share = fc.double({ min: 1e-5, max: 0.99, noNaN: true })

describe('the time to a revert', () => {
  it('falls with the effect, with the weight of the metric and with the chance asked, and grows with dispersion', () => {
    fc.assert(
      fc.property(rate, share, fc.double({ min: 1.5, max: 1.9, noNaN: true }), (p0, part, factor) => {
        const n = (f: number, weight = 0.5, chance = 0.5, spread = 1): number =>
          timeToRevert({ p0, p1: p0 * f, share: part }, { ...errors, weight }, chance, spread).n
        expect(n(factor)).toBeGreaterThanOrEqual(n(factor + 0.1))
        expect(n(factor)).toBeGreaterThan(n(factor, 1))
        expect(n(factor)).toBeLessThan(n(factor, 0.5, 0.9))
        expect(n(factor)).toBeLessThan(n(factor, 0.5, 0.5, 3))
      }),
      { seed: 20240601 },
    )
  })

  it('is bounded by what any test needs, which is less where the baseline is known', () => {
    fc.assert(
      fc.property(rate, share, fc.double({ min: 1.3, max: 1.99, noNaN: true }), (p0, part, factor) => {
        const truth = { p0, p1: p0 * factor, share: part }
        const known = waldBound(truth, { alpha: 0.01, beta: 0.01 }, 'known')
        expect(known).toBeLessThanOrEqual(waldBound(truth, { alpha: 0.01, beta: 0.01 }, 'learned') * (1 + 1e-9))
      }),
      { seed: 20240601 },
    )
  })

  it.each([
    ['nothing fails', 0, 0, 0.01],
    ['everything fails', 1, 1, 0.01],
    ['nothing changes', 0.01, 0.01, 0.5],
    ['it becomes better', 0.02, 0.01, 0.5],
    ['nobody has the canary', 0.01, 0.02, 0],
    ['nobody has stable', 0.01, 0.02, 1],
  ])('is never where %s', (_, p0, p1, part) => {
    const truth = { p0, p1, share: part }
    expect(timeToRevert(truth, errors, 0.5).n).toBe(Number.POSITIVE_INFINITY)
  })

  it('is a number where stable never fails, and at a weight of 0.001 %', () => {
    expect(timeToRevert({ p0: 0, p1: 0.02, share: 0.01 }, errors, 0.5).n).toBeGreaterThan(100)
    const tiny = timeToRevert({ p0: 0.01, p1: 0.02, share: 1e-5 }, errors, 0.5).n
    expect(Math.abs(tiny / timeToRevert({ p0: 0.01, p1: 0.02, share: 1e-3 }, errors, 0.5).n - 1)).toBeLessThan(0.01)
    const { mean } = growthOf({ p0: 0.01, p1: 1, share: 0.5 }, 12, stable)
    expect(mean).toBeGreaterThan(0)
  })
})

describe('first passage', () => {
  it('is a chance that grows with n, and its quantile is where it has that chance', () => {
    const growth = fc.record({
      mean: fc.double({ min: 1e-9, max: 10, noNaN: true }),
      variance: fc.double({ min: 1e-9, max: 10, noNaN: true }),
    })
    fc.assert(
      fc.property(
        growth,
        fc.double({ min: 0.1, max: 30, noNaN: true }),
        fc.constantFrom(0.1, 0.5, 0.9),
        (g, level, p) => {
          const n = crossingQuantile(p, level, g)
          expect(crossedBy(n, level, g)).toBeCloseTo(p, 6)
          expect(crossedBy(2 * n, level, g)).toBeGreaterThanOrEqual(p - 1e-9)
          expect(crossedBy(1e9 * n, level, g)).toBeLessThanOrEqual(1)
        },
      ),
      { seed: 20240601 },
    )
  })

  it('of evidence that falls is at most e to the level, by chance', () => {
    expect(crossedBy(1e12, 4.6, { mean: -0.005, variance: 0.01 })).toBeCloseTo(Math.exp(-4.6), 9)
    expect(crossingQuantile(0.5, 4.6, { mean: -1, variance: 1 })).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('the chance to show a margin', () => {
  it('is at least 95 % by evidence at 4.82 standard errors, and 98 % at the feasible margin', () => {
    expect(passedByEvidence(4.82)).toBeGreaterThan(0.95)
    expect(Math.abs(passedByEvidence(Math.sqrt(7.4)) - 0.65)).toBeLessThan(0.15)
    expect(passedFirstLook(looks(4.3, 4.3))).toBeGreaterThan(0.98)
    expect(passedEitherLook(looks(4.3, 4.3 * Math.SQRT2))).toBeGreaterThan(0.998)
  })

  it('of both looks is at least that of either and at most their sum; at the margin itself at most 2.5 %', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 8, noNaN: true }),
        fc.double({ min: 1.01, max: 3, noNaN: true }),
        (d, more) => {
          const both = passedEitherLook(looks(d, d * more))
          expect(both).toBeGreaterThanOrEqual(
            Math.max(passedFirstLook(looks(d, d * more)), normalCdf(d * more - finalZ[1])) - 1e-6,
          )
          expect(both).toBeLessThanOrEqual(passedFirstLook(looks(d, d * more)) + normalCdf(d * more - finalZ[1]) + 1e-6)
        },
      ),
      { seed: 20240601 },
    )
    expect(passedEitherLook(looks(0, 1e-9))).toBeLessThan(0.0251)
  })

  it('is none without information, and certain at 1e9 requests', () => {
    for (const [n1, n0, p] of [
      [0, 10, 0.1],
      [10, 0, 0.1],
      [10, 10, 0],
    ] as const) {
      expect(informationOf(n1, n0, p)).toBe(0)
      expect(feasibleMargin(informationOf(n1, n0, p))).toBe(Number.POSITIVE_INFINITY)
    }
    expect(passedByEvidence(0)).toBe(0)
    const much = informationOf(1e9, 1e9, 0.01)
    expect(passedByEvidence(Math.log(1.5) * Math.sqrt(much))).toBe(1)
    expect(feasibleMargin(much)).toBeLessThan(1.003)
    expect(feasibleMargin(informationOf(1e9, 1e9, 1))).toBe(1)
  })
})
