import { createFakeClock } from '@pipit/shared/testing'
import { describe, expect, it } from 'vitest'
import { createSteadyClock } from './steady-clock.ts'

const start = 1_700_000_000_000

function setup() {
  const clock = createFakeClock(start)
  return { clock, steady: createSteadyClock(clock) }
}

describe('the steady clock', () => {
  it('is the wall clock while nothing jumps', async () => {
    const { clock, steady } = setup()
    for (const ms of [1, 999, 60_000]) {
      await clock.advance(ms)
      expect(steady.now()).toBe(clock.now())
    }
  })

  it('never goes back, and runs at half speed until a clock set back has caught up', async () => {
    const { clock, steady } = setup()
    clock.jump(-10_000)
    expect(steady.now()).toBe(start)
    await clock.advance(10_000)
    expect(steady.now()).toBe(start + 5000)
    await clock.advance(10_000)
    expect(steady.now()).toBe(clock.now())
    await clock.advance(5000)
    expect(steady.now()).toBe(clock.now())
  })

  it('runs at double speed until it has caught up with a clock set forward', async () => {
    const { clock, steady } = setup()
    clock.jump(10_000)
    expect(steady.now()).toBe(start)
    await clock.advance(4000)
    expect(steady.now()).toBe(start + 8000)
    await clock.advance(6000)
    expect(steady.now()).toBe(clock.now())
  })

  it('is not before what it was told', async () => {
    const { clock, steady } = setup()
    steady.notBefore(start + 1000)
    expect(steady.now()).toBe(start + 1000)
    await clock.advance(2000)
    expect(steady.now()).toBe(start + 2000)
  })
})
