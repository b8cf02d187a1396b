import { createFakeClock, seededRandom } from '@pipit/shared/testing'
import { describe, expect, it } from 'vitest'
import { openSqlite } from '../storage/sqlite/index.ts'
import { type Bench, by, createBench, must, rolloutFile, start } from './bench.ts'
import { hashKey } from './keys.ts'

async function setup(): Promise<Bench> {
  const bench = createBench({
    clock: createFakeClock(start),
    storage: openSqlite({ file: ':memory:' }),
    random: seededRandom(1),
  })
  must(await bench.engine.createEnvironment('production', by))
  return bench
}

const versionOf = async ({ storage }: Bench) => (await storage.environments.get('production'))?.rulesetVersion
const beta = { key: 'beta', when: { plan: 'beta' } }
const purchase = { key: 'purchase', kind: 'conversion', better: 'higher', event: 'purchase', windowMs: 1000 } as const

describe('environments', () => {
  it('have a salt of their own and a name that fits into an address', async () => {
    const { engine, storage } = await setup()
    must(await engine.createEnvironment('staging', by))
    const salts = (await storage.environments.list()).map(({ unitSalt }) => unitSalt)
    expect(new Set(salts).size).toBe(2)
    expect(await engine.createEnvironment('staging', by)).toMatchObject({ code: 'exists' })
    expect(await engine.createEnvironment('My World', by)).toMatchObject({
      code: 'invalid',
      issues: [{ path: 'name' }],
    })
  })
})

describe('a holdback', () => {
  it('is set, published and audited, and not when nothing changes', async () => {
    const bench = await setup()
    const { engine, storage } = bench
    expect(must(await engine.setHoldback('production', 2.5, { ...by, reason: 'to measure' }))).toMatchObject({
      holdback: 2.5,
    })
    must(await engine.setHoldback('production', 2.5, by))
    expect(await versionOf(bench)).toBe(2)
    expect(await storage.audit.list({ target: 'environment:production', limit: 1 })).toMatchObject([
      { action: 'edit', reason: 'to measure', before: { holdback: 0 }, after: { holdback: 2.5 } },
    ])
    expect(await engine.setHoldback('production', 0.0001, by)).toMatchObject({
      code: 'invalid',
      issues: [{ path: 'holdback' }],
    })
    expect(await engine.setHoldback('staging', 1, by)).toMatchObject({ code: 'not-found' })
  })
})

