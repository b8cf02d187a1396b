import { createFakeClock } from '@pipit/shared/testing'
import { describe, expect, it } from 'vitest'
import { reportResponse } from './http-fallback.ts'
import { hubOf, seated } from './hub-fixture.ts'
import { createKeyLimiter } from './key-limiter.ts'
import { defaultLimits } from './limits.ts'

describe('what a key may take', () => {
  it('is as many reports a second, of which a second may come at once', async () => {
    const clock = createFakeClock()
    const limiter = createKeyLimiter(clock, { ...defaultLimits, reportsPerSecondAndKey: 10 })
    const taken = (keyId: string): number =>
      Array.from({ length: 50 }, () => limiter.report(keyId)).filter((refused) => refused === undefined).length
    expect(taken('a')).toBe(10)
    expect(taken('b')).toBe(10)
    await clock.advance(500)
    expect(taken('a')).toBe(5)
    await clock.advance(60_000)
    expect(taken('a')).toBe(10)
    expect(limiter.report('a')).toEqual({ limit: 'reportsPerSecondAndKey', retryAfterMs: 1000 })
  })

  it('is refused over sockets and over HTTP, with the limit and when to come again, and harms no other key', async () => {
    const clock = createFakeClock()
    const { hub, taken } = hubOf({ clock, limits: { reportsPerSecondAndKey: 2 } })
    const { session, messages } = await seated(hub, 'instance-a')
    for (const seq of [1, 2]) session.receive(`{"type":"report","seq":${seq}}`)
    await Promise.resolve()
    session.receive('{"type":"report","seq":3}')
    expect(messages().at(-1)).toEqual({
      ...{ type: 'error', code: 'limit', retry: true, seq: 3, retryAfterMs: 1000 },
      message: 'the limit reportsPerSecondAndKey is reached; come back in 1 s',
    })
    const request = { environment: 'production', keyId: 'k1', instance: 'http-instance', sdk: 'sdk-node/0.1.0' }
    const refused = await reportResponse(hub, request, '{"type":"report","seq":4}')
    expect(refused).toMatchObject({ status: 429, retryAfterMs: 1000 })
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'limit', retry: true, seq: 4, retryAfterMs: 1000 })
    expect((await reportResponse(hub, { ...request, keyId: 'k9' }, '{"type":"report","seq":5}')).status).toBe(200)
    expect(taken).toEqual([1, 2, 5])
    expect(hub.counters()).toMatchObject({ key_limited: 2 })
  })

  it('is as many sockets, which are free again when they are closed', async () => {
    const { hub } = hubOf({ limits: { serverSocketsPerKey: 2 } })
    const [first] = [await seated(hub, 'instance-a'), await seated(hub, 'instance-b')]
    await expect(seated(hub, 'instance-c')).rejects.toThrow('no seat was free')
    first.leave()
    first.leave()
    await seated(hub, 'instance-d')
    await expect(seated(hub, 'instance-e')).rejects.toThrow('no seat was free')
  })
})
