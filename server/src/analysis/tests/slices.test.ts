import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Requests } from '../evidence.ts'
import { lookAt } from '../situation.ts'

const side = (n: number, failed: number): Requests => ({ n, failed, timed: 0, over: [] })
const file = { slices: ['country'] }
const values = (count: number, canary: Requests, stable: Requests) => ({
  country: Object.fromEntries(Array.from({ length: count }, (_, i) => [`v${i}`, { canary, stable }])),
})

describe('harm inside slices', () => {
  it('costs the whole at most its part of the weight', () => {
    const arms = { canary: { failed: 20 } }
    const whole = lookAt(arms).logHarm
    const sliced = lookAt({ ...arms, file, slices: values(17, side(50, 1), side(50, 1)) }).logHarm
    expect(sliced).toBeGreaterThanOrEqual(whole + Math.log(0.7) - 1e-9)
    expect(sliced).toBeLessThan(whole)
  })

  it('grows with the canary’s failures in the slice', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 60 }), fc.integer({ min: 2, max: 60 }), (a, b) => {
        const log = (failed: number): number =>
          lookAt({ file, slices: values(1, side(60, failed), side(60, 1)) }).logHarm
        expect(log(Math.max(a, b))).toBeGreaterThanOrEqual(log(Math.min(a, b)) - 1e-9)
      }),
      { numRuns: 50, seed: 20_261_121 },
    )
  })
})