describe('cohorts', () => {
  it('are published when they are made, changed and deleted, and not when nothing changes', async () => {
    const bench = await setup()
    const { engine } = bench
    must(await engine.createCohort('production', beta, by))
    expect(await versionOf(bench)).toBe(2)
    must(await engine.putCohort('production', beta, by, 1))
    expect(await versionOf(bench)).toBe(2)
    const changed = must(await engine.putCohort('production', { ...beta, when: { plan: 'b' } }, by, 1))
    expect(changed.version).toBe(2)
    must(await engine.changeMembers('production', 'beta', { add: ['a', 'b'], remove: ['c'] }, by))
    const members = must(await engine.changeMembers('production', 'beta', { add: ['a'], remove: ['b'] }, by))
    expect(members.definition.members).toMatchObject({ count: 1 })
    must(await engine.removeCohort('production', 'beta', by))
    expect(await versionOf(bench)).toBe(6)
  })

  it('put without a version are made where they are not there', async () => {
    const { engine } = await setup()
    expect(await engine.putCohort('production', beta, by, 1)).toMatchObject({ code: 'not-found' })
    expect(await engine.putCohort('production', beta, by)).toMatchObject({ ok: true, value: { version: 1 } })
    expect(await engine.createCohort('production', beta, by)).toMatchObject({ code: 'exists' })
    const stale = await engine.putCohort('production', { ...beta, when: { plan: 'b' } }, by, 5)
    expect(stale).toMatchObject({ code: 'stale-version', message: expect.stringMatching(/version 1 by now, not 5/) })
  })

  it('in use are not deleted, and it is told by what they are used', async () => {
    const { engine } = await setup()
    must(await engine.createCohort('production', beta, by))
    must(await engine.createCohort('production', { key: 'staff', when: { team: { $exists: true } } }, by))
    must(await engine.createCohort('production', { key: 'early', when: { id: { $inGroup: 'beta' } } }, by))
    const file = rolloutFile({
      rules: [
        { name: 'crew', cohort: 'staff', serve: 'canary' },
        {
          name: 'fans',
          cohort: 'staff',
          when: { $and: [{ id: { $inGroup: 'beta' } }, { age: { $gt: 18 } }] },
          serve: 'canary',
        },
      ],
      stages: [{ name: 'full', weight: 100, cohorts: ['beta'] }],
    })
    must(await engine.create('production', file, by))
    expect(await engine.removeCohort('production', 'beta', by)).toMatchObject({
      code: 'in-use',
      message:
        'cohort beta is used by rollout checkout-v2 (stage full), rollout checkout-v2 (rule fans), cohort early; take it out there first',
    })
    expect(await engine.removeCohort('production', 'staff', by)).toMatchObject({ code: 'in-use' })
    must(await engine.command('production', 'checkout-v2', { type: 'archive' }, by))
    expect(await engine.removeCohort('production', 'staff', by)).toMatchObject({ ok: true })
  })

  it('may not refer to themselves, to nobody, or by a wrong condition', async () => {
    const { engine } = await setup()
    must(await engine.createCohort('production', beta, by))
    must(await engine.createCohort('production', { key: 'early', when: { id: { $inGroup: 'beta' } } }, by))
    const circle = await engine.putCohort('production', { key: 'beta', when: { id: { $inGroup: 'early' } } }, by)
    expect(circle).toMatchObject({ code: 'invalid', issues: [{ path: 'when' }] })
    const nobody = await engine.createCohort('production', { key: 'late', when: { id: { $inGroup: 'nobody' } } }, by)
    expect(nobody).toMatchObject({
      code: 'invalid',
      issues: [{ path: 'when', message: 'there is no cohort "nobody"' }],
    })
    const wrong = await engine.createCohort('production', { key: 'late', when: { a: { $inn: [] } } }, by)
    expect(wrong).toMatchObject({ code: 'invalid', issues: [{ path: 'when.a.$inn' }] })
  })

  it('with many members are audited by their number, and the first few that a change moves', async () => {
    const { engine, storage } = await setup()
    const members = Array.from({ length: 1000 }, (_, i) => `user${i}`)
    must(await engine.createCohort('production', { key: 'beta', members }, by))
    must(await engine.changeMembers('production', 'beta', { remove: ['user7', 'nobody'] }, by))
    const [removed, created] = await storage.audit.list({ target: 'cohort:beta', limit: 2 })
    expect(created?.after).toEqual({
      version: 1,
      definition: { key: 'beta', members: 1000 },
      added: { count: 1000, ids: members.slice(0, 10) },
    })
    expect(removed).toMatchObject({
      before: { version: 1, definition: { key: 'beta', members: 1000 } },
      after: { version: 2, definition: { key: 'beta', members: 999 }, removed: { count: 1, ids: ['user7'] } },
    })
  })

  it('need a condition or a list', async () => {
    const { engine } = await setup()
    expect(await engine.createCohort('production', { key: 'beta' }, by)).toMatchObject({
      code: 'invalid',
      issues: [{ path: '', message: 'must have a condition (when), a list of members, or both' }],
    })
    expect(await engine.createCohort('production', { key: 'beta', members: [] }, by)).toMatchObject({ ok: true })
  })

  it('keep their members when they are replaced without them, and get others with them', async () => {
    const { engine, storage } = await setup()
    const listed = () => storage.members.page('production', 'beta', { limit: 10 })
    must(await engine.createCohort('production', { key: 'beta', members: ['a', 'b'] }, by))
    expect(must(await engine.putCohort('production', beta, by)).definition).toMatchObject({
      ...beta,
      members: { count: 2 },
    })
    expect(await listed()).toEqual(['a', 'b'])
    const replaced = must(await engine.putCohort('production', { ...beta, members: ['b', 'c', 'd'] }, by))
    expect(replaced).toMatchObject({ version: 3, definition: { members: { count: 3 } } })
    expect(await listed()).toEqual(['b', 'c', 'd'])
    expect(must(await engine.putCohort('production', { ...beta, members: ['d', 'c', 'b'] }, by))).toEqual(replaced)
    must(await engine.putCohort('production', { key: 'beta', members: [] }, by))
    expect(await listed()).toEqual([])
  })

  it('lose their members when they are removed', async () => {
    const { engine, storage } = await setup()
    must(await engine.createCohort('production', { key: 'beta', members: ['a'] }, by))
    must(await engine.removeCohort('production', 'beta', by))
    expect(await storage.members.page('production', 'beta', { limit: 10 })).toEqual([])
  })

  it('are not written by a change of members that changes nothing', async () => {
    const bench = await setup()
    const { engine } = bench
    const made = must(await engine.createCohort('production', { key: 'beta', members: ['a'] }, by))
    const before = await versionOf(bench)
    expect(must(await engine.changeMembers('production', 'beta', { add: ['a'], remove: ['b'] }, by))).toEqual(made)
    expect(await versionOf(bench)).toBe(before)
    expect(await engine.changeMembers('production', 'nobody', { add: ['a'] }, by)).toMatchObject({ code: 'not-found' })
  })

  it('leave everything else its turn while many members are moved', async () => {
    const { engine } = await setup()
    const many = (from: number) => Array.from({ length: 60_000 }, (_, i) => `user${from + i}`)
    let turns = 0
    const count = (): void => {
      turns++
      next = setImmediate(count)
    }
    let next = setImmediate(count)
    must(await engine.createCohort('production', { key: 'beta', members: many(0) }, by))
    expect(turns).toBeGreaterThanOrEqual(5)
    turns = 0
    const replaced = must(await engine.putCohort('production', { key: 'beta', members: many(30_000) }, by))
    clearImmediate(next)
    expect(turns).toBeGreaterThanOrEqual(5)
    expect(replaced).toMatchObject({ definition: { members: { count: 60_000 } } })
  })

  it('hold as many members together as a message to SDKs has room for', async () => {
    const { engine, storage } = await setup()
    for (let i = 0; i < 5; i++) {
      await storage.cohorts.insert({
        environment: 'production',
        key: `full${i}`,
        definition: { key: `full${i}`, members: { count: i === 0 ? 999_999 : 1_000_000, revision: 'r' } },
        version: 1,
        updatedAt: 1,
      })
    }
    const more = () => engine.createCohort('production', { key: 'more', members: ['a'] }, by)
    must(await more())
    expect(await engine.changeMembers('production', 'more', { add: ['b'] }, by)).toMatchObject({
      code: 'limit-reached',
      message: expect.stringMatching(/^the cohorts of production would have 5000001 members together/),
    })
    expect(await engine.changeMembers('production', 'more', { add: ['b'], remove: ['a'] }, by)).toMatchObject({
      ok: true,
    })
    expect(await storage.members.page('production', 'more', { limit: 10 })).toEqual(['b'])
  })

  it('hold a million members and not one more', async () => {
    const { engine, storage } = await setup()
    const many = { count: 999_999, revision: 'r' }
    await storage.cohorts.insert({
      environment: 'production',
      key: 'full',
      definition: { key: 'full', members: many },
      version: 1,
      updatedAt: 1,
    })
    expect(await engine.changeMembers('production', 'full', { add: ['a', 'b'] }, by)).toEqual({
      ok: false,
      code: 'limit-reached',
      message: 'cohort full would have 1000001 members; at most 1,000,000 are kept',
    })
    expect(await storage.members.page('production', 'full', { limit: 10 })).toEqual([])
    expect(await engine.changeMembers('production', 'full', { add: ['a'] }, by)).toMatchObject({ ok: true })
  })
})

