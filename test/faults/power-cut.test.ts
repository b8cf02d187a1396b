/**
 * The power fails at random instants while reports and changes are written: the process is stopped (SIGSTOP), its files are copied as the disk
 * would have them, and it goes on. Each copy is opened: all that was acknowledged by then is there, once, and what was not can be sent again.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createIngest } from '@pipit/server/ingest'
import { openSqlite } from '@pipit/server/storage/sqlite'
import type { Report } from '@pipit/shared/protocol'
import { createFakeClock, seededRandom } from '@pipit/shared/testing'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import '../support/provided.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { copyAsAfterPowerCut } from './power-cut.ts'
import { createWriter, type Writer } from './report-writer.ts'

interface RawDatabase {
  pragma(text: string, options: { simple: true }): unknown
  close(): void
}
const Database = createRequire(new URL('../../server/package.json', import.meta.url))('better-sqlite3') as new (
  file: string,
) => RawDatabase

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const writers = 8

let server: TestServer
let directory = ''

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'pipit-power-'))
  // A few sockets write here what thousands would.
  server = await startServer({ env: { PIPIT_LOG: 'warn', PIPIT_LIMITS: 'socketMessagesPerSecond=1000' } })
  const stages = [
    { name: 'half', weight: 50, hold: '10d' },
    { name: 'full', weight: 100 },
  ]
  for (const key of ['counted', 'moved']) {
    await server.api('POST', '/rollouts', { key, stages })
    expect((await server.api('POST', `/rollouts/${key}/start`)).status).toBe(200)
  }
})

afterEach(async () => {
  await server.stop()
  rmSync(directory, { recursive: true, force: true })
})

async function verify(file: string, sent: readonly Writer[], acked: readonly number[], weights: number): Promise<void> {
  const raw = new Database(file)
  expect(raw.pragma('integrity_check', { simple: true })).toBe('ok')
  raw.close()
  const storage = openSqlite({ file })
  try {
    const rollout = await storage.rollouts.get('production', 'counted')
    const count = async () => {
      const rows = await storage.evidence.totals(rollout?.id ?? '', 0)
      return rows.reduce((sum, row) => ({ n: sum.n + row.n, exposed: sum.exposed + row.exposed }), { n: 0, exposed: 0 })
    }
    const before = await count()
    const moved = await storage.rollouts.get('production', 'moved')
    expect(moved?.state.phase === 'running' ? moved.state.progress.epoch : 0).toBeGreaterThanOrEqual(1 + weights)

    // Every report again: what is stored says so.
    const clock = createFakeClock(Date.now())
    const ingest = createIngest({ storage, clock })
    let stored = 0
    for (const [at, writer] of sent.entries()) {
      // The window of sequences is shorter than the run: an SDK repeats what it has no answer to, and that is its newest.
      const answered = acked[at] ?? 0
      stored += Math.max(0, answered - 20)
      for (const report of writer.sent.slice(Math.max(0, answered - 20))) {
        const result = await ingest.submit('production', { id: writer.instance }, report)
        const status = 'status' in result ? result.status : result.message
        if (report.seq <= answered)
          expect([writer.instance, report.seq, status]).toEqual([writer.instance, report.seq, 'duplicate'])
        if (status === 'duplicate') stored++
      }
    }
    // Whole or not at all, and each once.
    const perReport = writersOutcomes(sent[0]?.sent[0])
    expect(before).toEqual({ n: stored * perReport, exposed: stored })
    const all = sent.reduce((sum, writer) => sum + writer.sent.length, 0)
    expect(await count()).toEqual({ n: all * perReport, exposed: all })
    await ingest.stop()
  } finally {
    await storage.close()
  }
}

const writersOutcomes = (report: Report | undefined): number =>
  (report?.outcomes ?? []).reduce((sum, { buckets, columns }) => {
    let n = 0
    for (let i = 1; i < buckets.length; i += columns) n += buckets[i] ?? 0
    return sum + n
  }, 0)

describe('a power cut', () => {
  it('loses nothing that was acknowledged, and counts nothing twice', async () => {
    const cuts = inject('cuts')
    const seed = Math.floor(Math.random() * 1e9)
    console.info(`power cut: ${cuts} cuts, seed ${seed}`)
    const random = seededRandom(seed)
    const sending = await Promise.all(
      Array.from({ length: writers }, (_, i) => createWriter(server, `writer-${i}-${seed}`, 'counted')),
    )
    let weights = 0
    let isOver = false
    const moving = (async () => {
      while (!isOver) {
        const answer = await server.api('POST', '/rollouts/moved/set-weight', { weight: 10 + (weights % 80) })
        if (answer.status === 200) weights++
        await sleep(20)
      }
    })().catch(() => undefined)
    const tally = { lost: 0, torn: 0, acked: 0 }
    for (let cut = 0; cut < cuts; cut++) {
      await sleep(50 + random() * 200)
      process.kill(server.pid, 'SIGSTOP')
      // Answers that were written before the stop are still to be read.
      await sleep(30)
      const acked = sending.map((writer) => writer.acked)
      const sent = sending.map((writer) => ({ ...writer, sent: [...writer.sent] }))
      const weightsThen = weights
      const file = join(directory, `cut-${cut}.db`)
      const { lostBytes, tornPages } = copyAsAfterPowerCut(server.databaseFile, file, random)
      process.kill(server.pid, 'SIGCONT')
      tally.lost += lostBytes > 0 ? 1 : 0
      tally.torn += tornPages
      tally.acked = acked.reduce((sum, each) => sum + each, 0)
      await verify(file, sent, acked, weightsThen)
      for (const ending of ['', '-wal', '-shm']) rmSync(`${file}${ending}`, { force: true })
    }
    isOver = true
    await moving
    for (const writer of sending) await writer.stop()
    console.info(
      `power cut: ${tally.acked} reports acknowledged, ${weights} weights; ${tally.lost} logs lost their end, ${tally.torn} pages were torn`,
    )
    expect(tally.acked).toBeGreaterThan(cuts * 10)
  })
})
