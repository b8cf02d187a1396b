import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CompiledRollout, compileRuleset } from '../decide/index.ts'
import { type OutcomeCell, outcomeKinds } from '../protocol/index.ts'
import { decodeSketch } from '../sketch/index.ts'
import { type CountedDecision, createOutcomeAggregator, type RecordedOutcome } from './outcome-aggregator.ts'

function rolloutOf(key: string, ms: readonly number[] = [100]): CompiledRollout {
  const rollout = compileRuleset({
    ...{ version: 1, environment: 'e', unitSalt: 'u', cohorts: {} },
    rollouts: {
      [key]: {
        ...{ phase: 'running', salt: `salt-of-${key}`, hash: 1, epoch: 1, weight: 50 },
        variants: [{ name: 'stable' }, { name: 'canary' }],
        thresholds: { version: 1, ms },
      },
    },
  }).rollout(key)
  if (rollout === undefined) throw new Error('not compiled')
  return rollout
}
const decision = (changes: Partial<CountedDecision> = {}): CountedDecision => ({
  ...{ rollout: 'a', epoch: 1, variant: 'canary', reason: 'split', randomised: true, unit: 'u1' },
  ...changes,
})
const sums = ({ buckets, columns }: OutcomeCell): number[] =>
  buckets.reduce<number[]>((all, number, i) => {
    if (i % columns > 0) all[(i % columns) - 1] = (all[(i % columns) - 1] ?? 0) + number
    return all
  }, [])

function addTo(all: Map<string, number[]>, key: string, numbers: readonly number[]): void {
  const before = all.get(key) ?? numbers.map(() => 0)
  all.set(
    key,
    numbers.map((number, i) => number + (before[i] as number)),
  )
}
/** n, failed, timed, over, failed of a kind, in the sketch. */
function numbersOf({ ok, latencyMs, kind }: RecordedOutcome): readonly number[] {
  const timed = Number(latencyMs !== undefined)
  return [1, Number(!ok), timed, Number(latencyMs === 101), Number(!ok && kind !== undefined), timed]
}
function numbersIn(cell: OutcomeCell): readonly number[] {
  const kinds = Object.values(cell.kinds ?? {}).flatMap((pairs) => pairs.filter((_, i) => i % 2 === 1))
  return [...sums(cell), kinds.reduce((sum, count) => sum + count, 0), decodeSketch(cell.latency ?? '')?.count ?? 0]
}

describe('what is added up', () => {
  it('is each outcome once, whatever is taken when', () => {
    const rollouts = new Map(['a', 'b', 'c'].map((key) => [key, rolloutOf(key)]))
    const use = fc.record({
      rollout: fc.constantFrom('a', 'b', 'c'),
      variant: fc.constantFrom('stable', 'canary'),
      epoch: fc.integer({ min: 1, max: 3 }),
      unit: fc.option(fc.constantFrom('u1', 'u2', 'u3'), { nil: undefined }),
      ok: fc.boolean(),
      latencyMs: fc.option(fc.constantFrom(0, 99, 101), { nil: undefined }),
      kind: fc.option(fc.constantFrom(...outcomeKinds), { nil: undefined }),
      /** Taken after it, at most so many cells. */
      take: fc.option(fc.nat({ max: 5 }), { nil: undefined, freq: 5 }),
    })
    fc.assert(
      fc.property(fc.array(use, { maxLength: 60 }), (uses) => {
        const outcomes = createOutcomeAggregator()
        const told: OutcomeCell[] = []
        const expected = new Map<string, number[]>()
        for (const { rollout, variant, epoch, unit, take, ...outcome } of uses) {
          outcomes.add(decision({ rollout, variant, epoch, unit }), rollouts.get(rollout), outcome)
          addTo(expected, `${rollout} ${epoch} ${variant}`, numbersOf(outcome))
          if (take !== undefined) told.push(...outcomes.take(take))
        }
        while (outcomes.cells > 0) told.push(...outcomes.take(2))
        expect(outcomes.take(100)).toEqual([])
        const found = new Map<string, number[]>()
        for (const cell of told) addTo(found, `${cell.rollout} ${cell.epoch} ${cell.variant}`, numbersIn(cell))
        expect(found).toEqual(expected)
        expect(outcomes.takeDropped()).toBe(0)
      }),
    )
  })

  it('gives each cell its turn, though others fill up again', () => {
    const outcomes = createOutcomeAggregator()
    const rollouts = ['a', 'b', 'c'].map((key) => rolloutOf(key))
    const told: string[] = []
    for (let round = 0; round < 6; round++) {
      for (const rollout of rollouts) outcomes.add(decision({ rollout: rollout.key }), rollout, { ok: true })
      told.push(...outcomes.take(1).map(({ rollout }) => rollout))
    }
    expect(told).toEqual(['a', 'b', 'c', 'a', 'b', 'c'])
  })

  it('makes room for a new cell, by one that is empty if there is one, and counts what is lost', () => {
    const outcomes = createOutcomeAggregator()
    const rollout = rolloutOf('a')
    for (let epoch = 1; epoch <= 256; epoch++) outcomes.add(decision({ epoch }), rollout, { ok: true })
    expect(outcomes.take(1)[0]?.epoch).toBe(1)
    outcomes.add(decision({ epoch: 257 }), rollout, { ok: true })
    expect([outcomes.cells, outcomes.takeDropped()]).toEqual([256, 0])
    outcomes.add(decision({ epoch: 258 }), rollout, { ok: true })
    expect([outcomes.cells, outcomes.takeDropped(), outcomes.takeDropped()]).toEqual([256, 1, 0])
    expect(outcomes.take(1)[0]?.epoch).toBe(3)
    // What had to go is made anew.
    outcomes.add(decision({ epoch: 2 }), rollout, { ok: true })
    expect(outcomes.take(1000)).toHaveLength(256)
  })

  it('counts by the buckets of the salt and the limits of now', () => {
    const outcomes = createOutcomeAggregator()
    const [before, after] = [rolloutOf('a'), { ...rolloutOf('a', [50, 60]) }]
    outcomes.add(decision(), before, { ok: true, latencyMs: 55 })
    const other = {
      ...after,
      source: { ...after.source, salt: 'another salt', thresholds: { version: 2, ms: [50, 60] } },
    }
    outcomes.add(decision(), other, { ok: true, latencyMs: 55 })
    outcomes.add(decision({ rollout: 'gone' }), undefined, { ok: false })
    const [first, second, third] = outcomes.take(9)
    expect(first).toMatchObject({ thresholds: 1, columns: 5, buckets: [expect.any(Number), 1, 0, 1, 0] })
    expect(second).toMatchObject({ thresholds: 2, columns: 6, buckets: [expect.any(Number), 1, 0, 1, 1, 0] })
    expect(second?.buckets[0]).not.toBe(first?.buckets[0])
    expect(third).toMatchObject({ thresholds: 0, columns: 4 })
  })
})
