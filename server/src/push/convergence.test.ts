import { describe, expect, it } from 'vitest'
import { type ConvergenceLog, createConvergenceLog } from './convergence.ts'

const limits = { unreachedMs: 600_000, maxSockets: 1000 }

/** A log with instances that decide by version 0, which nobody published. */
function logOf(...instances: string[]): ConvergenceLog {
  const log = createConvergenceLog(limits)
  for (const instance of instances) log.came(instance, 0, 0)
  return log
}
const newest = (log: ConvergenceLog, now = 0) => log.list(now)[0]

describe('receipts', () => {
  it('tell how long a version took to reach everybody', () => {
    const instances = Array.from({ length: 100 }, (_, i) => `instance-${i}`)
    const log = logOf(...instances)
    log.published(7, 1_700_000_000_000, 1000)
    for (const [i, instance] of instances.entries()) log.applied(instance, 7, 1000 + i + 1)
    expect(log.list(5000)).toEqual([
      {
        version: 7,
        publishedAt: 1_700_000_000_000,
        complete: true,
        instances: 100,
        applied: 100,
        p50Ms: 50,
        p99Ms: 99,
        lastMs: 100,
        behind: [],
        unreached: [],
        unreachedCount: 0,
        givenUp: 0,
      },
    ])
  })

  it('name who is behind, by which version it decides and since when it should not', () => {
    const log = logOf('a', 'b', 'c')
    log.published(1, 0, 0)
    log.applied('a', 1, 4)
    log.applied('b', 1, 4)
    log.published(2, 0, 100)
    log.published(3, 0, 200)
    log.applied('b', 3, 210)
    expect(newest(log, 500)).toMatchObject({
      ...{ version: 3, complete: false, instances: 3, applied: 1, lastMs: 10 },
      behind: [
        { instance: 'c', version: 0, sinceMs: 500 },
        { instance: 'a', version: 1, sinceMs: 400 },
      ],
    })
    log.applied('a', 2, 600)
    expect(newest(log, 700)?.behind.at(-1)).toEqual({ instance: 'a', version: 2, sinceMs: 500 })
  })

  it('of a version confirm those before it, which were sent together with it', () => {
    const log = logOf('a', 'b')
    log.published(1, 0, 0)
    log.published(2, 0, 10)
    log.published(3, 0, 20)
    log.applied('a', 2, 30)
    log.applied('b', 3, 40)
    expect(
      log.list(50).map(({ version, applied, lastMs, behind }) => [version, applied, lastMs, behind.length]),
    ).toEqual([
      [3, 1, 20, 1],
      [2, 2, 30, 0],
      [1, 2, 40, 0],
    ])
  })

  it('count once, and only from those who were there', () => {
    const log = logOf('a')
    log.published(1, 0, 0)
    log.applied('a', 1, 1)
    log.applied('a', 1, 99)
    log.applied('late', 1, 99)
    expect(newest(log)).toMatchObject({ instances: 1, applied: 1, lastMs: 1 })
  })

  it('are not waited for from who said goodbye', () => {
    const log = logOf('a', 'b')
    log.published(1, 0, 0)
    log.published(2, 0, 0)
    log.applied('a', 2, 5)
    log.left('a', 'ended', 6)
    log.left('b', 'ended', 6)
    expect(log.list(7)).toMatchObject([
      { version: 2, complete: true, instances: 1, applied: 1, behind: [], unreached: [] },
      { version: 1, complete: true, instances: 1, applied: 1, behind: [], unreached: [] },
    ])
  })

  it('are kept for the newest 100 versions, and name at most 100 of each kind', () => {
    const log = logOf(...Array.from({ length: 300 }, (_, i) => `instance-${i}`))
    for (let version = 1; version <= 120; version++) log.published(version, 0, 0)
    for (let i = 0; i < 150; i++) log.left(`instance-${i}`, 'lost', 0)
    expect(log.list(0)).toHaveLength(100)
    expect(log.list(0).at(-1)?.version).toBe(21)
    expect(newest(log)).toMatchObject({ instances: 300, unreachedCount: 150 })
    expect(newest(log)?.behind).toHaveLength(100)
    expect(newest(log)?.unreached).toHaveLength(100)
  })
})

