/** The disk of a real server runs full while reports and changes are written, and later has room again; or was read-only all along. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createClient } from '@pipit/sdk-node'
import { openSqlite } from '@pipit/server/storage/sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startServer } from '../support/server.ts'
import { createWriter } from './report-writer.ts'
import { asSeenBy, canMount, copyDatabase, fill, makeRoom, onReadOnlyDisk, onSmallDisk } from './small-disk.ts'

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const perReport = 80

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pipit-disk-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

if (!canMount)
  console.warn('faults: this machine lets nobody mount, so a full and a read-only disk are not tried for real')

describe.skipIf(!canMount)('a disk', () => {
  it('that is full stops reports and changes and nothing else, and loses none of them', async () => {
    const server = await startServer({ env: { PIPIT_LOG: 'warn' }, wrap: onSmallDisk(12) })
    try {
      const disk = asSeenBy(server.pid, dirname(server.databaseFile))
      const stages = [
        { name: 'half', weight: 50, hold: '10d' },
        { name: 'full', weight: 100 },
      ]
      for (const key of ['counted', 'moved']) {
        expect((await server.api('POST', '/rollouts', { key, stages })).status).toBe(201)
        expect((await server.api('POST', `/rollouts/${key}/start`)).status).toBe(200)
      }
      const ready = async () => (await fetch(`${server.url}/readyz`)).status
      const sdk = createClient({
        ...{ url: server.url, key: server.serverKey, rollout: 'moved', cacheDir: false },
        logger: { warn: () => undefined },
      })
      expect(await sdk.ready()).toBe(true)
      const writers = await Promise.all(
        Array.from({ length: 4 }, (_, i) => createWriter(server, `disk-writer-${i}`, 'counted', 20)),
      )
      await sleep(500)
      expect(await ready()).toBe(200)

      fill(disk)
      await expect.poll(ready).toBe(503)
      const acked = writers.map((writer) => writer.acked)
      const refused = await server.api('POST', '/rollouts/moved/set-weight', { weight: 60 })
      expect(refused).toMatchObject({ status: 503, body: { code: 'unavailable' } })
      expect(await (await fetch(`${server.url}/metrics`)).text()).toMatch(/^pipit_ingest_failing_ms [1-9]/m)
      expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
      // Whoever decides, decides on, and keeps what it has to tell.
      let outcomes = 0
      for (let i = 0; i < 500; i++) {
        const decision = sdk.decide(`user-${i}`)
        expect(decision.reason).toBe('split')
        sdk.outcome(decision, { ok: true })
        outcomes++
      }
      expect(sdk.status().connected).toBe(true)
      await sleep(1500)
      expect(writers.map((writer) => writer.acked)).toEqual(acked)

      makeRoom(disk)
      await expect.poll(ready).toBe(200)
      expect((await server.api('POST', '/rollouts/moved/set-weight', { weight: 60 })).status).toBe(200)
      expect(await sdk.flush({ timeoutMs: 60_000 })).toBe(true)
      for (const [i, writer] of writers.entries()) await expect.poll(() => writer.acked).toBeGreaterThan(acked[i] ?? 0)
      for (const writer of writers) await writer.stop()
      await sdk.close()

      process.kill(server.pid, 'SIGSTOP')
      const file = join(directory, 'pipit.db')
      copyDatabase(join(disk, 'pipit.db'), file)
      process.kill(server.pid, 'SIGCONT')
      const storage = openSqlite({ file })
      const totals = async (key: string) => {
        const rollout = await storage.rollouts.get('production', key)
        const rows = await storage.evidence.totals(rollout?.id ?? '', 0)
        return rows.reduce((sum, { n, exposed }) => ({ n: sum.n + n, exposed: sum.exposed + exposed }), {
          n: 0,
          exposed: 0,
        })
      }
      const counted = await totals('counted')
      const moved = await totals('moved')
      const epoch = (await storage.rollouts.get('production', 'moved'))?.state
      await storage.close()
      // The last of each writer may be there without an answer.
      const told = writers.reduce((sum, writer) => sum + writer.acked, 0)
      expect(counted.exposed).toBeGreaterThanOrEqual(told)
      expect(counted.exposed).toBeLessThanOrEqual(told + writers.length)
      expect(counted.n).toBe(counted.exposed * perReport)
      expect(moved).toEqual({ n: outcomes, exposed: 500 })
      expect(epoch).toMatchObject({ phase: 'running', progress: { epoch: 2, weight: 60 } })
      expect(server.output()).not.toMatch(/^\s+at /m)
    } finally {
      await server.stop()
    }
  })

  it('that is read-only stops the start, and says so', async () => {
    const made = await startServer()
    await made.kill('SIGTERM')
    const refused = await startServer({
      env: { PIPIT_DATABASE_URL: `sqlite:${made.databaseFile}` },
      wrap: (command) => onReadOnlyDisk(command, dirname(made.databaseFile)),
    }).then(
      async (server) => {
        await server.stop()
        return 'it started'
      },
      (error: Error) => error.message,
    )
    await made.stop()
    expect(refused).toMatch(/cannot be (?:written|opened): check/)
  })
})
