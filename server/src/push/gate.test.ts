import { createFakeClock } from '@pipit/shared/testing'
import { describe, expect, it } from 'vitest'
import { createGate } from './gate.ts'

function gateOf(limits: { joinsPerSecond: number; joinsWaiting: number }) {
  const clock = createFakeClock()
  const gate = createGate(clock, limits)
  const passed: number[] = []
  return { clock, gate, passed, come: (i: number) => gate.enter(() => passed.push(i)) }
}

describe('the gate', () => {
  it('lets in at once who comes alone', async () => {
    const { clock, come, passed } = gateOf({ joinsPerSecond: 100, joinsWaiting: 10 })
    for (let i = 0; i < 50; i++) {
      expect(come(i)).toBe(true)
      expect(passed).toHaveLength(i + 1)
      await clock.advance(10)
    }
  })

  it('spreads a thousand over the seconds they need, in their order', async () => {
    const { clock, gate, come, passed } = gateOf({ joinsPerSecond: 200, joinsWaiting: 1000 })
    for (let i = 0; i < 1000; i++) come(i)
    const perSecond: number[] = []
    for (let second = 0; second < 6; second++) {
      const before = passed.length
      await clock.advance(1000)
      perSecond.push(passed.length - before)
    }
    expect(Math.max(...perSecond)).toBeLessThanOrEqual(204)
    expect(passed).toEqual(Array.from({ length: 1000 }, (_, i) => i))
    expect(gate.waiting).toBe(0)
  })

  it('turns away who finds the line full, and takes more when it has moved', async () => {
    const { clock, come, passed } = gateOf({ joinsPerSecond: 50, joinsWaiting: 5 })
    expect(Array.from({ length: 8 }, (_, i) => come(i))).toEqual([true, true, true, true, true, true, false, false])
    await clock.advance(100)
    expect(come(8)).toBe(true)
    await clock.advance(1000)
    expect(passed).toEqual([0, 1, 2, 3, 4, 5, 8])
  })

  it('lets in one at a time where the rate is below that of its steps', async () => {
    const { clock, come, passed } = gateOf({ joinsPerSecond: 2, joinsWaiting: 5 })
    for (let i = 0; i < 4; i++) come(i)
    await clock.advance(1100)
    expect(passed).toEqual([0, 1, 2])
  })

  it('calls nobody after it was stopped', async () => {
    const { clock, gate, come, passed } = gateOf({ joinsPerSecond: 50, joinsWaiting: 5 })
    for (let i = 0; i < 4; i++) come(i)
    gate.stop()
    await clock.advance(10_000)
    expect(passed).toEqual([0])
  })
})
