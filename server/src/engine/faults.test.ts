import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFakeClock, seededRandom } from '@pipit/shared/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { judgeVersion } from '../analysis/index.ts'
import { progressOf } from '../rollout/index.ts'
import type { Storage, Stores } from '../storage/ports.ts'
import { openSqlite } from '../storage/sqlite/index.ts'
import {
  type Bench,
  type BenchParts,
  badly,
  by,
  createBench,
  historyOf,
  live,
  must,
  rolloutFile,
  rolloutOf,
  start,
  startBench,
  startRollout,
  well,
} from './bench.ts'

function newFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pipit-engine-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return join(folder, 'pipit.db')
}

function partsOn(file: string, clock = createFakeClock(start)): BenchParts {
  return { clock, storage: openSqlite({ file }), random: seededRandom(20) }
}

const both = { canary: well, stable: well }

/** The storage, with writes that fail while `broken.now` says so. */
function breakable(storage: Storage): { readonly storage: Storage; readonly broken: { now: boolean } } {
  const broken = { now: false }
  const refuse = (): Promise<never> => Promise.reject(new Error('the disk is full'))
  const wrapped: Storage = {
    ...storage,
    rollouts: { ...storage.rollouts, setWake: (id, at) => (broken.now ? refuse() : storage.rollouts.setWake(id, at)) },
    outbox: { ...storage.outbox, done: (id) => (broken.now ? refuse() : storage.outbox.done(id)) },
    transaction: <T>(work: (stores: Stores) => Promise<T>) => (broken.now ? refuse() : storage.transaction(work)),
  }
  return { storage: wrapped, broken }
}

describe('a crash', () => {
  it('between the commit and its effects loses none of them', async () => {
    const file = newFile()
    const before = createBench(partsOn(file))
    must(await before.engine.createEnvironment('production', by))
    must(await before.engine.create('production', rolloutFile(), by))
    must(await before.engine.command('production', 'checkout-v2', { type: 'start' }, by))
    must(await before.engine.command('production', 'checkout-v2', { type: 'revert' }, by))
    await before.storage.close()
    expect(before.published).toEqual([])

    const after = createBench(partsOn(file))
    after.engine.start()
    await after.engine.idle()
    expect(after.published).toEqual(['production'])
    expect(after.notified).toMatchObject([{ level: 'alert', sentence: expect.stringContaining('reverted') }])
    expect(await after.storage.outbox.nextAttemptAt()).toBeUndefined()
    await after.storage.close()
  })

  it('after an effect was delivered delivers it once more, under the same id', async () => {
    const file = newFile()
    const parts = partsOn(file)
    const { storage, broken } = breakable(parts.storage)
    const bench = await startBench({ ...parts, storage })
    await startRollout(bench)
    bench.outside.notify = async ({ id, level, sentence }) => {
      bench.notified.push({ id, level, sentence })
      broken.now = bench.notified.length === 1
    }
    must(await bench.engine.command('production', 'checkout-v2', { type: 'revert' }, by))
    await bench.engine.idle()
    expect(bench.notified).toHaveLength(1)
    broken.now = false
    await bench.clock.advance(60_000)
    await bench.engine.idle()
    expect(bench.notified).toHaveLength(2)
    expect(bench.notified[1]?.id).toBe(bench.notified[0]?.id)
    await storage.close()
  })

  it('in the middle of a rollout lets another engine go on where it stood', async () => {
    const file = newFile()
    const clock = createFakeClock(start)
    const before = await startBench(partsOn(file, clock))
    await startRollout(before)
    await live(before, 3, both)
    const { id } = await rolloutOf(before)
    const remembered = await before.storage.judge.get(id)
    await before.engine.stop()
    await before.storage.close()

    const after = createBench(partsOn(file, clock))
    after.engine.start()
    await after.engine.idle()
    const record = await live(after, 60, both, ({ state }) => state.phase === 'succeeded')
    expect(record.state.phase).toBe('succeeded')
    const memory = await after.storage.judge.get(id)
    expect(memory?.foldedTick).toBeGreaterThan(remembered?.foldedTick ?? 0)
    expect((await historyOf(after)).map(({ event }) => event)).toEqual(['create', 'start', 'judged', 'judged'])
    await after.storage.close()
  })
})

