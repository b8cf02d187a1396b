import { createFakeClock, seededRandom } from '@pipit/shared/testing'
import { describe, expect, it } from 'vitest'
import type { Storage } from '../storage/ports.ts'
import { openSqlite } from '../storage/sqlite/index.ts'
import { by, createBench, must, start } from './bench.ts'
import { createMemberLists } from './member-lists.ts'
import { readRuleset } from './read-ruleset.ts'

describe('the ruleset that is read', () => {
  it('is of one version, also where a change comes while it is read', async () => {
    const storage = openSqlite({ file: ':memory:' })
    const { engine } = createBench({ clock: createFakeClock(start), storage, random: seededRandom(1) })
    must(await engine.createEnvironment('production', by))
    must(await engine.createCohort('production', { key: 'beta', members: ['a'] }, by))
    let changes = 1
    const overtaken: Storage = {
      ...storage,
      metrics: {
        ...storage.metrics,
        list: async (environment) => {
          if (changes-- > 0) must(await engine.changeMembers(environment, 'beta', { add: ['b'] }, by))
          return await storage.metrics.list(environment)
        },
      },
    }
    const ruleset = await readRuleset(overtaken, createMemberLists({ storage }), 'production')
    expect(ruleset.version).toBe((await storage.environments.get('production'))?.rulesetVersion)
    expect(ruleset.cohorts.beta?.members?.count).toBe(2)
  })

  it('is read in the end, also where changes never cease', async () => {
    const storage = openSqlite({ file: ':memory:' })
    const { engine } = createBench({ clock: createFakeClock(start), storage, random: seededRandom(1) })
    must(await engine.createEnvironment('production', by))
    let ids = 0
    const overtaken: Storage = {
      ...storage,
      metrics: {
        ...storage.metrics,
        list: async (environment) => {
          must(await engine.putCohort(environment, { key: 'beta', members: [`user-${ids++}`] }, by))
          return await storage.metrics.list(environment)
        },
      },
    }
    const ruleset = await readRuleset(overtaken, createMemberLists({ storage }), 'production')
    expect(ruleset.cohorts.beta?.members?.count).toBe(1)
    await expect(readRuleset(storage, createMemberLists({ storage }), 'nowhere')).rejects.toThrow(
      'there is no environment "nowhere"',
    )
  })
})
