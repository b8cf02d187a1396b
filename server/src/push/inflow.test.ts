import { createFakeClock } from '@pipit/shared/testing'
import { describe, expect, it } from 'vitest'
import { createInflow } from './inflow.ts'

const limits = { socketMessagesPerSecond: 10, socketBytesPerSecond: 1000 }

function setup() {
  const clock = createFakeClock()
  const calls: string[] = []
  let ignored = 0
  const inflow = createInflow(clock, limits, {
    pause: () => calls.push('pause'),
    resume: () => calls.push('resume'),
    tell: (limit, pauseMs) => calls.push(`${limit} ${pauseMs}`),
  })
  const send = (count: number, bytes = 1): void => {
    for (let i = 0; i < count; i++) if (!inflow.took(bytes)) ignored++
  }
  return { clock, calls, inflow, send, ignored: () => ignored }
}

describe('what a socket sends', () => {
  it('may come ten seconds of it at once, and then as it is allowed', async () => {
    const { clock, calls, send } = setup()
    send(100)
    for (let second = 0; second < 60; second++) {
      await clock.advance(1000)
      send(10)
    }
    expect(calls).toEqual([])
  })

  it('is not read beyond, until that is paid for', async () => {
    const { clock, calls, send } = setup()
    send(101)
    expect(calls).toEqual(['pause', 'socketMessagesPerSecond 100'])
    await clock.advance(99)
    expect(calls).toHaveLength(2)
    await clock.advance(1)
    expect(calls).toEqual(['pause', 'socketMessagesPerSecond 100', 'resume'])
  })

  it('is told once of a pause that grows by what had come already', async () => {
    const { clock, calls, send } = setup()
    send(110)
    await clock.advance(500)
    expect(calls).toEqual(['pause', 'socketMessagesPerSecond 100'])
    await clock.advance(500)
    expect(calls.at(-1)).toBe('resume')
  })

  it('counts by bytes too', () => {
    const { calls, send } = setup()
    send(2, 5500)
    expect(calls).toEqual(['pause', 'socketBytesPerSecond 1000'])
  })

  it('is not looked at where it is twice as much and came in one piece', async () => {
    const { clock, send, ignored } = setup()
    send(200)
    expect(ignored()).toBe(0)
    send(50)
    expect(ignored()).toBe(50)
    await clock.advance(30_000)
    send(10)
    expect(ignored()).toBe(50)
  })

  it('costs a second where it is a report too many', async () => {
    const { clock, calls, inflow } = setup()
    for (let i = 0; i < 10; i++) inflow.tookTooMuch()
    expect(calls).toEqual([])
    inflow.tookTooMuch()
    expect(calls).toEqual(['pause', 'socketMessagesPerSecond 1000'])
    await clock.advance(1000)
    expect(calls.at(-1)).toBe('resume')
  })

  it('leaves no timer when the socket is gone', () => {
    const { clock, send, inflow } = setup()
    send(101)
    inflow.stop()
    expect(clock.timers).toBe(0)
  })
})
