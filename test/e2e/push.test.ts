/**
 * A change of weight reaches 200 connected SDKs of a real server process, and every one of them confirms it. Times are printed for people;
 * none decides whether the test passes.
 */
import { createClient } from '@pipit/sdk-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'

const sdkCount = 200
const changes = 20

interface Convergence {
  readonly version: number
  readonly instances: number
  readonly applied: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly lastMs: number
}

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(async () => {
  await server.stop()
})

async function convergence(): Promise<Convergence> {
  const answer = await server.api('GET', '/rollouts/pushed/convergence?limit=1')
  return (answer.body as { items: Convergence[] }).items[0] as Convergence
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt++) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error('waited 10 s in vain')
}

describe('push', () => {
  it(`takes a change of weight to ${sdkCount} SDKs, with a receipt from each`, async () => {
    const stages = [
      { name: 'some', weight: 1, hold: '10h' },
      { name: 'full', weight: 100 },
    ]
    expect((await server.api('POST', '/rollouts', { key: 'pushed', stages })).status).toBe(201)
    expect((await server.api('POST', '/rollouts/pushed/start', {})).status).toBe(200)
    const sdks = Array.from({ length: sdkCount }, () =>
      createClient({ url: server.url, key: server.serverKey, rollout: 'pushed', cacheDir: false }),
    )
    try {
      const ready = await Promise.all(sdks.map((sdk) => sdk.ready({ timeoutMs: 20_000 })))
      expect(ready.every(Boolean)).toBe(true)
      await until(() => sdks.every((sdk) => sdk.status().transport === 'socket'))
      const seen: Convergence[] = []
      for (let i = 1; i <= changes; i++) {
        const weight = i === changes ? 100 : i * 2
        const answer = await server.api('POST', '/rollouts/pushed/set-weight', { weight, reason: 'test' })
        expect(answer.status).toBe(200)
        await until(async () => (await convergence()).applied === sdkCount)
        seen.push(await convergence())
      }
      expect(seen.every(({ instances, applied }) => instances === sdkCount && applied === sdkCount)).toBe(true)
      expect(sdks.every((sdk) => sdk.variant('anybody') === 'canary')).toBe(true)
      const median = (pick: (entry: Convergence) => number): number =>
        seen.map(pick).sort((a, b) => a - b)[Math.floor(seen.length / 2)] as number
      console.info(
        `push to ${sdkCount} SDKs in one process, ${changes} changes: from publish to receipt p50 ${median((entry) => entry.p50Ms)} ms, p99 ${median((entry) => entry.p99Ms)} ms, last ${median((entry) => entry.lastMs)} ms (medians)`,
      )
    } finally {
      await Promise.all(sdks.map((sdk) => sdk.close({ timeoutMs: 100 })))
    }
  })
})
