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
          expect(seen.has(a, b)).toBe(model.has(`${a} ${b}`))
          if (!model.has(`${a} ${b}`)) seen.add(a, b)
          model.add(`${a} ${b}`)
        }
      }),
    )
  })

  it('tell a hundred thousand apart that share a half of their prints, as ids can that are made to', () => {
    for (const print of [(i: number) => [7, Math.imul(i, 0x9e3779b1)], (i: number) => [Math.imul(i, 0x9e3779b1), 7]]) {
      const seen = createSeenUnits(100_000, seededRandom(1))
      let taken = 0
      for (let i = 1; i <= 100_000; i++) {
        const [first = 0, second = 0] = print(i)
        if (seen.has(first, second)) taken++
        else seen.add(first, second)
      }
      expect(taken).toBe(0)
    }
  })

  it.each([1, 63, 1000, 50_000, 100_000, 300_000])('remember up to %i, in an array of their number alone', (limit) => {
    const seen = createSeenUnits(limit, seededRandom(2))
    for (let i = 1; i <= limit; i++) seen.add(i, ~i)
    let known = 0
    for (let i = 1; i <= limit; i++) if (seen.has(i, ~i)) known++
    expect(known).toBe(limit)
    let others = 0
    for (let i = 1; i <= 1000; i++) if (seen.has(-i, i * 7)) others++
    expect(others).toBe(0)
  })

  it('are forgotten together when there are too many', () => {
    const seen = createSeenUnits(100, seededRandom(1))
    for (let i = 1; i <= 100; i++) seen.add(i, i)
    expect(seen.has(1, 1)).toBe(true)
    seen.add(101, 101)
    expect(seen.has(1, 1)).toBe(false)
    expect(seen.has(101, 101)).toBe(true)
  })
})
