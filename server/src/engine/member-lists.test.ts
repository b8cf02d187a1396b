import { prepareHash64 } from '@pipit/shared/hash'
import { type MemberList, memberListOf } from '@pipit/shared/rules'
import { createFakeClock, seededRandom } from '@pipit/shared/testing'
import { describe, expect, it } from 'vitest'
import type { Storage } from '../storage/ports.ts'
import { openSqlite } from '../storage/sqlite/index.ts'
import { by, createBench, must, start } from './bench.ts'
import { createMemberLists, type MemberLists } from './member-lists.ts'

/** An engine on storage that counts the pages that are read of members. */
async function setup() {
  const storage = openSqlite({ file: ':memory:' })
  const pages: string[] = []
  const counting: Storage = {
    ...storage,
    members: {
      ...storage.members,
      page: (environment, cohort, options) => {
        pages.push(cohort)
        return storage.members.page(environment, cohort, options)
      },
    },
  }
  const bench = createBench({ clock: createFakeClock(start), storage: counting, random: seededRandom(1) })
  const { engine, memberLists } = bench
  const environment = must(await engine.createEnvironment('production', by))
  return {
    ...bench,
    environment,
    pages,
    change: async (add: readonly string[], remove: readonly string[] = []) =>
      must(await engine.changeMembers('production', 'beta', { add, remove }, by)),
    record: async () => await storage.cohorts.list('production'),
    listOf: async (from: MemberLists = memberLists) =>
      (await from.of(environment, await storage.cohorts.list('production'))).get('beta'),
    expected: (...ids: readonly string[]): MemberList => memberListOf(ids, prepareHash64(environment.unitSalt)),
  }
}

describe('the lists of members', () => {
  it('are read once, and then follow what changes', async () => {
    const { engine, change, listOf, expected, pages } = await setup()
    must(await engine.createCohort('production', { key: 'beta', members: ['a', 'b'] }, by))
    pages.length = 0
    expect(await listOf()).toEqual(expected('a', 'b'))
    expect(pages).toEqual(['beta'])
    await change(['c'], ['a'])
    await change(['d'])
    await change([], ['d', 'b'])
    expect(await listOf()).toEqual(expected('c'))
    expect(pages).toEqual(['beta'])
  })

  it('stay the same object while nothing of them changes', async () => {
    const { engine, listOf } = await setup()
    must(await engine.createCohort('production', { key: 'beta', members: ['a'] }, by))
    const list = await listOf()
    must(await engine.putCohort('production', { key: 'beta', when: { plan: 'beta' } }, by))
    expect(await listOf()).toBe(list)
  })

  it('do not take over what was rolled back', async () => {
    const { engine, change, listOf, expected, memberLists } = await setup()
    must(await engine.createCohort('production', { key: 'beta', members: ['a'] }, by))
    const list = await listOf()
    // Told within a transaction that then failed: its revision is in no record.
    memberLists.changing('production', 'beta', { from: 'x', to: 'never', add: ['z'], remove: [] })
    expect(await listOf()).toBe(list)
    await change(['b'])
    expect(await listOf()).toEqual(expected('a', 'b'))
  })

  it('are read again where a change was not told, as by another process', async () => {
    const { engine, change, listOf, expected, storage } = await setup()
    must(await engine.createCohort('production', { key: 'beta', members: ['a'] }, by))
    const elsewhere = createMemberLists({ storage })
    expect(await listOf(elsewhere)).toEqual(expected('a'))
    await change(['b'])
    expect(await listOf(elsewhere)).toEqual(expected('a', 'b'))
  })

  it('are never older than their record, also where one is being read already', async () => {
    const { engine, change, listOf, expected, memberLists, environment, record } = await setup()
    must(await engine.createCohort('production', { key: 'beta', members: ['a'] }, by))
    const older = await record()
    const first = memberLists.of(environment, older)
    await change(['b'])
    const [one, two] = await Promise.all([first, listOf()])
    expect(two).toEqual(expected('a', 'b'))
    expect([expected('a').digest, expected('a', 'b').digest]).toContain(one.get('beta')?.digest)
    // Who comes with an older record gets what is newer.
    expect((await memberLists.of(environment, older)).get('beta')).toEqual(expected('a', 'b'))
  })

  it('are read again in one transaction where changes overtake every reading', async () => {
    const { engine, storage, change, environment, record, expected } = await setup()
    must(await engine.createCohort('production', { key: 'beta', members: ['a'] }, by))
    let ids = 0
    const overtaken: Storage = {
      ...storage,
      members: {
        ...storage.members,
        page: async (...args) => {
          const page = await storage.members.page(...args)
          await change([`new-${ids++}`])
          return page
        },
      },
    }
    const lists = await createMemberLists({ storage: overtaken }).of(environment, await record())
    expect(lists.get('beta')).toEqual(expected('a', 'new-0', 'new-1', 'new-2'))
  })

  it('are none where a cohort has no list, and are forgotten with their cohort', async () => {
    const { engine, listOf, expected } = await setup()
    must(await engine.createCohort('production', { key: 'beta', when: { plan: 'beta' } }, by))
    expect(await listOf()).toBeUndefined()
    must(await engine.putCohort('production', { key: 'beta', members: [] }, by))
    expect(await listOf()).toEqual(expected())
    must(await engine.removeCohort('production', 'beta', by))
    expect(await listOf()).toBeUndefined()
    must(await engine.createCohort('production', { key: 'beta', members: ['z'] }, by))
    expect(await listOf()).toEqual(expected('z'))
  })

  it('of many changes that nobody asked for are read again', async () => {
    const { engine, change, listOf, expected, pages } = await setup()
    must(await engine.createCohort('production', { key: 'beta', members: ['a'] }, by))
    await listOf()
    const many = Array.from({ length: 100_001 }, (_, i) => `user-${i}`)
    await change(many)
    await change(['b'], many)
    pages.length = 0
    expect(await listOf()).toEqual(expected('a', 'b'))
    expect(pages).toEqual(['beta'])
  })
})
