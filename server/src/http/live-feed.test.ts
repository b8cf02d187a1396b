import { createFakeClock } from '@pipit/shared/testing'
import { describe, expect, it } from 'vitest'
import type { RolloutRecord } from '../storage/ports.ts'
import { createLiveFeed, type LiveEvent } from './live-feed.ts'

const record = (key: string, weight: number): RolloutRecord => ({
  ...{ id: key, environment: 'production', key, version: 1, runEpoch: 0, createdAt: 0, updatedAt: 0 },
  definition: {
    ...{ key, variants: [], rules: [], guards: [], gates: [], metrics: [], stages: [] },
    ...{ revertTo: 'zero', onInconclusive: 'pause', breaker: true, unitSample: 1, slices: [] },
    checks: {
      ...{ sampleRatio: 'pause', missingReports: 'pause', bothArms: 'pause', tooFewUnits: 'hold' },
      ...{ staleEvidence: 'hold', noData: 'hold', sharedIncident: 'hold' },
    },
    analysis: { tickMs: 5000, alpha: 0.01, warmupMs: 0, armNoise: 0, maxMargin: 3 },
  },
  state: {
    phase: 'running',
    progress: {
      ...{ salt: 's', epoch: 1, stage: 0, weight, startedAt: 0, stageStartedAt: 0, pausedMs: 0 },
      ...{ overrides: {}, dismissed: {}, thresholds: { version: 0, ms: [] } },
    },
  },
})

function setup() {
  const clock = createFakeClock(1_000_000)
  const world = { rollouts: [record('a', 5), record('b', 10)], fails: false, looks: 0 }
  const list = (): Promise<readonly RolloutRecord[]> => {
    world.looks++
    return world.fails ? Promise.reject(new Error('disk full')) : Promise.resolve(world.rollouts)
  }
  const feed = createLiveFeed({
    storage: { rollouts: { list }, judge: { get: () => Promise.resolve(undefined) } },
    hub: { convergence: () => [], instances: () => [] },
    clock,
    log: { warn: () => undefined },
  })
  const watch = () => {
    const heard: LiveEvent[] = []
    const names = () => heard.map(({ event, data }) => `${event} ${JSON.parse(data).key ?? ''}`.trim())
    return { names, heard, leave: feed.watch('production', (events) => heard.push(...events)) }
  }
  return { clock, world, feed, watch }
}

describe('the live feed', () => {
  it('tells a watcher the whole picture, and then only what changes', async () => {
    const { clock, world, watch } = setup()
    const page = watch()
    await clock.runUntilIdle()
    expect(page.names()).toEqual(['rollout a', 'rollout b', 'instances', 'ready'])
    await clock.advance(3000)
    expect(page.heard).toHaveLength(4)
    world.rollouts = [record('a', 50), record('b', 10)]
    await clock.advance(1000)
    expect(page.names().slice(4)).toEqual(['rollout a'])
    world.rollouts = [record('a', 50)]
    await clock.advance(1000)
    expect(page.names().slice(5)).toEqual(['removed b'])
  })

  it('tells a later watcher the whole picture without telling others twice', async () => {
    const { clock, watch } = setup()
    const first = watch()
    await clock.runUntilIdle()
    const second = watch()
    await clock.runUntilIdle()
    expect(second.names()).toEqual(first.names())
    expect(first.heard).toHaveLength(4)
  })

  it('tells the whole picture once storage works again', async () => {
    const { clock, world, watch } = setup()
    world.fails = true
    const page = watch()
    await clock.advance(2000)
    expect(page.heard).toEqual([])
    world.fails = false
    await clock.advance(1000)
    expect(page.names().at(-1)).toBe('ready')
  })

  it('looks at storage once a second however many watch, and not at all when nobody does', async () => {
    const { clock, world, feed, watch } = setup()
    const pages = [watch(), watch(), watch()]
    await clock.runUntilIdle()
    const before = world.looks
    await clock.advance(5000)
    expect(world.looks - before).toBe(5)
    for (const page of pages) page.leave()
    expect(feed.watchers).toBe(0)
    await clock.advance(5000)
    expect(world.looks - before).toBe(5)
  })
})