describe('an instance that was lost', () => {
  it('before it confirmed a version is named as not reached, and the version is not complete', () => {
    const log = logOf('a', 'b')
    log.published(1, 0, 0)
    log.applied('a', 1, 3)
    log.left('b', 'lost', 10)
    expect(newest(log, 60)).toMatchObject({
      ...{ complete: false, instances: 2, applied: 1, behind: [], unreachedCount: 1 },
      unreached: [{ instance: 'b', version: 0, sinceMs: 50 }],
    })
  })

  it('before a version was published is not reached by it either', () => {
    const log = logOf('a')
    log.published(1, 0, 0)
    log.applied('a', 1, 3)
    log.left('a', 'lost', 10)
    log.published(2, 0, 20)
    expect(log.list(30)).toMatchObject([
      { version: 2, complete: false, unreached: [{ instance: 'a', version: 1, sinceMs: 20 }] },
      { version: 1, complete: true, unreached: [] },
    ])
  })

  it('is waited for again when it comes back, and reached when it says so or holds it already', () => {
    const log = logOf('a', 'b')
    log.published(1, 0, 0)
    log.left('a', 'lost', 10)
    log.left('b', 'lost', 10)
    log.came('a', 0, 50)
    log.came('b', 1, 60)
    expect(newest(log, 70)).toMatchObject({ behind: [{ instance: 'a' }], unreachedCount: 0, applied: 1, lastMs: 60 })
    log.applied('a', 1, 80)
    expect(newest(log, 90)).toMatchObject({ complete: true, instances: 2, applied: 2, lastMs: 80 })
  })

  it('is given up when it is gone for too long, and counted as that', () => {
    const log = logOf('a')
    log.published(1, 0, 0)
    log.left('a', 'lost', 10)
    log.expire(600_010)
    expect(newest(log)).toMatchObject({ unreachedCount: 1, givenUp: 0 })
    log.expire(600_011)
    expect(newest(log)).toMatchObject({ complete: true, instances: 0, unreachedCount: 0, givenUp: 1 })
    log.published(2, 0, 700_000)
    expect(newest(log)).toMatchObject({ version: 2, instances: 0 })
  })

  it('is given up early when more are gone than are remembered', () => {
    const log = logOf(...Array.from({ length: 1001 }, (_, i) => `instance-${i}`))
    log.published(1, 0, 0)
    for (let i = 0; i <= 1000; i++) log.left(`instance-${i}`, 'lost', 1)
    expect(newest(log)).toMatchObject({ unreachedCount: 1000, givenUp: 1 })
  })
})

describe('an instance that comes with an old version', () => {
  it('is waited for, in no percentile', () => {
    const log = logOf('a')
    log.published(1, 0, 0)
    log.published(2, 0, 10)
    log.applied('a', 2, 15)
    log.came('late', 1, 1000)
    expect(log.list(1100)).toMatchObject([
      { version: 2, complete: false, instances: 2, behind: [{ instance: 'late', version: 1, sinceMs: 100 }] },
      { version: 1, complete: true, instances: 1 },
    ])
    log.applied('late', 2, 1200)
    expect(newest(log)).toMatchObject({ complete: true, instances: 2, applied: 2, lastMs: 5 })
    log.published(3, 0, 2000)
    log.applied('late', 3, 2007)
    expect(newest(log)).toMatchObject({ applied: 1, lastMs: 7 })
  })

  it('is not, where it holds the newest or none', () => {
    const log = logOf('a')
    log.published(1, 0, 0)
    log.applied('a', 1, 5)
    log.came('b', 1, 6)
    log.came('c', 0, 6)
    expect(newest(log)).toMatchObject({ complete: true, instances: 1 })
  })
})

it('counts agree with who is named, whatever happens in whatever order', () => {
  let seed = 7
  const below = (n: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((seed / 2_147_483_648) * n)
  }
  const log = createConvergenceLog({ unreachedMs: 50, maxSockets: 5 })
  for (let now = 0, version = 0; now < 5000; now++) {
    const instance = `instance-${below(12)}`
    const what = below(10)
    if (what === 0) log.published(++version, 0, now)
    else if (what < 4) log.came(instance, below(version + 1), now)
    else if (what < 8) log.applied(instance, below(version + 1), now)
    else if (what === 8) log.left(instance, below(3) === 0 ? 'ended' : 'lost', now)
    else log.expire(now)
    for (const each of log.list(now)) {
      expect(each.behind).toHaveLength(each.instances - each.applied - each.unreachedCount)
      expect(each.unreached).toHaveLength(each.unreachedCount)
      expect(each.complete).toBe(each.instances === each.applied)
    }
  }
})
