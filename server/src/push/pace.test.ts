import { describe, expect, it } from 'vitest'
import { leastFlushMs } from './pace.ts'

describe('the pace of reports', () => {
  it.each([
    [0, 0],
    [1000, 0],
    [2000, 0],
    [2001, 1300],
    [10_000, 6300],
    [20_000, 12_500],
    [500_000, 60_000],
  ])('of %i instances leaves at least %i ms between two where 2000 a second may come', (instances, ms) => {
    expect(leastFlushMs(0, instances, 2000)).toBe(ms)
  })

  it('keeps within the budget, and is told anew only now and then, whoever comes and goes', () => {
    let told = 0
    let changes = 0
    const steps = [
      ...Array.from({ length: 20_000 }, (_, i) => i),
      ...Array.from({ length: 20_000 }, (_, i) => 20_000 - i),
    ]
    for (const instances of steps) {
      const next = leastFlushMs(told, instances, 2000)
      if (next !== told) changes++
      told = next
      const perSecond = (instances * 1000) / Math.max(told, 1000)
      expect(perSecond).toBeLessThanOrEqual(2000)
      if (told > 0) expect(perSecond).toBeGreaterThan(500)
    }
    expect(told).toBe(0)
    expect(changes).toBeLessThan(30)
  })

  it('does not swing where one comes and goes', () => {
    const told = leastFlushMs(0, 5000, 2000)
    for (const instances of [5001, 4999, 5100, 4900, 6000, 4000]) expect(leastFlushMs(told, instances, 2000)).toBe(told)
  })
})