describe('metrics', () => {
  const guards = [{ metric: 'purchase', worseThan: { relative: 0.9 }, action: 'pause' }]

  it('in use are not deleted', async () => {
    const { engine } = await setup()
    must(await engine.createMetric('production', purchase, by))
    must(await engine.create('production', rolloutFile({ guards }), by))
    expect(await engine.removeMetric('production', 'purchase', by)).toMatchObject({
      code: 'in-use',
      message: expect.stringContaining('checkout-v2 (guard)'),
    })
  })

  it('may be deleted where a rollout brings its own of the same key', async () => {
    const { engine } = await setup()
    must(await engine.createMetric('production', purchase, by))
    const metrics = [{ key: 'purchase', kind: 'conversion', better: 'higher', event: 'buy' }]
    must(await engine.create('production', rolloutFile({ guards, metrics }), by))
    expect(await engine.removeMetric('production', 'purchase', by)).toMatchObject({ ok: true })
  })

  it('count the same as long as a rollout is compared by them', async () => {
    const bench = await setup()
    const { engine } = bench
    must(await engine.createMetric('production', purchase, by))
    must(await engine.create('production', rolloutFile({ guards }), by))
    expect(await engine.putMetric('production', { ...purchase, windowMs: 2000 }, by)).toMatchObject({ ok: true })
    must(await engine.command('production', 'checkout-v2', { type: 'start' }, by))
    expect(await engine.putMetric('production', { ...purchase, event: 'buy' }, by)).toMatchObject({ code: 'in-use' })
    const described = { ...purchase, windowMs: 2000, description: 'paid orders' }
    expect(await engine.putMetric('production', described, by)).toMatchObject({ ok: true, value: { version: 3 } })
  })

  it('may not take the name of one that is built in', async () => {
    const { engine } = await setup()
    const result = await engine.createMetric('production', { ...purchase, key: 'latency_p99' }, by)
    expect(result).toMatchObject({ code: 'invalid', issues: [{ path: 'key' }] })
  })
})

