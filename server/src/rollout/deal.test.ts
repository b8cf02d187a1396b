import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { plainDeal, redeal } from './deal.ts'
import { movements } from './movement.ts'
import { definitionOf, progressAt } from './samples.ts'
import type { Progress, RolloutState } from './state.ts'

const arms = (shares: { readonly [name: string]: number }) => [
  { name: 'stable' },
  ...Object.entries(shares).map(([name, share]) => ({ name, share })),
]
const sizes = (deal: ReturnType<typeof plainDeal>): { [arm: string]: number } => {
  const found: { [arm: string]: number } = {}
  deal.forEach(([arm, to], i) => {
    found[arm] = (found[arm] ?? 0) + to - (deal[i - 1]?.[1] ?? 0)
  })
  return found
}
const armOf = (deal: ReturnType<typeof plainDeal>, bucket: number) => deal.find(([, to]) => bucket < to)?.[0]

const sharesArbitrary = fc
  .uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 1 })
  .chain((names) =>
    fc
      .array(fc.integer({ min: 1, max: 9 }), { minLength: names.length, maxLength: names.length })
      .map((shares) => arms(Object.fromEntries(names.map((name, i) => [name, shares[i] as number])))),
  )

describe('dealing anew', () => {
  it('has the sizes of the shares, and moves no more than it must', () => {
    fc.assert(
      fc.property(fc.array(sharesArbitrary, { minLength: 2, maxLength: 6 }), ([first = [], ...others]) => {
        let deal = plainDeal(first)
        for (const variants of others) {
          const next = redeal(deal, variants)
          const [was, is] = [sizes(deal), sizes(next)]
          expect(is).toEqual(sizes(plainDeal(variants)))
          expect(next.at(-1)?.[1]).toBe(100_000)
          let moved = 0
          for (let bucket = 0; bucket < 100_000; bucket += 50)
            if (armOf(deal, bucket) !== armOf(next, bucket)) moved += 50
          const least = Object.entries(was).reduce((sum, [arm, size]) => sum + Math.max(0, size - (is[arm] ?? 0)), 0)
          // Half a step of the sampling at each end of each range.
          expect(Math.abs(moved - least)).toBeLessThanOrEqual(50 * (deal.length + next.length))
          deal = next
        }
      }),
      { numRuns: 30 },
    )
  })

  it('is simple where it can be', () => {
    expect(redeal(plainDeal(arms({ a: 1 })), arms({ a: 1, b: 1 }))).toEqual([
      ['a', 50_000],
      ['b', 100_000],
    ])
    expect(
      redeal(
        [
          ['a', 50_000],
          ['b', 100_000],
        ],
        arms({ b: 1 }),
      ),
    ).toEqual([['b', 100_000]])
    expect(
      redeal(
        [
          ['a', 50_000],
          ['b', 100_000],
        ],
        arms({ a: 1, b: 1, c: 2 }),
      ),
    ).toEqual([
      ['a', 25_000],
      ['c', 50_000],
      ['b', 75_000],
      ['c', 100_000],
    ])
  })
})

describe('who changes sides', () => {
  const definition = definitionOf()
  const running = (changes: Partial<Progress>): RolloutState => ({ phase: 'running', progress: progressAt(changes) })
  const between = (was: RolloutState, is: RolloutState, after = definition, before = definition) =>
    movements({ definition: before, state: was }, { definition: after, state: is })

  it('are those between two weights', () => {
    const up = between(running({ weight: 5 }), running({ weight: 25 }))
    expect(up).toEqual([{ from: 'stable', to: 'canary', share: 20 }])
    expect(between(running({ weight: 25 }), running({ weight: 5 }))).toEqual([
      { from: 'canary', to: 'stable', share: 20 },
    ])
    expect(between(running({ weight: 5 }), running({ weight: 5 }))).toEqual([])
  })

  it('are all of the canary at a revert, and all of stable at the end', () => {
    const progress = progressAt({ weight: 30 })
    const reverted: RolloutState = { phase: 'reverted', progress, why: '', endedAt: 0 }
    const won: RolloutState = { phase: 'succeeded', progress, winner: 'canary', endedAt: 0 }
    expect(between(running({ weight: 30 }), reverted)).toEqual([{ from: 'canary', to: 'stable', share: 30 }])
    expect(between(running({ weight: 30 }), won)).toEqual([{ from: 'stable', to: 'canary', share: 70 }])
    expect(between({ phase: 'draft' }, running({ weight: 5 }))).toEqual([{ from: 'stable', to: 'canary', share: 5 }])
  })

  it('are a half of everybody under fresh people at 50 %', () => {
    const fresh = between(running({ weight: 50 }), running({ weight: 50, salt: 'another' }))
    expect(fresh).toEqual([
      { from: 'stable', to: 'canary', share: 25 },
      { from: 'canary', to: 'stable', share: 25 },
    ])
  })

  it('are those who are dealt to a new arm', () => {
    const two = definitionOf({ variants: [{ name: 'stable' }, { name: 'canary' }, { name: 'b' }] })
    const moved = between(running({ weight: 40 }), running({ weight: 40 }), two)
    expect(moved).toEqual([{ from: 'canary', to: 'b', share: 20 }])
  })
})