describe('two engines on one storage', () => {
  it('make every transition once', async () => {
    const parts = partsOn(newFile())
    const one = await startBench(parts)
    const other = createBench(parts)
    other.engine.start()
    await startRollout(one)
    for (let i = 0; i < 40; i++) {
      await live(one, 1, both)
      await other.engine.idle()
    }
    expect((await rolloutOf(one)).state.phase).toBe('succeeded')
    expect((await historyOf(one)).map(({ event }) => event)).toEqual(['create', 'start', 'judged', 'judged'])
    await parts.storage.close()
  })

  it('let one of two people win who change the same version, and tell the other both versions', async () => {
    const parts = partsOn(newFile())
    const one = await startBench(parts)
    const other = createBench(parts)
    must(await one.engine.create('production', rolloutFile(), by))
    const results = await Promise.all(
      [one, other].map(({ engine }, i) =>
        engine.edit('production', 'checkout-v2', rolloutFile({ description: `edit ${i}` }), by, 1),
      ),
    )
    expect(results.map(({ ok }) => ok).toSorted()).toEqual([false, true])
    expect(results.find(({ ok }) => !ok)).toMatchObject({
      code: 'stale-version',
      message: expect.stringMatching(/version 2 by now, not 1/),
    })
    await parts.storage.close()
  })
})

describe('a disk that is full', () => {
  it('stops nothing for good: it is logged once, and everything goes on where it stood', async () => {
    const parts = partsOn(newFile())
    const { storage, broken } = breakable(parts.storage)
    const bench: Bench = await startBench({ ...parts, storage })
    await startRollout(bench)
    await live(bench, 2, both)
    broken.now = true
    for (let i = 0; i < 120; i++) {
      await bench.clock.advance(1000)
      await bench.engine.idle()
    }
    expect(bench.logged.filter((line) => line.includes('the disk is full'))).toHaveLength(1)
    broken.now = false
    const record = await live(bench, 60, { canary: badly, stable: well }, ({ state }) => state.phase === 'reverted')
    expect(record.state.phase).toBe('reverted')
    expect(bench.notified.at(-1)?.level).toBe('alert')
    expect(bench.logged.at(-1)).toContain('works again')
    await storage.close()
  })
})

describe('a rollout that cannot be looked at', () => {
  it('holds up no other', async () => {
    const parts = partsOn(newFile())
    const bench = await startBench(parts)
    const poisoned = rolloutFile({ key: 'a-poisoned' })
    must(await bench.engine.create('production', poisoned, by))
    const { id } = must(await bench.engine.command('production', 'a-poisoned', { type: 'start' }, by))
    await bench.storage.judge.put({ rolloutId: id, state: { judge: judgeVersion, metrics: 7 }, foldedTick: 0 })
    await startRollout(bench)
    await bench.storage.judge.put({ rolloutId: id, state: { judge: judgeVersion, metrics: 7 }, foldedTick: 0 })
    const record = await live(bench, 30, { canary: badly, stable: well }, ({ state }) => state.phase === 'reverted')
    expect(record.state.phase).toBe('reverted')
    expect(bench.logged.filter((line) => line.includes('a-poisoned'))).toHaveLength(1)
    await bench.storage.judge.delete(id)
    await bench.clock.advance(60_000)
    await bench.engine.idle()
    expect(bench.logged.at(-1)).toContain('looked at again')
    await parts.storage.close()
  })
})