describe('keys', () => {
  it('are stored as hashes, and neither hash nor secret is in the audit log', async () => {
    const { engine, storage } = await setup()
    const { record, secret } = must(
      await engine.createKey({ kind: 'srv', environment: 'production', name: 'shop' }, by),
    )
    expect(secret).toMatch(/^srv_.{32}$/)
    expect(await storage.keys.findByHash(hashKey(secret))).toEqual(record)
    const audit = JSON.stringify(await storage.audit.list({ limit: 10 }))
    expect(audit).not.toContain(secret)
    expect(audit).not.toContain(record.hash)
  })

  it('are revoked once, and their sockets close', async () => {
    const { engine, storage, disconnected } = await setup()
    const { record } = must(await engine.createKey({ kind: 'srv', environment: 'production', name: 'shop' }, by))
    must(await engine.revokeKey(record.id, by))
    must(await engine.revokeKey(record.id, by))
    expect(disconnected).toEqual([record.id, record.id])
    expect((await storage.keys.findByHash(record.hash))?.revokedAt).toBe(start)
    expect(await storage.audit.list({ target: `key:${record.id}`, limit: 10 })).toHaveLength(2)
    expect(await engine.revokeKey('nobody', by)).toMatchObject({ code: 'not-found' })
  })

  it('fit their kind', async () => {
    const { engine } = await setup()
    for (const [wish, path] of [
      [{ kind: 'adm', name: 'a' }, 'role'],
      [{ kind: 'adm', role: 'viewer', name: 'a', environment: 'production' }, 'environment'],
      [{ kind: 'srv', name: 'a' }, 'environment'],
      [{ kind: 'web', name: 'a', environment: 'production', role: 'admin' }, 'role'],
      [{ kind: 'srv', name: ' ', environment: 'production' }, 'name'],
      [{ kind: 'srv', name: 'a', environment: 'production', secret: 'web_0123456789abcdef' }, 'secret'],
      [{ kind: 'srv', name: 'a', environment: 'production', secret: 'srv_short' }, 'secret'],
      [{ kind: 'srv', name: 'a', environment: 'production', origins: ['https://shop.example'] }, 'origins'],
      [{ kind: 'web', name: 'a', environment: 'production', origins: [] }, 'origins'],
      [{ kind: 'web', name: 'a', environment: 'production', origins: ['https://shop.example/'] }, 'origins[0]'],
      [{ kind: 'web', name: 'a', environment: 'production', origins: ['https://shop.example', '*'] }, 'origins[1]'],
      [{ kind: 'web', name: 'a', environment: 'production', origins: ['https://Shop.example:443'] }, 'origins[0]'],
    ] as const) {
      expect(await engine.createKey(wish, by)).toMatchObject({ code: 'invalid', issues: [{ path }] })
    }
    const origins = ['https://shop.example', 'http://localhost:8080']
    const web = must(await engine.createKey({ kind: 'web', name: 'shop', environment: 'production', origins }, by))
    expect(web.record.origins).toEqual(origins)
    const preset = { kind: 'adm', role: 'admin', name: 'first', secret: 'adm_0123456789abcdef' } as const
    expect(must(await engine.createKey(preset, by)).secret).toBe(preset.secret)
    expect(await engine.createKey(preset, by)).toMatchObject({ code: 'exists' })
  })
})

describe('proofs of the users of pages', () => {
  it('are asked for and no more asked for, in the audit without the secret', async () => {
    const { engine, storage, greetedAgain } = await setup()
    expect(must(await engine.requireUserHash('production', 'required', by))).toMatchObject({ userHash: 'required' })
    const made = (await storage.environments.get('production'))?.pageSecret ?? ''
    expect(made).toHaveLength(43)
    must(await engine.requireUserHash('production', 'required', by))
    const { secret } = must(await engine.rotatePageSecret('production', by))
    expect(secret).not.toBe(made)
    expect(await storage.environments.get('production')).toMatchObject({ pageSecret: secret, userHash: 'required' })
    expect(must(await engine.requireUserHash('production', 'off', by)).pageSecret).toBe(secret)
    expect(greetedAgain).toEqual(['production', 'production', 'production'])
    const audit = await storage.audit.list({ environment: 'production', limit: 10 })
    expect(audit.map(({ action, target }) => `${action} ${target}`).slice(0, 3)).toEqual([
      'edit environment:production',
      'rotate page-secret:production',
      'edit environment:production',
    ])
    expect(JSON.stringify(audit)).not.toMatch(new RegExp(`${secret}|${made}`))
    expect(await engine.rotatePageSecret('nowhere', by)).toMatchObject({ code: 'not-found' })
    expect(await engine.requireUserHash('nowhere', 'off', by)).toMatchObject({ code: 'not-found' })
  })
})
