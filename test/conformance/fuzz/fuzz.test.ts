import { describe, expect, it } from 'vitest'
import { casesOf, runBatch } from './batch.ts'
import { checkCase } from './check-case.ts'

describe('random rulesets and users', () => {
  it.each([1, 2, 3, 4, 5])('are decided as a plain model decides them, and never throw (seed %i)', (seed) => {
    expect(runBatch(seed, 0).wrong).toBeUndefined()
  })

  it('are the same for the same seed, as a comparison of runtimes needs', () => {
    expect(runBatch(7, 3, 50)).toEqual(runBatch(7, 3, 50))
    expect(runBatch(7, 3, 50).hash).not.toBe(runBatch(7, 4, 50).hash)
  })

  it('come to every reason that a decision without a forced stable can have', () => {
    const reasons = new Set(
      casesOf(1, 0).flatMap((fuzzed) =>
        checkCase(fuzzed)
          .decisions.trim()
          .split('\n')
          .map((line) => JSON.parse(line)[1]),
      ),
    )
    expect([...reasons].sort()).toEqual([
      ...['cohort', 'cookie', 'header', 'holdback', 'layer', 'no-unit', 'override', 'phase', 'prerequisite', 'rule'],
      'split',
    ])
  })
})
