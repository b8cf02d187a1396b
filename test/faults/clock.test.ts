/** The wall clock of a real server is set forward and back by an hour while it works, and is an hour behind after a restart. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@pipit/sdk-node'
import { openSqlite } from '@pipit/server/storage/sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const hour = 3_600_000
const holdMs = 700
const stageCount = 9

let directory = ''
let server: TestServer
const shiftFile = (): string => join(directory, 'shift')

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'pipit-clock-'))
  writeFileSync(shiftFile(), '0')
  const preload = new URL('./shift-clock.ts', import.meta.url).href
  server = await startServer({
    env: { PIPIT_LOG: 'warn', NODE_OPTIONS: `--import=${preload}`, SHIFT_FILE: shiftFile() },
  })
})
afterEach(async () => {
  await server.stop()
  rmSync(directory, { recursive: true, force: true })
})

function shift(ms: number): void {
  writeFileSync(shiftFile(), String(ms))
  process.kill(server.pid, 'SIGUSR2')
}

describe('a wall clock that jumps', () => {
  it('loses nothing, counts nothing twice, and neither skips nor repeats a stage', async () => {
    const walking = {
      key: 'walking',
      stages: [
        ...Array.from({ length: stageCount }, (_, i) => ({ name: `step-${i}`, weight: 0, hold: `${holdMs}ms` })),
        { name: 'full', weight: 100 },
      ],
      analysis: { tick: '1s' },
    }
    const counted = {
      key: 'counted',
      stages: [
        { name: 'half', weight: 50, hold: '10d' },
        { name: 'full', weight: 100 },
      ],
    }
    for (const rollout of [counted, walking]) {
      expect((await server.api('POST', '/rollouts', rollout)).status).toBe(201)
      expect((await server.api('POST', `/rollouts/${rollout.key}/start`)).status).toBe(200)
    }
    const sdk = createClient({
      ...{ url: server.url, key: server.serverKey, rollout: 'counted', cacheDir: false },
      logger: { warn: () => undefined },
    })
    expect(await sdk.ready()).toBe(true)
    let told = 0
    const users = new Set<string>()
    const traffic = setInterval(() => {
      const user = `user-${told % 700}`
      const decision = sdk.decide(user)
      if (decision.reason !== 'split') return
      sdk.outcome(decision, { ok: true, latencyMs: 5 })
      users.add(user)
      told++
    }, 2)

    /** When each stage was first seen, by this process's clock. */
    const seen: { readonly stage: string; readonly at: number }[] = []
    const watch = async (): Promise<void> => {
      const { status, body } = await server.api('GET', '/rollouts/walking')
      expect(status).toBe(200)
      const { phase, stage } = body as { phase: string; stage?: { name: string } | string }
      const name = phase === 'running' ? JSON.stringify(stage) : phase
      if (seen.at(-1)?.stage !== name) seen.push({ stage: name, at: performance.now() })
    }
    const untilStages = async (count: number): Promise<void> => {
      while (seen.length < count && seen.at(-1)?.stage !== 'succeeded') {
        await watch()
        await sleep(20)
      }
    }
    await untilStages(2)
    shift(hour)
    await untilStages(4)
    shift(0)
    await untilStages(6)
    shift(-hour)
    await untilStages(7)
    // Behind what the database holds: time goes on from there.
    await server.kill('SIGKILL')
    await server.restart()
    await untilStages(8)
    shift(0)
    await untilStages(stageCount + 2)
    expect(seen.map(({ stage }) => stage)).toEqual([...new Set(seen.map(({ stage }) => stage))])
    // And `full`, and `succeeded`.
    expect(seen).toHaveLength(stageCount + 2)
    const holds = seen.slice(1, stageCount).map(({ at }, i) => at - (seen[i]?.at ?? 0))
    // Never less than half of what was asked for, however the clock jumps; the first of these began before it was seen.
    expect(Math.min(...holds.slice(1))).toBeGreaterThan(holdMs / 2 - 100)

    clearInterval(traffic)
    expect(await sdk.flush({ timeoutMs: 60_000 })).toBe(true)
    await sdk.close()
    expect(await server.kill('SIGTERM')).toBe(0)
    const storage = openSqlite({ file: server.databaseFile })
    try {
      const rollout = await storage.rollouts.get('production', 'counted')
      const rows = await storage.evidence.totals(rollout?.id ?? '', 0)
      expect(rows.reduce((sum, { n }) => sum + n, 0)).toBe(told)
      expect(rows.reduce((sum, { exposed }) => sum + exposed, 0)).toBe(users.size)
      const walked = await storage.rollouts.get('production', 'walking')
      const history = (await storage.history.list(walked?.id ?? '', { limit: 500 })).toReversed()
      const epochs = history.map(({ to }) => to.epoch ?? 0).filter((epoch) => epoch > 0)
      expect(epochs).toEqual([...new Set(epochs)].sort((a, b) => a - b))
      const times = history.map(({ at }) => at)
      expect(times).toEqual([...times].sort((a, b) => a - b))
    } finally {
      await storage.close()
    }
  })
})
