import { describe, expect, it } from 'vitest'
import { createConvergenceLog } from './convergence.ts'

describe('receipts', () => {
  it('tell how long a version took to reach everybody', () => {
    const log = createConvergenceLog()
    const instances = Array.from({ length: 100 }, (_, i) => `instance-${i}`)
    log.published(7, 1_700_000_000_000, 1000, instances)
    for (const [i, instance] of instances.entries()) log.applied(instance, 7, 1000 + i + 1)
    expect(log.list()).toEqual([
      {
        version: 7,
        publishedAt: 1_700_000_000_000,
        instances: 100,
        applied: 100,
        p50Ms: 50,
        p99Ms: 99,
        lastMs: 100,
        behind: [],
      },
    ])
  })

  it('name who is behind', () => {
    const log = createConvergenceLog()
    log.published(1, 0, 0, ['a', 'b', 'c'])
    log.applied('b', 1, 4)
    expect(log.list()[0]).toMatchObject({ instances: 3, applied: 1, lastMs: 4, behind: ['a', 'c'] })
  })

  it('of a version confirm those before it, which were sent together with it', () => {
    const log = createConvergenceLog()
    log.published(1, 0, 0, ['a', 'b'])
    log.published(2, 0, 10, ['a', 'b'])
    log.published(3, 0, 20, ['a', 'b'])
    log.applied('a', 2, 30)
    log.applied('b', 3, 40)
    expect(log.list().map(({ version, applied, lastMs, behind }) => ({ version, applied, lastMs, behind }))).toEqual([
      { version: 3, applied: 1, lastMs: 20, behind: ['a'] },
      { version: 2, applied: 2, lastMs: 30, behind: [] },
      { version: 1, applied: 2, lastMs: 40, behind: [] },
    ])
  })

  it('count once, and only from those who were there', () => {
    const log = createConvergenceLog()
    log.published(1, 0, 0, ['a'])
    log.applied('a', 1, 1)
    log.applied('a', 1, 99)
    log.applied('late', 1, 99)
    expect(log.list()[0]).toMatchObject({ instances: 1, applied: 1, lastMs: 1 })
  })

  it('are not waited for from who left', () => {
    const log = createConvergenceLog()
    log.published(1, 0, 0, ['a', 'b'])
    log.published(2, 0, 0, ['a', 'b'])
    log.applied('a', 2, 5)
    log.left('a')
    log.left('b')
    expect(log.list()).toMatchObject([
      { version: 2, instances: 1, applied: 1, behind: [] },
      { version: 1, instances: 1, applied: 1, behind: [] },
    ])
  })

  it('are kept for the newest 100 versions, and name at most 100 who are behind', () => {
    const log = createConvergenceLog()
    const instances = Array.from({ length: 150 }, (_, i) => `instance-${i}`)
    for (let version = 1; version <= 120; version++) log.published(version, 0, 0, instances)
    expect(log.list()).toHaveLength(100)
    expect(log.list().at(-1)?.version).toBe(21)
    expect(log.list()[0]?.behind).toHaveLength(100)
  })
})