describe('the world outside', () => {
  it('that takes no notifications does not hold up a publish', async () => {
    const bench = await startBench(partsOn(newFile()))
    await startRollout(bench, {
      stages: [
        { name: 'half', weight: 50, hold: '10h' },
        { name: 'full', weight: 100 },
      ],
    })
    const told: string[] = []
    let broken: 'hangs' | 'fails' | 'works' = 'hangs'
    bench.outside.notify = async ({ id }) => {
      told.push(id)
      if (broken === 'hangs') await new Promise(() => undefined)
      if (broken === 'fails') throw new Error('503')
    }
    const before = bench.published.length
    must(await bench.engine.command('production', 'checkout-v2', { type: 'revert' }, by))
    await bench.clock.advance(1)
    expect(bench.published.length).toBe(before + 1)
    expect(told).toHaveLength(1)
    must(await bench.engine.command('production', 'checkout-v2', { type: 'restart', people: 'same' }, by))
    await bench.clock.advance(1)
    expect(bench.published.length).toBe(before + 2)

    broken = 'fails'
    await bench.clock.advance(120_000)
    broken = 'works'
    await bench.clock.advance(600_000)
    await bench.engine.idle()
    expect(new Set(told).size).toBe(1)
    expect(bench.logged.filter((line) => line.startsWith('notifying failed'))).toHaveLength(1)
    expect(await bench.storage.outbox.due(bench.clock.now() + 1e9, 10)).toEqual([])
    await bench.storage.close()
  })

  it('that takes no publish is tried until it does, and what came meanwhile is one publish', async () => {
    const bench = await startBench(partsOn(newFile()))
    await startRollout(bench)
    const { publish } = bench.outside
    bench.outside.publish = () => Promise.reject(new Error('no hub'))
    for (const weight of [10, 20, 30])
      must(await bench.engine.command('production', 'checkout-v2', { type: 'set-weight', weight }, by))
    await bench.engine.idle()
    bench.outside.publish = publish
    const before = bench.published.length
    await bench.clock.advance(2000)
    await bench.engine.idle()
    expect(bench.published.length - before).toBeLessThanOrEqual(3)
    expect(bench.published.length).toBeGreaterThan(before)
    expect(bench.logged).toEqual([
      expect.stringContaining('publishing production failed'),
      'publishing production works again',
    ])
    await bench.storage.close()
  })
})

describe('time', () => {
  it('goes on from the newest change when the wall clock is behind it after a start', async () => {
    const file = newFile()
    const before = await startBench(partsOn(file, createFakeClock(start)))
    await startRollout(before)
    await live(before, 3, both)
    await before.storage.close()

    const after = createBench(partsOn(file, createFakeClock(start - 3_600_000)))
    after.breakers.open = 2
    after.breakers.instances = 2
    after.engine.start()
    await after.engine.idle()
    await after.clock.advance(4000)
    await after.engine.idle()
    const record = await rolloutOf(after)
    expect(record.state.phase).toBe('reverted')
    expect(record.updatedAt).toBeGreaterThan(start)
    expect(after.logged[0]).toContain('behind')
    await after.storage.close()
  })
})

describe('restart', () => {
  it('begins a new run: older evidence does not count against it', async () => {
    const bench = await startBench(partsOn(newFile()))
    await startRollout(bench)
    const reverted = await live(bench, 30, { canary: badly, stable: well }, ({ state }) => state.phase === 'reverted')
    expect(reverted.state.phase).toBe('reverted')
    const event = { type: 'restart', people: 'fresh' } as const
    const restarted = must(await bench.engine.command('production', 'checkout-v2', event, by))
    const epoch = progressOf(restarted.state)?.epoch
    expect(restarted.runEpoch).toBe(epoch)
    expect(progressOf(restarted.state)?.salt).not.toBe(progressOf(reverted.state)?.salt)
    const record = await live(bench, 60, both, ({ state }) => state.phase !== 'running')
    expect(record.state.phase).toBe('succeeded')
    await bench.storage.close()
  })
})
