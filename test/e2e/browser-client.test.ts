/** The client for pages against the real server, over real sockets and requests: all of a page but the browser. */
import { createClient } from '@pipit/sdk-browser'
import { openSqlite } from '@pipit/server/storage/sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
const events = new EventTarget()

beforeAll(async () => {
  server = await startServer()
  const { addEventListener, removeEventListener } = EventTarget.prototype
  // As much of a page as Node lacks.
  Object.assign(globalThis, {
    document: { hidden: false },
    addEventListener: addEventListener.bind(events),
    removeEventListener: removeEventListener.bind(events),
  })
})
afterAll(async () => {
  await server.stop()
})

async function startRollout(rollout: string, more: object = {}): Promise<void> {
  const stages = [{ name: 'all', weight: 100, hold: '1h' }]
  const metrics = [{ key: 'purchase', kind: 'conversion', event: 'purchase' }]
  const made = await server.api('POST', '/rollouts', { key: rollout, stages, metrics, ...more })
  expect(made.status).toBe(201)
  expect((await server.api('POST', `/rollouts/${rollout}/start`, { reason: 'test' })).status).toBe(200)
}

const page = (rollout: string, user: string) =>
  createClient({ url: server.url, key: server.webKey, rollout, user: { id: user, plan: 'beta' }, storage: false })

describe('a page and its server', () => {
  it('decides, reports once, and hears of a revert within a second', async () => {
    await startRollout('shop', { browser: true, rules: [{ name: 'beta', when: { plan: 'beta' }, serve: 'canary' }] })
    await startRollout('inner')
    const sdk = page('shop', 'ada')
    expect(await sdk.ready()).toBe(true)
    expect(sdk.decide()).toMatchObject({ variant: 'canary', reason: 'rule', rule: 'beta' })
    expect(sdk.decide(undefined, 'inner')).toMatchObject({ variant: 'stable', reason: 'unknown-rollout' })
    sdk.outcome(sdk.decide(), { ok: true, latencyMs: 5 })
    sdk.track(undefined, 'purchase')
    expect(await sdk.flush()).toBe(true)
    expect(sdk.status()).toMatchObject({ transport: 'socket', source: 'server', lastError: undefined })
    const heard = new Promise<void>((resolve) => {
      const off = sdk.on('change', () => {
        off()
        resolve()
      })
    })
    const before = performance.now()
    expect((await server.api('POST', '/rollouts/shop/revert', { reason: 'test' })).status).toBe(200)
    await heard
    expect(performance.now() - before).toBeLessThan(1000)
    expect(sdk.decide()).toMatchObject({ variant: 'stable', reason: 'phase' })
    await sdk.close()
  })

  it('goes on by HTTP where sockets are cut', async () => {
    await startRollout('till', { browser: true })
    const { WebSocket } = globalThis
    Reflect.set(globalThis, 'WebSocket', undefined)
    try {
      const sdk = page('till', 'bob')
      expect(await sdk.ready({ timeoutMs: 30_000 })).toBe(true)
      expect(sdk.decide()).toMatchObject({ variant: 'canary', reason: 'split' })
      sdk.outcome(sdk.decide(), { ok: false })
      expect(await sdk.flush()).toBe(true)
      expect(sdk.status()).toMatchObject({ transport: 'http', pending: 0 })
      await sdk.close()
    } finally {
      Reflect.set(globalThis, 'WebSocket', WebSocket)
    }
  })

  it('is another user after setUser, and tells its last report as it is left', async () => {
    await startRollout('cart', { browser: true, rules: [{ name: 'not-eve', when: { id: 'eve' }, serve: 'stable' }] })
    const sdk = page('cart', 'kim')
    await sdk.ready()
    expect(sdk.variant()).toBe('canary')
    expect(await sdk.setUser('eve')).toBe(true)
    expect(sdk.decide()).toMatchObject({ variant: 'stable', reason: 'rule' })
    sdk.outcome(sdk.decide(), { ok: true })
    events.dispatchEvent(new Event('pagehide'))
    expect(sdk.status()).toMatchObject({ connected: false })
    events.dispatchEvent(new Event('pageshow'))
    expect(await sdk.flush()).toBe(true)
    await sdk.close()
  })

  it('counts once what is told as it is left, and again as it comes back', async () => {
    await startRollout('gate', { browser: true })
    const sdk = page('gate', 'ida')
    await sdk.ready()
    const decision = sdk.decide()
    sdk.outcome(decision, { ok: false })
    sdk.track(undefined, 'purchase')
    const sent: Promise<unknown>[] = []
    const { fetch } = globalThis
    Reflect.set(globalThis, 'fetch', (...call: Parameters<typeof fetch>) => {
      const answer = fetch(...call)
      sent.push(answer)
      return answer
    })
    events.dispatchEvent(new Event('pagehide'))
    // The page is in the back-forward cache before it can read the answer.
    Reflect.set(globalThis, 'fetch', fetch)
    expect(await Promise.all(sent)).toMatchObject([{ status: 200 }])
    events.dispatchEvent(new Event('pageshow'))
    expect(await sdk.flush()).toBe(true)
    sdk.outcome(decision, { ok: true })
    await sdk.close()
    const storage = openSqlite({ file: server.databaseFile })
    try {
      const { id = '' } = (await storage.rollouts.get('production', 'gate')) ?? {}
      const totals = await storage.evidence.totals(id, 0)
      expect(totals).toMatchObject([
        { variant: 'canary', n: 2, failed: 1, exposed: 1, conversions: { purchase: { converted: 1 } } },
      ])
    } finally {
      await storage.close()
    }
  })
})
