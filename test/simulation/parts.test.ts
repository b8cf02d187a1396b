import type { Tick } from '@pipit/server/analysis'
import { seededRandom } from '@pipit/shared/testing'
import { describe, expect, it } from 'vitest'
import { geometric, poisson } from './draws.ts'
import { slowerThan } from './latency.ts'
import { createRivals } from './rivals.ts'
import { upperBound } from './summary.ts'
import { createTraffic } from './traffic.ts'
import { createUsers } from './users.ts'
import { harm, harmlessWorlds, plain } from './worlds.ts'

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

describe('what the simulator is made of', () => {
  it('bounds a share from above as Clopper and Pearson do', () => {
    expect(upperBound(0, 2000)).toBeCloseTo(1 - 0.05 ** (1 / 2000), 8)
    expect(upperBound(10, 100)).toBeCloseTo(0.16372, 4)
    expect(upperBound(5, 5)).toBe(1)
  })

  it('draws Poisson and geometric numbers of the wanted mean', () => {
    const random = seededRandom(1)
    for (const wanted of [0.3, 8, 200]) {
      const drawn = Array.from({ length: 20_000 }, () => poisson(wanted, random))
      expect(Math.abs(mean(drawn) - wanted)).toBeLessThan(4 * Math.sqrt(wanted / 20_000))
    }
    expect(mean(Array.from({ length: 20_000 }, () => geometric(8, random)))).toBeCloseTo(8, 0)
  })

  it('knows how many latencies are above a limit', () => {
    const latency = { medianMs: 40, sigma: 0.6 }
    expect(slowerThan(latency, 40, 1, { scale: 1, tail: 1 })).toBeCloseTo(0.5, 7)
    expect(slowerThan(latency, 60, 1, { scale: 1.5, tail: 1 })).toBeCloseTo(0.5, 7)
    // What is slower than the 90th percentile moves away from it, and nothing else does.
    const p90 = 40 * Math.exp(0.6 * 1.2815515655446004)
    expect(slowerThan(latency, p90 * 1.4, 1, { scale: 1, tail: 1.5 })).toBeCloseTo(0.1, 6)
    expect(slowerThan(latency, 50, 1, { scale: 1, tail: 1.5 })).toBe(slowerThan(latency, 50, 1, { scale: 1, tail: 1 }))
  })

  it('draws users by their activity', () => {
    const users = createUsers({ users: 200, activity: 1.5, errors: 0.5, latency: 0 }, seededRandom(2))
    const counts = new Array<number>(users.count).fill(0)
    const draws = 200_000
    let errors = 0
    for (let i = 0; i < draws; i++) {
      const user = users.next()
      counts[user] = (counts[user] ?? 0) + 1
      errors += users.errors[user] ?? 0
    }
    expect(Math.max(...counts) / (Math.min(...counts) + 1)).toBeGreaterThan(100)
    // The mean request has the world's error rate.
    expect(errors / draws).toBeCloseTo(1, 1)
  })

  it('draws traffic whose rates are the world’s, in the ticks as in the tables of users', () => {
    const traffic = createTraffic({ ...plain, harm: harm({ errors: 2 }) }, seededRandom(3))
    const thresholds = { version: 1, ms: [40, 60] }
    const ticks = Array.from(
      { length: 60 },
      (_, tick) => traffic.tick({ tick, epoch: 1, stage: 0, weight: 25, thresholds }).drawn,
    )
    const sum = (of: (tick: Tick) => number): number => ticks.reduce((total, tick) => total + of(tick), 0)
    const canary = sum((tick) => tick.canary.n)
    expect(canary / (canary + sum((tick) => tick.stable.n))).toBeCloseTo(0.25, 1)
    expect(sum((tick) => tick.canary.failed) / canary).toBeCloseTo(0.02, 2)
    expect(sum((tick) => tick.canary.over[0] ?? 0) / canary).toBeCloseTo(0.5, 1)
    const table = traffic.buckets()[0]?.canary
    expect(table?.n.reduce((total, n) => total + n, 0)).toBe(canary)
    expect(table?.failed.reduce((total, n) => total + n, 0)).toBe(sum((tick) => tick.canary.failed))
    expect(traffic.canaryRequests).toBe(canary)
  })

  it('holds late reports back for a tick and loses none of them', () => {
    const world = { ...harmlessWorlds['errors 1 %'], reports: { late: 0.3, lost: 0, doubled: 0 } }
    const traffic = createTraffic(world, seededRandom(4))
    let counted = 0
    for (let tick = 0; tick < 20; tick++) {
      const stage = tick < 10 ? 0 : 1
      const thresholds = { version: 0, ms: [] }
      const { drawn, late } = traffic.tick({ tick, epoch: stage + 1, stage, weight: 5, thresholds })
      for (const { canary, stable } of [...late, drawn]) counted += canary.n + stable.n
    }
    const drawn = traffic.buckets().reduce((total, { canary, stable }) => {
      const requests = [...canary.n, ...stable.n]
      return total + requests.reduce((sum, n) => sum + n, 0)
    }, 0)
    // Only what the last tick held back is still out.
    expect(drawn - counted).toBeGreaterThan(0)
    expect(drawn - counted).toBeLessThan(0.05 * drawn)
  })
})

describe('the competitors', () => {
  const tick = (x1: number, n1: number, x0: number, n0: number): Tick => ({
    ...{ tick: 0, epoch: 1, thresholdsVersion: 0, forcedCanary: { n: 0, failed: 0, exposed: 0 } },
    canary: { n: n1, failed: x1, timed: 0, over: [], exposed: 0, conversions: {} },
    stable: { n: n0, failed: x0, timed: 0, over: [], exposed: 0, conversions: {} },
  })
  const looksUntil = (name: 'twice' | 'minute' | 'z' | 'kayenta' | 'matched', each: Tick): number => {
    const rival = createRivals(() => ({ stable: 0.01, canary: 0.02, weight: 0.7 }))[name]
    for (let look = 1; look <= 200; look++) if (rival(each, 0)) return look
    return Number.POSITIVE_INFINITY
  }

  it('take a canary back with three times the errors, each in its time', () => {
    const bad = tick(3, 50, 20, 1000)
    expect(looksUntil('twice', bad)).toBe(2)
    expect(looksUntil('minute', bad)).toBe(1)
    expect(looksUntil('z', bad)).toBe(2)
    // Five points of 30 s on each side are the fewest that an interval of 98 % can be had from; it looks every minute.
    expect(looksUntil('kayenta', bad)).toBe(36)
    // 1.03 nats a tick of the 4.95 it needs.
    expect(looksUntil('matched', bad)).toBe(5)
  })

  it('leave an equal one alone', () => {
    const fine = tick(1, 100, 10, 1000)
    for (const name of ['twice', 'minute', 'z', 'kayenta', 'matched'] as const)
      expect(looksUntil(name, fine)).toBe(Number.POSITIVE_INFINITY)
  })
})
