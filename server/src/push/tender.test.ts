import { createFakeClock } from '@pipit/shared/testing'
import { describe, expect, it } from 'vitest'
import { hubOf, rulesetOf, seated } from './hub-fixture.ts'

const setup = () => {
  const clock = createFakeClock()
  return { clock, ...hubOf({ clock }) }
}

describe('the heartbeat', () => {
  it('pings everybody once in 15 s', async () => {
    const { clock, hub } = setup()
    const seats = await Promise.all(['instance-a', 'instance-b', 'instance-c'].map((name) => seated(hub, name)))
    await clock.advance(15_000)
    for (const { messages } of seats) expect(messages().slice(1)).toEqual([{ type: 'ping' }])
    await clock.advance(15_000)
    for (const { messages } of seats) expect(messages().slice(1)).toEqual([{ type: 'ping' }, { type: 'ping' }])
  })

  it('cuts who is silent for three of them, and nobody who speaks', async () => {
    const { clock, hub } = setup()
    const silent = await seated(hub, 'silent-one')
    const lively = await seated(hub, 'lively-one')
    for (let i = 0; i < 4; i++) {
      lively.session.receive('{"type":"pong"}')
      await clock.advance(15_000)
    }
    expect(silent.socket.isTerminated).toBe(true)
    expect(lively.socket.isTerminated).toBe(false)
    expect(hub.counters()).toMatchObject({ silent_peers: 1 })
  })

  it('does not take a jump of the wall clock for silence', async () => {
    const { clock, hub } = setup()
    const { socket } = await seated(hub, 'instance-a')
    clock.jump(3_600_000)
    await clock.advance(15_000)
    expect(socket.isTerminated).toBe(false)
  })

  it('closes who does not greet within 10 s', async () => {
    const { clock, hub } = setup()
    const closes: unknown[] = []
    const socket = {
      bufferedBytes: 0,
      send: () => undefined,
      terminate: () => undefined,
      close: (...args: unknown[]) => void closes.push(args),
    }
    hub.join(socket, { environment: 'production', keyId: 'k1', kind: 'srv' })
    await clock.advance(9_999)
    expect(closes).toEqual([])
    await clock.advance(1)
    expect(closes).toEqual([[4400, 'no hello in time']])
  })
})

describe('a slow reader', () => {
  it('gets no patches, and the whole ruleset once it reads again', async () => {
    const { clock, hub, publish } = setup()
    const { socket, messages } = await seated(hub, 'slow-reader')
    socket.bufferedBytes = 2_000_000
    await publish(rulesetOf(2, 25))
    await publish(rulesetOf(3, 50))
    await clock.advance(1000)
    expect(messages()).toHaveLength(1)
    socket.bufferedBytes = 0
    await clock.advance(250)
    expect(messages().slice(1)).toMatchObject([{ type: 'ruleset', ruleset: { version: 3 } }])
    await publish(rulesetOf(4, 75))
    expect(messages().at(-1)).toMatchObject({ type: 'patch', from: 3, version: 4 })
  })

  it('is cut when it stays slow for 30 s', async () => {
    const { clock, hub, publish } = setup()
    const { socket, closes } = await seated(hub, 'slow-reader')
    socket.bufferedBytes = 2_000_000
    await publish(rulesetOf(2, 25))
    await clock.advance(29_000)
    expect(closes).toEqual([])
    await clock.advance(1500)
    expect(closes).toEqual([{ code: 4408, reason: 'does not read' }])
  })

  it('gets no answers that would pile up', async () => {
    const { hub } = setup()
    const { socket, session, messages } = await seated(hub, 'slow-reader')
    socket.bufferedBytes = 2_000_000
    for (let i = 0; i < 1000; i++) session.receive('{"type":"ping"}')
    expect(messages()).toHaveLength(1)
    expect(hub.counters()).toMatchObject({ unsent_answers: 1000 })
  })
})
