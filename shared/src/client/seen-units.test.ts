import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../testing/index.ts'
import { createSeenUnits } from './seen-units.ts'

const word = fc.integer({ min: -3, max: 3 })

describe('units seen', () => {
  it('are a set of pairs of words', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(word, word), { maxLength: 300 }), (pairs) => {
        const seen = createSeenUnits(1000, seededRandom(1))
        const model = new Set<string>()
        for (const [a, b] of pairs) {
          // Two zeros stand for an empty place: such a unit is told anew each time.
          expect(seen.has(a, b)).toBe(model.has(`${a} ${b}`) && (a !== 0 || b !== 0))
          if (!model.has(`${a} ${b}`)) seen.add(a, b)
          model.add(`${a} ${b}`)
        }
      }),
    )
  })

  it('are forgotten together when there are too many', () => {
    const seen = createSeenUnits(100, seededRandom(1))
    for (let i = 1; i <= 100; i++) seen.add(i, i)
    expect(seen.has(1, 1)).toBe(true)
    seen.add(101, 101)
    expect(seen.has(1, 1)).toBe(false)
    expect(seen.has(101, 101)).toBe(true)
  })

  it('are found as fast where ids were made to share a half of their prints', () => {
    const timeOf = (print: (i: number) => readonly [number, number]): number => {
      const seen = createSeenUnits(40_000, seededRandom(1))
      const began = performance.now()
      for (let i = 1; i <= 40_000; i++) seen.add(...print(i))
      return performance.now() - began
    }
    const spread = (i: number): number => Math.imul(i, 0x9e3779b1)
    const usual = timeOf((i) => [spread(i), spread(i + 7)])
    expect(timeOf((i) => [7, spread(i)])).toBeLessThan(20 * usual + 50)
    expect(timeOf((i) => [spread(i), 7])).toBeLessThan(20 * usual + 50)
  })
})
