/**
 * The server is killed (SIGKILL) at random points under load; SDKs in this process go on counting. At the end what the database holds is
 * exactly what the SDKs were told: nothing lost, nothing twice, every transition once.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@pipit/sdk-node'
import { openSqlite } from '@pipit/server/storage/sqlite'
import { seededRandom } from '@pipit/shared/testing'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import '../support/provided.ts'
import { type ControlPlane, controlPlane, freePort } from '../demo/control-plane.ts'

const sdkCount = 6
const secrets = { adminToken: 'adm_exactly_once_0123456789abcdef', serverKey: 'srv_exactly_once_0123456789abcdef' }
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** What the test itself counted: outcomes by variant, buyers. */
interface Told {
  outcomes: Record<string, { n: number; failed: number }>
  buyers: Set<string>
  exposed: Set<string>
}

let directory = ''
let plane: ControlPlane

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'pipit-kill-'))
  plane = controlPlane(await freePort(), join(directory, 'pipit.db'), secrets)
  await plane.start()
})

afterEach(async () => {
  await plane.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

async function defineRollouts(): Promise<void> {
  await plane.call('POST', '/rollouts', {
    key: 'counted',
    stages: [
      { name: 'half', weight: 50, hold: '10h' },
      { name: 'full', weight: 100 },
    ],
    metrics: [{ key: 'purchase', kind: 'conversion', event: 'purchase' }],
    guards: [{ metric: 'purchase', worseThan: { relative: 0.5 }, action: 'alert' }],
  })
  await plane.call('POST', '/rollouts/counted/start', {})
  // Stages of no comparison: this one walks through many transitions by time alone while the server dies.
  const steps = Array.from({ length: 30 }, (_, i) => ({ name: `step-${i}`, weight: 0, hold: '500ms' }))
  await plane.call('POST', '/rollouts', {
    key: 'walking',
    stages: [...steps, { name: 'full', weight: 100 }],
    analysis: { tick: '1s' },
  })
  await plane.call('POST', '/rollouts/walking/start', {})
}

describe('a control plane that is killed under load', () => {
  it('holds every acknowledged outcome and event once, and made every transition once', async () => {
    const kills = inject('kills')
    const seed = Math.floor(Math.random() * 1e9)
    console.info(`exactly-once: ${kills} kills, seed ${seed}`)
    const random = seededRandom(seed)
    await defineRollouts()
    const told: Told = { outcomes: {}, buyers: new Set(), exposed: new Set() }
    const sdks = Array.from({ length: sdkCount }, () =>
      createClient({
        url: plane.url,
        key: secrets.serverKey,
        rollout: 'counted',
        cacheDir: false,
        logger: { warn: () => undefined },
      }),
    )
    for (const sdk of sdks) expect(await sdk.ready({ timeoutMs: 10_000 })).toBe(true)

    const traffic = setInterval(() => {
      for (let i = 0; i < 40; i++) {
        const sdk = sdks[Math.floor(random() * sdks.length)]
        const user = `user-${Math.floor(random() * 3000)}`
        if (sdk === undefined) return
        const decision = sdk.decide(user)
        const ok = random() > 0.1
        sdk.outcome(decision, { ok, latencyMs: 5 + random() * 20 })
        told.outcomes[decision.variant] ??= { n: 0, failed: 0 }
        const row = told.outcomes[decision.variant] as { n: number; failed: number }
        row.n++
        if (!ok) row.failed++
        told.exposed.add(user)
        if (random() < 0.05) {
          sdk.track(user, 'purchase', { value: 1 })
          told.buyers.add(user)
        }
      }
    }, 10)

    for (let kill = 0; kill < kills; kill++) {
      await sleep(100 + random() * 900)
      await plane.kill('SIGKILL')
      await plane.start()
    }
    await sleep(1500)
    clearInterval(traffic)
    for (const sdk of sdks) expect(await sdk.flush({ timeoutMs: 60_000 })).toBe(true)
    for (const sdk of sdks) expect(sdk.status().dropped).toEqual({ outcomes: 0, exposures: 0, events: 0, invalid: 0 })
    await Promise.all(sdks.map((sdk) => sdk.close()))
    await plane.kill('SIGTERM')

    const storage = openSqlite({ file: join(directory, 'pipit.db') })
    try {
      const counted = await storage.rollouts.get('production', 'counted')
      const totals = await storage.evidence.totals(counted?.id ?? '', 0)
      const stored = Object.fromEntries(totals.map((row) => [row.variant, { n: row.n, failed: row.failed }]))
      expect(stored).toEqual(told.outcomes)
      expect(totals.reduce((sum, row) => sum + row.exposed, 0)).toBe(told.exposed.size)
      expect(totals.reduce((sum, row) => sum + (row.conversions.purchase?.converted ?? 0), 0)).toBe(told.buyers.size)

      const walking = await storage.rollouts.get('production', 'walking')
      const history = await storage.history.list(walking?.id ?? '', { limit: 500 })
      const epochs = history.map((entry) => entry.to.epoch ?? 0).reverse()
      expect(new Set(epochs.filter((epoch) => epoch > 0)).size).toBe(epochs.filter((epoch) => epoch > 0).length)
      expect(epochs).toEqual([...epochs].sort((a, b) => a - b))
    } finally {
      await storage.close()
    }
  })
})
