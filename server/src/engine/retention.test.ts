import { createFakeClock, seededRandom } from '@pipit/shared/testing'
import { describe, expect, it } from 'vitest'
import type { Storage } from '../storage/ports.ts'
import { openSqlite } from '../storage/sqlite/index.ts'
import { live, rolloutOf, startBench, startRollout, well } from './bench.ts'
import { createRetention, type RetentionLimits } from './retention.ts'

const hour = 3_600_000
const day = 24 * hour

async function setup(limits: Partial<RetentionLimits> = {}) {
  const clock = createFakeClock(1_700_000_000_000)
  const storage = openSqlite({ file: ':memory:' })
  const bench = await startBench({ clock, storage, random: seededRandom(2) })
  await startRollout(bench, {
    stages: [
      { name: 'half', weight: 50, hold: '900h' },
      { name: 'full', weight: 100 },
    ],
  })
  await live(bench, 30, { canary: well, stable: well })
  await bench.engine.stop()
  const log = { warn: () => undefined, error: (message: string) => expect.fail(message) }
  const retention = createRetention({ storage, clock, log, limits })
  const { id } = await rolloutOf(bench)
  const ticks = () => storage.evidence.ticks(id, { fromEpoch: 0, after: -1, through: 1e12 })
  /** Lets time pass, then does all that is due. */
  const pass = async (ms: number) => {
    clock.jump(ms)
    retention.start()
    for (let i = 0; i < 60; i++) await clock.advance(1000)
    await retention.stop()
  }
  return { bench, clock, storage, retention, id, ticks, pass }
}

const exposed = async (storage: Storage, rolloutId: string): Promise<boolean> =>
  (await storage.retention.dropUnits(rolloutId, 1)).rows > 0

describe('retention', () => {
  it('adds buckets up once they are old, and nothing that the judge has not read', async () => {
    const { storage, retention, id, ticks, pass } = await setup()
    const fine = (await ticks()).length
    expect(fine).toBeGreaterThan(10)
    const before = await storage.evidence.totals(id, 0)
    await pass(47 * hour)
    expect((await ticks()).length).toBe(fine)

    const memory = await storage.judge.get(id)
    if (memory === undefined) throw new Error('the judge has read nothing')
    await storage.judge.put({ ...memory, foldedTick: -1 })
    await pass(3 * hour)
    expect((await ticks()).length).toBe(fine)

    await storage.judge.put({ ...memory, foldedTick: 1e12 })
    await pass(600_000)
    expect((await ticks()).length).toBeLessThanOrEqual(2)
    expect(await storage.evidence.totals(id, 0)).toEqual(before)
    expect(retention.counters()).toMatchObject({ rolled_up: expect.any(Number) })
  })

  it('drops units and hours some time after the end of their rollout, never before', async () => {
    const { bench, clock, storage, id, ticks, pass } = await setup({ unitDays: 2, hourDays: 5 })
    const place = { rolloutId: id, runEpoch: 1, epoch: 1, tick: 1, variant: 'canary', stratum: 'split', at: 1 }
    for (const unit of ['0', '1']) await storage.evidence.expose({ ...place, unit: unit.repeat(16) }, {})
    await pass(9 * day)
    expect(await exposed(storage, id)).toBe(true)
    const record = await rolloutOf(bench)
    if (record.state.phase !== 'running') throw new Error('the rollout runs')
    const { progress } = record.state
    const state = { phase: 'reverted', progress, why: 'harm', endedAt: clock.now() } as const
    await storage.rollouts.update({ ...record, version: record.version + 1, state }, record.version)
    await pass(1 * day)
    expect((await ticks()).length).toBeGreaterThan(0)
    await storage.evidence.expose({ ...place, unit: '2'.repeat(16) }, {})
    await pass(1 * day)
    expect(await exposed(storage, id)).toBe(false)
    expect((await ticks()).length).toBeGreaterThan(0)
    await pass(3 * day)
    expect(await ticks()).toEqual([])
    expect((await storage.evidence.buckets(id, 0)).length).toBeGreaterThan(0)
  })

  it('drops sequences, event ids, history and audit by their age, in steps that are short', async () => {
    const { clock, storage, retention, pass } = await setup({ historyDays: 3 })
    await storage.transaction(async ({ reports, evidence }) => {
      for (let i = 0; i < 1000; i++) {
        await reports.take(`production/page/${i}`, 1, clock.now() + day)
        await evidence.claimEvent('production', `order-${i}`, clock.now())
      }
    })
    await pass(day)
    expect(retention.counters()).toMatchObject({ sequences: 1000, event_ids: 0, history: 0 })
    await pass(6 * day)
    expect(retention.counters()).toMatchObject({ sequences: 1000, event_ids: 1000 })
    expect(retention.counters().history).toBeGreaterThan(0)
    expect(await storage.audit.list({ limit: 10 })).toEqual([])
  })

  it('leaves others the database between its steps, and does less at once where steps take long', async () => {
    const { clock, storage } = await setup()
    const asked: number[] = []
    const rests: number[] = []
    let spentMs = 0
    const timed = {
      ...clock,
      monotonic: () => clock.monotonic() + spentMs,
      setTimer: (ms: number, run: () => void) => {
        rests.push(ms)
        return clock.setTimer(ms, run)
      },
    }
    const slow: Storage = {
      ...storage,
      reports: {
        ...storage.reports,
        prune: async (_now, limit) => {
          asked.push(limit)
          if (asked.length > 4) return 0
          spentMs += 100
          return limit
        },
      },
    }
    const log = { warn: () => undefined, error: () => undefined }
    const retention = createRetention({ storage: slow, clock: timed, log })
    retention.start()
    for (let i = 0; i < 20; i++) await clock.advance(1000)
    await retention.stop()
    expect(asked).toEqual([200, 100, 50, 25, 20])
    expect(rests.slice(0, 4)).toEqual([400, 400, 400, 400])
  })
})
