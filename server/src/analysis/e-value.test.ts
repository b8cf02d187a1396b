import { logHarmEvalue } from '@pipit/shared/base'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { logLine, logWithinDifference, logWithinRatio, restrictedDifference, restrictedRatio } from './e-value.ts'

const choose = (n: number, k: number): number => (k === 0 ? 1 : (choose(n, k - 1) * (n - k + 1)) / k)
const chance = (n: number, x: number, p: number): number => choose(n, x) * p ** x * (1 - p) ** (n - x)

/** Σ over every outcome of its chance times its e-value. */
function expectation(
  { n1, n0 }: { readonly n1: number; readonly n0: number },
  truth: { readonly p1: number; readonly p0: number },
  log: (x1: number, x0: number) => number,
): number {
  let sum = 0
  for (let x1 = 0; x1 <= n1; x1++) {
    for (let x0 = 0; x0 <= n0; x0++) sum += chance(n1, x1, truth.p1) * chance(n0, x0, truth.p0) * Math.exp(log(x1, x0))
  }
  return sum
}

const rate = fc.double({ min: 0.001, max: 0.999, noNaN: true })
const size = fc.record({ n1: fc.integer({ min: 1, max: 9 }), n0: fc.integer({ min: 1, max: 9 }) })
/** The pooled rate is learned from the past: it may be anything but 0 and 1. */
const pooled = fc.double({ min: 0.001, max: 0.95, noNaN: true })
const atMostOne = 1 + 1e-9

describe('an e-value', () => {
  it('of harm is at most 1 on average when the canary is no worse, counted over all outcomes', () => {
    const psi = fc.constantFrom(1.25, 1.65, 2.3, 4, 12)
    fc.assert(
      fc.property(size, rate, rate, pooled, psi, (n, a, b, q, effect) => {
        const truth = { p1: Math.min(a, b), p0: Math.max(a, b) }
        expect(expectation(n, truth, (x1, x0) => logHarmEvalue(n.n1, x1, n.n0, x0, q, effect))).toBeLessThan(atMostOne)
      }),
      { seed: 20240601 },
    )
  })

  it('of harm to a conversion is at most 1 on average when the canary converts no less', () => {
    fc.assert(
      fc.property(size, rate, rate, pooled, fc.constantFrom(0.95, 0.9, 0.8, 0.5), (n, a, b, q, effect) => {
        const truth = { p1: Math.max(a, b), p0: Math.min(a, b) }
        expect(expectation(n, truth, (x1, x0) => logHarmEvalue(n.n1, x1, n.n0, x0, q, effect))).toBeLessThan(atMostOne)
      }),
      { seed: 20240601 },
    )
  })

  it('of being within a ratio is at most 1 on average when the canary is beyond it', () => {
    fc.assert(
      fc.property(size, rate, rate, pooled, fc.double({ min: 1.05, max: 3, noNaN: true }), (n, a, b, q, theta) => {
        const p0 = Math.min(a, 1 / theta)
        const truth = { p0, p1: Math.max(b, theta * p0) }
        expect(expectation(n, truth, (x1, x0) => logWithinRatio({ ...n, x1, x0 }, q, theta))).toBeLessThan(atMostOne)
        const inverse = { p1: p0, p0: Math.max(b, theta * p0) }
        expect(expectation(n, inverse, (x1, x0) => logWithinRatio({ ...n, x1, x0 }, q, 1 / theta))).toBeLessThan(
          atMostOne,
        )
      }),
      { seed: 20240601 },
    )
  })

  it('of being within a difference is at most 1 on average when the canary is beyond it', () => {
    fc.assert(
      fc.property(size, rate, rate, pooled, fc.double({ min: 0.01, max: 0.4, noNaN: true }), (n, a, b, q, delta) => {
        const p0 = Math.min(a, 1 - delta)
        const truth = { p0, p1: Math.max(b, p0 + delta) }
        expect(expectation(n, truth, (x1, x0) => logWithinDifference({ ...n, x1, x0 }, q, delta))).toBeLessThan(
          atMostOne,
        )
      }),
      { seed: 20240601 },
    )
  })

  it('of a latency margin is at most 1 on average when as many are above the margin as stable above its limit', () => {
    fc.assert(
      fc.property(size, rate, rate, rate, rate, (n, a, b, c, d) => {
        const truth = { p1: Math.max(a, b), p0: Math.min(a, b) }
        const alternative = { p1: Math.min(c, d) * 0.99, p0: Math.max(c, d) }
        expect(expectation(n, truth, (x1, x0) => logLine({ ...n, x1, x0 }, alternative, 1))).toBeLessThan(atMostOne)
      }),
      { seed: 20240601 },
    )
  })

  it('of harm grows with the bad events of the canary and falls with those of stable', () => {
    fc.assert(
      fc.property(size, pooled, fc.constantFrom(1.25, 2.3, 12), fc.nat(8), fc.nat(8), ({ n1, n0 }, q, psi, a, b) => {
        const x1 = Math.min(a, n1 - 1)
        const x0 = Math.min(b, n0 - 1)
        const here = logHarmEvalue(n1, x1, n0, x0, q, psi)
        expect(logHarmEvalue(n1, x1 + 1, n0, x0, q, psi)).toBeGreaterThan(here)
        expect(logHarmEvalue(n1, x1, n0, x0 + 1, q, psi)).toBeLessThan(here)
      }),
    )
  })

  it('is the same when arms and effect are turned round', () => {
    fc.assert(
      fc.property(size, pooled, fc.double({ min: 0.1, max: 10, noNaN: true }), ({ n1, n0 }, q, psi) => {
        expect(logHarmEvalue(n1, 1, n0, 0, q, psi)).toBeCloseTo(logHarmEvalue(n0, 0, n1, 1, q, 1 / psi), 9)
      }),
    )
  })

  it('says nothing where an arm is empty, and stays a number at the limits', () => {
    expect(logHarmEvalue(0, 0, 1000, 10, 0.01, 2.3)).toBe(0)
    expect(logHarmEvalue(1000, 10, 0, 0, 0.01, 2.3)).toBe(0)
    expect(logWithinRatio({ n1: 0, x1: 0, n0: 0, x0: 0 }, 0.01, 1.5)).toBe(0)
    expect(logHarmEvalue(40, 40, 40, 40, 0.5, 12)).toBeLessThan(0)
    for (const n of [1, 1e9]) {
      for (const x of [0, n]) {
        expect(logHarmEvalue(n, x, n, x, 1e-9, 12)).not.toBeNaN()
        expect(logHarmEvalue(n, x, n, x, 1 - 1e-9, 12)).not.toBeNaN()
      }
    }
  })
})

describe('the nearest point of a margin', () => {
  it('lies on the line, inside the square, and is the point itself where that is on the line', () => {
    fc.assert(
      fc.property(size, rate, rate, fc.double({ min: 0.2, max: 5, noNaN: true }), ({ n1, n0 }, p1, p0, theta) => {
        const found = restrictedRatio(n1, n0, p1, p0, theta)
        expect(found.p1).toBeCloseTo(theta * found.p0, 12)
        expect(Math.min(found.p0, found.p1)).toBeGreaterThanOrEqual(0)
        expect(Math.max(found.p0, found.p1)).toBeLessThanOrEqual(1 + 1e-12)
        const own = restrictedRatio(n1, n0, p1, p0, p1 / p0)
        expect(own.p0).toBeCloseTo(p0, 6)
        expect(restrictedDifference(n1, n0, p1, p0, p1 - p0).p0).toBeCloseTo(p0, 6)
      }),
    )
  })
})
