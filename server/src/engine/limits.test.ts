import { LatencySketch } from '@pipit/shared/sketch'
import { createFakeClock, seededRandom } from '@pipit/shared/testing'
import { describe, expect, it } from 'vitest'
import { progressOf } from '../rollout/index.ts'
import type { RolloutRecord } from '../storage/ports.ts'
import { openSqlite } from '../storage/sqlite/index.ts'
import {
  type ArmTraffic,
  type Bench,
  by,
  historyOf,
  live,
  must,
  rolloutFile,
  start,
  startBench,
  startRollout,
} from './bench.ts'

const guard = { metric: 'latency_p99', worseThan: { relative: 2 }, action: 'revert' }
const stages = [
  { name: 'ten', weight: 10, hold: '6s', maxHold: '5m' },
  { name: 'half', weight: 50, hold: '1h' },
  { name: 'full', weight: 100 },
]

async function setup(): Promise<Bench> {
  const storage = openSqlite({ file: ':memory:' })
  const bench = await startBench({ clock: createFakeClock(start), storage, random: seededRandom(3) })
  await startRollout(bench, { stages, guards: [guard] })
  return bench
}

/** A second of requests that last 10 ms, and one in a hundred `slowMs`. */
function requests(n: number, slowMs: number, over: readonly number[]): ArmTraffic {
  const sketch = new LatencySketch()
  for (let i = 0; i < n; i++) sketch.add(i % 100 < 2 ? slowMs : 10)
  return { n, errorRate: 0, over, latency: sketch.encode() }
}

const steady = { canary: requests(100, 100, [0.01, 0.002]), stable: requests(900, 100, [0.01, 0.002]) }
const limitsOf = ({ state }: RolloutRecord) => progressOf(state)?.thresholds

describe('latency limits', () => {
  it('are fixed once stable has shown enough: its quantile, and the margin times it', async () => {
    const bench = await setup()
    const early = await live(bench, 1, steady)
    expect(limitsOf(early)).toEqual({ version: 0, ms: [] })
    const fixed = await live(bench, 3, steady)
    const limits = limitsOf(fixed)
    expect(limits?.version).toBe(1)
    expect(limits?.ms[0]).toBeGreaterThan(99)
    expect(limits?.ms[0]).toBeLessThan(103)
    expect(limits?.ms[1]).toBeCloseTo(2 * (limits?.ms[0] as number))
    const [, , event] = await historyOf(bench)
    expect(event).toMatchObject({ event: 'thresholds-fixed', actor: { kind: 'engine' } })
    expect(bench.published.length).toBeGreaterThan(1)
  })

  it('of a new stage come from the one before it, in the change that begins it', async () => {
    const bench = await setup()
    await live(bench, 4, steady)
    const slower = { canary: requests(100, 300, [0.01, 0.002]), stable: requests(900, 300, [0.01, 0.002]) }
    const inHalf = ({ state }: RolloutRecord) => progressOf(state)?.stage === 1
    const record = await live(bench, 300, slower, inHalf)
    expect(progressOf(record.state)?.stage).toBe(1)
    expect(limitsOf(record)?.version).toBe(2)
    expect(limitsOf(record)?.ms[0]).toBeGreaterThan(290)
  })

  it('are fixed anew when another latency is compared', async () => {
    const bench = await setup()
    await live(bench, 4, steady)
    const file = rolloutFile({ stages, guards: [{ ...guard, metric: 'latency_p50' }] })
    const edited = must(await bench.engine.edit('production', 'checkout-v2', file, by))
    expect(limitsOf(edited)).toEqual({ version: 1, ms: [] })
    const record = await live(bench, 2, steady)
    expect(limitsOf(record)?.version).toBe(2)
    expect(limitsOf(record)?.ms[0]).toBeLessThan(11)
  })

  it('show a canary with a slow tail, which is taken back', async () => {
    const bench = await setup()
    await live(bench, 4, steady)
    const slow = { canary: requests(100, 400, [0.08, 0.06]), stable: requests(900, 100, [0.01, 0.002]) }
    const record = await live(bench, 30, slow, ({ state }) => state.phase === 'reverted')
    expect(record.state).toMatchObject({ phase: 'reverted', why: expect.stringMatching(/p99/) })
  })

  it('in milliseconds hold from the first moment, the others join them when they are known', async () => {
    const storage = openSqlite({ file: ':memory:' })
    const bench = await startBench({ clock: createFakeClock(start), storage, random: seededRandom(3) })
    await startRollout(bench, { stages, guards: [{ ...guard, never: { above: 800 } }] })
    const first = await live(bench, 1, { canary: requests(100, 100, [0]), stable: requests(900, 100, [0]) })
    expect(limitsOf(first)).toEqual({ version: 1, ms: [800] })
    const later = await live(bench, 3, { canary: requests(100, 100, [0]), stable: requests(900, 100, [0]) })
    expect(limitsOf(later)?.version).toBe(2)
    expect(limitsOf(later)?.ms).toHaveLength(3)
    expect(limitsOf(later)?.ms[0]).toBe(800)
  })

  it('take back a canary that is beyond them, whatever stable does', async () => {
    const storage = openSqlite({ file: ':memory:' })
    const bench = await startBench({ clock: createFakeClock(start), storage, random: seededRandom(3) })
    const never = { metric: 'latency_p99', never: { above: 800 }, action: 'revert' }
    await startRollout(bench, { stages, guards: [never] })
    await live(bench, 1, { canary: requests(100, 100, [0]), stable: requests(900, 100, [0]) })
    const slow = { canary: requests(100, 900, [0.06]), stable: requests(900, 100, [0.002]) }
    const record = await live(bench, 60, slow, ({ state }) => state.phase === 'reverted')
    expect(record.state).toMatchObject({ phase: 'reverted', why: expect.stringContaining('took longer than 800 ms') })
  })
})
