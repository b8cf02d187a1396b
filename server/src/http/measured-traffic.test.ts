import { describe, expect, it } from 'vitest'
import type { Tick } from '../analysis/index.ts'
import { parseRollout } from '../rollout/index.ts'
import type { RolloutRecord } from '../storage/ports.ts'
import { measuredTraffic } from './measured-traffic.ts'

const parsed = parseRollout({
  key: 'x',
  stages: [
    { name: 'a', weight: 50 },
    { name: 'b', weight: 100 },
  ],
})
if (!parsed.ok) throw new Error('the rollout is valid')
const record = { id: 'r', runEpoch: 0, definition: parsed.definition } as RolloutRecord

const arm = (n: number, failed: number, exposed: number) => ({
  n,
  failed,
  timed: 0,
  over: [],
  exposed,
  conversions: { buy: { atRisk: exposed, converted: exposed / 2 } },
})
const tick = (at: number): Tick => ({
  epoch: 0,
  tick: at,
  thresholdsVersion: 0,
  canary: arm(100, 9, 10),
  stable: arm(300, 3, 30),
  forcedCanary: { n: 0, failed: 0, exposed: 0 },
})
const evidence = (ticks: readonly Tick[]) => ({ ticks: async () => ticks, latency: async () => undefined })

describe('traffic by the evidence', () => {
  it('is that of both arms per second, with the figures of stable', async () => {
    const found = await measuredTraffic(evidence([1, 2, 3, 4].map(tick)), record, 100_000)
    expect(found).toEqual({
      requestsPerSecond: 80,
      usersPerSecond: 8,
      errorRate: 0.01,
      metrics: { buy: { rate: 0.5 } },
    })
  })

  it('is not known from nothing or from a moment', async () => {
    expect(await measuredTraffic(evidence([]), record, 100_000)).toBeUndefined()
    expect(await measuredTraffic(evidence([tick(1)]), record, 100_000)).toBeUndefined()
  })
})
