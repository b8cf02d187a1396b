import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFakeClock, seededRandom } from '@pipit/shared/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { progressOf } from '../rollout/index.ts'
import { openSqlite } from '../storage/sqlite/index.ts'
import {
  type BenchParts,
  badly,
  by,
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

function parts(): BenchParts {
  const folder = mkdtempSync(join(tmpdir(), 'pipit-engine-'))
  const storage = openSqlite({ file: join(folder, 'pipit.db') })
  onTestFinished(async () => {
    await storage.close()
    rmSync(folder, { recursive: true })
  })
  return { clock: createFakeClock(start), storage, random: seededRandom(20) }
}

const phaseIs = (phase: string) => (record: { readonly state: { readonly phase: string } }) =>
  record.state.phase === phase

describe('the main paths', () => {
  it('moves a good canary to everybody, stage by stage, each with the judgement it rests on', async () => {
    const bench = await startBench(parts())
    await startRollout(bench)
    const record = await live(bench, 60, { canary: well, stable: well }, phaseIs('succeeded'))
    expect(record.state).toMatchObject({ phase: 'succeeded', winner: 'canary' })
    const history = await historyOf(bench)
    expect(history.map(({ event, to }) => [event, to.stage ?? to.phase])).toEqual([
      ['create', 'draft'],
      ['start', 'half'],
      ['judged', 'full'],
      ['judged', 'full'],
    ])
    const advance = history[2]
    expect(advance?.actor).toEqual({ kind: 'engine', name: 'pipit' })
    expect(advance?.judgement).toMatchObject({ label: 'advance', judge: 'pipit-2', epoch: 1 })
    expect(bench.published.length).toBeGreaterThanOrEqual(3)
    expect(bench.notified.map(({ level }) => level)).toEqual(['info', 'info'])
  })

  it('judges requests that are dealt out by themselves, without any unit', async () => {
    const good = await startBench(parts())
    await startRollout(good, { assign: 'request' })
    const won = await live(good, 60, { canary: well, stable: well }, phaseIs('succeeded'))
    expect(won.state).toMatchObject({ phase: 'succeeded', winner: 'canary' })
    const bad = await startBench(parts())
    await startRollout(bad, { assign: 'request' })
    const reverted = await live(bad, 30, { canary: badly, stable: well }, phaseIs('reverted'))
    expect(reverted.updatedAt - start).toBeLessThan(10_000)
    const silent = await startBench(parts())
    await startRollout(silent, { assign: 'request' })
    const nothing = { n: 0, errorRate: 0 }
    const held = await live(silent, 60, { canary: nothing, stable: well }, phaseIs('succeeded'))
    expect(held.state.phase).not.toBe('succeeded')
  })

  it('takes a bad canary back within seconds and says why', async () => {
    const bench = await startBench(parts())
    await startRollout(bench)
    const record = await live(bench, 30, { canary: badly, stable: well }, phaseIs('reverted'))
    expect(record.state).toMatchObject({ phase: 'reverted', progress: { weight: 0, epoch: 2 } })
    expect(progressOf(record.state)?.startedAt).toBe(start)
    expect(record.updatedAt - start).toBeLessThan(10_000)
    const last = (await historyOf(bench)).at(-1)
    expect(last?.judgement).toMatchObject({ label: 'revert', reasons: [{ code: 'harm', metric: 'error_rate' }] })
    expect(last?.summary).toMatch(/error rate/i)
    expect(bench.notified.at(-1)).toMatchObject({ level: 'alert', sentence: expect.stringContaining('checkout-v2') })
    expect(record.wakeAt).toBeUndefined()
  })

  it('pauses where the guard says so, and still reverts for a worse one while paused', async () => {
    const bench = await startBench(parts())
    const guards = [{ metric: 'error_rate', worseThan: { relative: 1.5 }, action: 'pause' }]
    await startRollout(bench, { guards })
    const paused = await live(bench, 30, { canary: badly, stable: well }, phaseIs('paused'))
    expect(paused.state).toMatchObject({ phase: 'paused', progress: { weight: 50 } })
    expect(bench.notified.at(-1)?.level).toBe('alert')
    bench.breakers.open = 3
    bench.breakers.instances = 3
    const reverted = await live(bench, 3, { canary: badly, stable: well })
    expect(reverted.state.phase).toBe('reverted')
  })

  it('does not count a pause for the hold', async () => {
    const bench = await startBench(parts())
    await startRollout(bench, { guards: [] })
    await live(bench, 2, { canary: well, stable: well })
    must(await bench.engine.command('production', 'checkout-v2', { type: 'pause' }, by))
    await live(bench, 20, { canary: well, stable: well })
    must(await bench.engine.command('production', 'checkout-v2', { type: 'resume' }, by))
    const held = await live(bench, 2, { canary: well, stable: well })
    expect(progressOf(held.state)?.stage).toBe(0)
    const moved = await live(bench, 3, { canary: well, stable: well })
    expect(progressOf(moved.state)?.stage).toBe(1)
  })

  it('waits for an approval and goes on with it', async () => {
    const bench = await startBench(parts())
    await startRollout(bench, {
      guards: [],
      stages: [
        { name: 'half', weight: 50, hold: '5s', approval: true },
        { name: 'full', weight: 100 },
      ],
    })
    const waiting = await live(bench, 20, { canary: well, stable: well })
    expect(waiting.state.phase).toBe('awaiting-approval')
    must(await bench.engine.command('production', 'checkout-v2', { type: 'approve' }, by))
    expect((await rolloutOf(bench)).state).toMatchObject({ phase: 'running', progress: { stage: 1, weight: 100 } })
  })

  it('tells people once of a guard that only alerts, and goes on', async () => {
    const bench = await startBench(parts())
    await startRollout(bench, {
      stages: [
        { name: 'half', weight: 50, hold: '1m' },
        { name: 'full', weight: 100 },
      ],
      guards: [{ metric: 'error_rate', worseThan: { relative: 1.5 }, action: 'alert' }],
    })
    await live(bench, 15, { canary: badly, stable: well })
    expect((await rolloutOf(bench)).state.phase).toBe('running')
    expect(bench.notified.filter(({ level }) => level === 'warning')).toHaveLength(1)
    expect((await historyOf(bench)).filter(({ event }) => event === 'alert')).toHaveLength(1)
  })
})

describe('without evidence', () => {
  it('pauses a rollout that has no traffic when its longest hold is over, and says what is missing', async () => {
    const bench = await startBench(parts())
    await startRollout(bench, {
      guards: [],
      stages: [
        { name: 'half', weight: 50, maxHold: '20s' },
        { name: 'full', weight: 100 },
      ],
    })
    const before = await live(bench, 18, undefined)
    expect(before.state.phase).toBe('running')
    const after = await live(bench, 4, undefined)
    expect(after.state).toMatchObject({ phase: 'paused', why: expect.stringContaining('no SDK has reported') })
  })

  it('never takes a metric that nobody sends for a good one', async () => {
    const bench = await startBench(parts())
    await startRollout(bench, {
      stages: [
        { name: 'half', weight: 50, maxHold: '20s' },
        { name: 'full', weight: 100 },
      ],
      metrics: [{ key: 'purchase', kind: 'conversion', event: 'purchase' }],
      guards: [],
      gates: [{ metric: 'purchase', noWorseThan: { relative: 0.9 } }],
    })
    const record = await live(bench, 30, { canary: well, stable: well })
    expect(record.state).toMatchObject({ phase: 'paused', progress: { stage: 0 } })
    expect(record.state).toMatchObject({ why: expect.stringContaining('purchase') })
  })

  it('is not judged again while nothing happens', async () => {
    const bench = await startBench(parts())
    await startRollout(bench, {
      stages: [
        { name: 'half', weight: 50, maxHold: '10h', hold: '2h' },
        { name: 'full', weight: 100 },
      ],
    })
    const { id } = await rolloutOf(bench)
    await live(bench, 3, undefined)
    const first = (await bench.storage.judge.get(id))?.judgement?.at
    await live(bench, 40, undefined)
    expect((await bench.storage.judge.get(id))?.judgement?.at).toBe(first)
    await live(bench, 25, undefined)
    expect((await bench.storage.judge.get(id))?.judgement?.at).toBeGreaterThan(first as number)
  })
})

describe('time', () => {
  it('starts a scheduled rollout when it is due', async () => {
    const bench = await startBench(parts())
    must(await bench.engine.create('production', rolloutFile(), by))
    const at = start + 3_600_000
    const scheduled = must(await bench.engine.command('production', 'checkout-v2', { type: 'start', at }, by))
    expect(scheduled.wakeAt).toBe(at)
    await bench.clock.advance(3_599_000)
    await bench.engine.idle()
    expect((await rolloutOf(bench)).state.phase).toBe('scheduled')
    await bench.clock.advance(1001)
    await bench.engine.idle()
    const record = await rolloutOf(bench)
    expect(record).toMatchObject({ state: { phase: 'running', progress: { epoch: 1 } }, runEpoch: 1 })
    expect(bench.published.length).toBeGreaterThanOrEqual(2)
  })

  it('set forward by hours does not cut a hold by more than half', async () => {
    const bench = await startBench(parts())
    await startRollout(bench, {
      guards: [],
      stages: [
        { name: 'half', weight: 50, hold: '20s' },
        { name: 'full', weight: 100 },
      ],
    })
    await live(bench, 2, { canary: well, stable: well })
    bench.clock.jump(5 * 3_600_000)
    expect(progressOf((await live(bench, 6, { canary: well, stable: well })).state)?.stage).toBe(0)
  })

  it('set back by hours stops neither the looks nor the outbox', async () => {
    const bench = await startBench(parts())
    await startRollout(bench)
    await live(bench, 2, { canary: well, stable: well })
    bench.clock.jump(-5 * 3_600_000)
    bench.breakers.open = 2
    bench.breakers.instances = 2
    const record = await live(bench, 5, undefined)
    expect(record.state.phase).toBe('reverted')
    expect(bench.notified.at(-1)?.level).toBe('alert')
  })

  it('ends a dismissal: the guard counts again', async () => {
    const bench = await startBench(parts())
    await startRollout(bench, {
      stages: [
        { name: 'half', weight: 50, hold: '1m' },
        { name: 'full', weight: 100 },
      ],
    })
    const until = start + 12_000
    must(await bench.engine.command('production', 'checkout-v2', { type: 'dismiss', metric: 'error_rate', until }, by))
    const ignored = await live(bench, 11, { canary: badly, stable: well }, (record) => record.state.phase !== 'running')
    expect(ignored.state.phase).toBe('running')
    const record = await live(bench, 5, { canary: badly, stable: well })
    expect(record.state.phase).toBe('reverted')
  })
})
