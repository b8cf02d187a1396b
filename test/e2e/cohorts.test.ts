/** A long list of members from the API to the decisions of a real SDK. */
import { type Client, createClient } from '@pipit/sdk-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { startServer, type TestServer } from '../support/server.ts'

const count = 100_000
const members = Array.from({ length: count }, (_, i) => `listed-${i}`)

let server: TestServer
let sdk: Client
let raw: WebSocket
const frames: string[] = []

beforeAll(async () => {
  server = await startServer()
  expect(await server.api('POST', '/cohorts', { key: 'listed', members: [] })).toMatchObject({ status: 201 })
  for (let at = 0; at < count; at += 50_000) {
    const added = await server.api('POST', '/cohorts/listed/members', { members: members.slice(at, at + 50_000) })
    expect(added).toMatchObject({ status: 200, body: { memberCount: at + 50_000 } })
  }
  await server.api('POST', '/rollouts', {
    key: 'shop',
    rules: [{ name: 'listed', cohort: 'listed', serve: 'canary' }],
    stages: [
      { name: 'nobody', weight: 0, hold: '1h' },
      { name: 'full', weight: 100 },
    ],
  })
  await server.api('POST', '/rollouts/shop/start', {})
  raw = new WebSocket(`${server.url.replace('http', 'ws')}/sdk/v1/connect`, {
    headers: { authorization: `Bearer ${server.serverKey}` },
  })
  // Heartbeats come as well, where the machine takes its time.
  raw.on('message', (data) => String(data) === '{"type":"ping"}' || frames.push(String(data)))
  raw.on('open', () =>
    raw.send(
      JSON.stringify({ type: 'hello', protocol: 1, sdk: { name: 't', version: '1' }, instance: 'raw-instance' }),
    ),
  )
  sdk = createClient({ url: server.url, key: server.serverKey, rollout: 'shop', cacheDir: false })
  expect(await sdk.ready({ timeoutMs: 10_000 })).toBe(true)
}, 60_000)
afterAll(async () => {
  raw.terminate()
  await sdk.close()
  await server.stop()
})

describe('a cohort of 100 000 listed members', () => {
  it('decides as its list does, and comes without an id in some nine bytes a member', async () => {
    for (const id of [members[0], members[77_777], members[count - 1]] as string[])
      expect(sdk.decide({ id })).toMatchObject({ variant: 'canary', reason: 'cohort', rule: 'listed' })
    for (const id of ['listed', 'listed-100000', 'new-1'])
      expect(sdk.decide({ id })).toMatchObject({ variant: 'stable' })
    await expect.poll(() => frames.length).toBe(1)
    expect(frames[0]?.length).toBeLessThan(9.1 * count)
    expect(frames[0]).not.toContain('listed-1')
  })

  it('changes by a patch of as many bytes as members change', async () => {
    const seen = frames.length
    await server.api('POST', '/cohorts/listed/members', { members: ['new-1', 'new-2', 'new-3'] })
    await expect.poll(() => sdk.variant({ id: 'new-1' })).toBe('canary')
    expect(['new-2', 'new-3', 'new-4', 'listed-5'].map((id) => sdk.variant({ id }))).toEqual([
      'canary',
      'canary',
      'stable',
      'canary',
    ])
    await server.api('DELETE', '/cohorts/listed/members', { members: ['new-1', 'listed-5'] })
    await expect.poll(() => sdk.variant({ id: 'listed-5' })).toBe('stable')
    expect(['new-1', 'new-2', 'listed-6'].map((id) => sdk.variant({ id }))).toEqual(['stable', 'canary', 'canary'])
    await expect.poll(() => frames.length).toBe(seen + 2)
    for (const frame of frames.slice(seen)) {
      expect(JSON.parse(frame)).toMatchObject({
        type: 'patch',
        cohorts: { listed: { members: { from: expect.stringMatching(/^[0-9a-f]{16}$/) } } },
      })
      expect(frame.length).toBeLessThan(250)
    }
  })

  it('is the same after a restart, read from what was stored', async () => {
    await server.kill()
    await server.restart()
    await expect.poll(() => sdk.status().connected, { timeout: 20_000 }).toBe(true)
    await server.api('POST', '/cohorts/listed/members', { members: ['late'] })
    await expect.poll(() => sdk.variant({ id: 'late' }), { timeout: 20_000 }).toBe('canary')
    expect(['new-1', 'new-2', 'listed-5', 'listed-6'].map((id) => sdk.variant({ id }))).toEqual([
      'stable',
      'canary',
      'stable',
      'canary',
    ])
  }, 60_000)
})
