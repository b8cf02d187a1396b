import { createFakeClock, seededRandom } from '@pipit/shared/testing'
import { describe, expect, it } from 'vitest'
import { live, rolloutOf, startBench, startRollout, well } from '../engine/bench.ts'
import { openSqlite } from '../storage/sqlite/index.ts'
import { createIngest } from './ingest.ts'

const depth = { key: 'queue-depth', kind: 'external', better: 'lower' }
const guards = [{ metric: 'queue-depth', worseThan: { relative: 1.1 }, never: { above: 500 }, action: 'revert' }]

async function setup() {
  const clock = createFakeClock(1_700_000_000_000)
  const storage = openSqlite({ file: ':memory:' })
  const bench = await startBench({ clock, storage, random: seededRandom(2) })
  const ingest = createIngest({ storage, clock })
  const tell = (canary: number, stable: number) =>
    ingest.observe('production', 'checkout-v2', [
      { metric: 'queue-depth', variant: 'canary', value: canary },
      { metric: 'queue-depth', variant: 'stable', value: stable },
    ])
  return { bench, storage, ingest, tell }
}

describe('figures that somebody else measures', () => {
  it('take back a canary that is worse by them', async () => {
    const { bench, tell } = await setup()
    await startRollout(bench, { metrics: [depth], guards })
    for (let second = 0; second < 90; second++) {
      await tell(120 + second / 100, 80)
      await live(bench, 1, { canary: well, stable: well })
    }
    const { state } = await rolloutOf(bench)
    expect(state.phase).toBe('reverted')
    expect(state.phase === 'reverted' ? state.why : '').toContain('Queue-depth: 120')
  })

  it('let a canary go on that is no worse', async () => {
    const { bench, tell } = await setup()
    await startRollout(bench, { metrics: [depth], guards })
    for (let second = 0; second < 110; second++) {
      await tell(80 + (second % 7), 80 + (second % 5))
      await live(bench, 1, { canary: well, stable: well })
    }
    expect((await rolloutOf(bench)).state.phase).not.toBe('reverted')
  })

  it('are refused whole where one of them cannot be, with its path', async () => {
    const { bench, ingest, storage, tell } = await setup()
    expect(await tell(1, 2)).toMatchObject({ code: 'not-found', message: expect.stringContaining('checkout-v2') })
    await startRollout(bench, { metrics: [depth], guards })
    const fault = await ingest.observe('production', 'checkout-v2', [
      { metric: 'queue-depth', variant: 'canary', value: 1 },
      { metric: 'queue', variant: 'canary', value: 1 },
      { metric: 'queue-depth', variant: 'kanary', value: 1 },
    ])
    expect(fault).toEqual({
      code: 'invalid',
      issues: [
        {
          path: 'observations[1].metric',
          message: '"queue" is no external metric of checkout-v2; there are: queue-depth',
        },
        { path: 'observations[2].variant', message: 'there is no variant "kanary"; there are stable, canary' },
      ],
    })
    const { id } = await rolloutOf(bench)
    expect(await storage.evidence.ticks(id, { fromEpoch: 0, after: -1, through: 1e12 })).toEqual([])
  })
})
