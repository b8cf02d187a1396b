import { describe, expect, it } from 'vitest'
import { addStratum, noRatio, ratioInterval } from './estimate.ts'

const intervalOf = (n1: number, x1: number, n0: number, x0: number) =>
  ratioInterval(addStratum(noRatio, { n1, x1, n0, x0 }), 1, 0)

describe('the always-valid interval of a ratio', () => {
  it('holds 1 where chance has brought a canary of equal rate 7 failures of 149 instead of 1.4', () => {
    const found = intervalOf(149, 7, 15_678, 150)
    expect(found?.low).toBeLessThan(1)
    expect(found?.estimate).toBeCloseTo(4.91, 2)
  })

  it('is that of large samples, estimate times or over exp(width), where there are many events', () => {
    const found = intervalOf(1e6, 10_000, 1e6, 10_000)
    expect(Math.log(found?.high ?? 0)).toBeCloseTo(0.0578, 3)
    expect(Math.log(found?.low ?? 0)).toBeCloseTo(-0.0566, 2)
  })

  it('is the same upside down where both arms are alike and large', () => {
    const one = intervalOf(50_000, 600, 50_000, 500)
    const other = intervalOf(50_000, 500, 50_000, 600)
    expect(Math.abs((one?.high ?? 0) * (other?.low ?? 0) - 1)).toBeLessThan(0.03)
  })

  it('cannot be had while an arm has no event', () => {
    expect(intervalOf(100, 0, 100, 3)).toBeUndefined()
    expect(intervalOf(100, 3, 100, 0)).toBeUndefined()
  })
})
