import { describe, expect, it } from 'vitest'
import type { Ruleset } from '../rules/index.ts'
import { createFakeClock } from '../testing/index.ts'
import { createRulesetKeeper } from './ruleset-keeper.ts'

describe('keeping the last ruleset', () => {
  it('takes a hundredth of the time at most, however long it takes to write one out', async () => {
    const clock = createFakeClock()
    const saves: number[] = []
    let spentMs = 0
    const ruleset = {
      // Written out in 60 ms.
      toJSON() {
        spentMs += 60
        return {}
      },
    }
    const keeper = createRulesetKeeper({
      clock: { ...clock, monotonic: () => clock.monotonic() + spentMs },
      store: { load: async () => undefined, save: async () => void saves.push(clock.now()) },
      trouble: () => undefined,
      current: () => ruleset as unknown as Ruleset,
      found: () => undefined,
    })
    const began = clock.now()
    for (let second = 0; second < 20; second++) {
      keeper.saveLater()
      await clock.advance(1000)
    }
    expect(saves.map((at) => at - began)).toEqual([1000, 7000, 13_000, 19_000])
  })
})
