import { createFakeClock, seededRandom } from '@pipit/shared/testing'
import { describe, expect, it } from 'vitest'
import { progressOf } from '../rollout/index.ts'
import { openSqlite } from '../storage/sqlite/index.ts'
import type { PersonEvent } from './api.ts'
import { type Bench, by, createBench, historyOf, must, rolloutFile, rolloutOf, start } from './bench.ts'

async function setup(): Promise<Bench> {
  const bench = createBench({
    clock: createFakeClock(start),
    storage: openSqlite({ file: ':memory:' }),
    random: seededRandom(1),
  })
  must(await bench.engine.createEnvironment('production', by))
  return bench
}

async function withRollout(changes: object = {}): Promise<Bench> {
  const bench = await setup()
  must(await bench.engine.create('production', rolloutFile(changes), by))
  return bench
}

const versionOf = async ({ storage }: Bench) => (await storage.environments.get('production'))?.rulesetVersion
const auditOf = ({ storage }: Bench) => storage.audit.list({ target: 'rollout:checkout-v2', limit: 10 })

describe('create', () => {
  it('stores a draft with history, audit and a new ruleset version', async () => {
    const bench = await withRollout()
    expect(await rolloutOf(bench)).toMatchObject({ version: 1, state: { phase: 'draft' }, createdAt: start })
    expect(await versionOf(bench)).toBe(2)
    expect(await historyOf(bench)).toMatchObject([{ event: 'create', actor: { name: 'ada' } }])
    expect(await auditOf(bench)).toMatchObject([{ action: 'create', after: { definition: { key: 'checkout-v2' } } }])
  })

  it('refuses cohorts and metrics that are not there, with their paths', async () => {
    const bench = await setup()
    const file = rolloutFile({
      stages: [{ name: 'full', weight: 100, cohorts: ['beta'] }],
      rules: [{ name: 'staff', cohort: 'internal', serve: 'canary' }],
      guards: [{ metric: 'signup', worseThan: { relative: 0.9 }, action: 'pause' }],
    })
    const result = await bench.engine.create('production', file, by)
    expect(result).toMatchObject({ ok: false, code: 'invalid' })
    const paths = result.ok ? [] : (result.issues ?? []).map(({ path }) => path)
    expect(paths.toSorted()).toEqual(['guards[0].metric', 'rules[0].cohort', 'stages[0].cohorts[0]'])
    expect(await bench.storage.rollouts.list('production')).toEqual([])
  })

  it('takes a metric of the environment', async () => {
    const bench = await setup()
    const metric = { key: 'signup', kind: 'conversion', better: 'higher', event: 'signup', windowMs: 1000 } as const
    must(await bench.engine.createMetric('production', metric, by))
    const guards = [{ metric: 'signup', worseThan: { relative: 0.9 }, action: 'pause' }]
    expect(await bench.engine.create('production', rolloutFile({ guards }), by)).toMatchObject({ ok: true })
  })

  it('refuses a key that is taken, and an environment that is not there', async () => {
    const bench = await withRollout()
    expect(await bench.engine.create('production', rolloutFile(), by)).toMatchObject({ code: 'exists' })
    expect(await bench.engine.create('staging', rolloutFile(), by)).toMatchObject({ code: 'not-found' })
  })
})

describe('a rollout that the ruleset has no room for', () => {
  const large = (key: string, size: number) =>
    rolloutFile({ key, variants: [{ name: 'stable' }, { name: 'canary', payload: 'x'.repeat(size) }] })
  const megabyte = 1_000_000

  it('is refused, as an edit is that makes one so large; nothing is stored', async () => {
    const { engine, storage } = await setup()
    const small = must(await engine.create('production', large('small', 10), by))
    for (let i = 0; i < 9; i++) must(await engine.create('production', large(`large-${i}`, megabyte), by))
    const before = (await storage.environments.get('production'))?.rulesetVersion
    const refused = await engine.create('production', large('one-more', megabyte), by)
    expect(refused).toMatchObject({ ok: false, code: 'limit-reached' })
    expect(refused).toHaveProperty('message', expect.stringContaining('of them in one-more; at most 10,000,000'))
    const edited = await engine.edit('production', 'small', large('small', megabyte), by, small.version)
    expect(edited).toMatchObject({ ok: false, code: 'limit-reached' })
    expect((await storage.environments.get('production'))?.rulesetVersion).toBe(before)
    must(await engine.edit('production', 'large-0', large('large-0', 10), by))
    must(await engine.create('production', large('one-more', megabyte), by))
  })
})

describe('command', () => {
  it('names who, why, and the difference it made', async () => {
    const bench = await withRollout()
    const { engine } = bench
    must(await engine.command('production', 'checkout-v2', { type: 'start' }, by))
    const event = { type: 'override', unit: 'u1', variant: 'canary' } as const
    must(await engine.command('production', 'checkout-v2', event, { ...by, reason: 'to see it' }))
    expect((await historyOf(bench)).at(-1)).toMatchObject({ event: 'override', reason: 'to see it' })
    const [last] = await auditOf(bench)
    expect(last).toMatchObject({ actor: { name: 'ada' }, reason: 'to see it', before: { version: 2 } })
    expect(last?.before).not.toHaveProperty('override u1')
    expect(last?.after).toMatchObject({ version: 3, 'override u1': 'canary' })
  })

  it('makes a salt of 16 characters', async () => {
    const bench = await withRollout()
    const record = must(await bench.engine.command('production', 'checkout-v2', { type: 'start' }, by))
    expect(progressOf(record.state)?.salt).toHaveLength(16)
  })

  it('that finds its work done changes nothing', async () => {
    const bench = await withRollout()
    const once = must(await bench.engine.command('production', 'checkout-v2', { type: 'start' }, by))
    const version = await versionOf(bench)
    const again = must(await bench.engine.command('production', 'checkout-v2', { type: 'start' }, by))
    expect(again).toEqual(once)
    expect(await versionOf(bench)).toBe(version)
    expect(await historyOf(bench)).toHaveLength(2)
  })

  it('refuses a stale version, and what is not possible now', async () => {
    const { engine } = await withRollout()
    expect(await engine.command('production', 'checkout-v2', { type: 'start' }, by, 7)).toMatchObject({
      code: 'stale-version',
      message: expect.stringMatching(/version 1 by now, not 7/),
    })
    expect(await engine.command('production', 'checkout-v2', { type: 'pause' }, by)).toMatchObject({
      code: 'illegal-in-phase',
      message: expect.stringContaining('start'),
    })
    expect(await engine.command('production', 'nobody', { type: 'start' }, by)).toMatchObject({ code: 'not-found' })
  })

  it('publishes nothing that no SDK could notice', async () => {
    const bench = await withRollout()
    must(await bench.engine.command('production', 'checkout-v2', { type: 'start' }, by))
    const version = await versionOf(bench)
    const event = { type: 'dismiss', metric: 'error_rate', until: start + 60_000 } as const
    must(await bench.engine.command('production', 'checkout-v2', event, by))
    expect(await versionOf(bench)).toBe(version)
  })
})

describe('edit', () => {
  it('of a running rollout takes effect at once and keeps its place', async () => {
    const bench = await withRollout()
    must(await bench.engine.command('production', 'checkout-v2', { type: 'start' }, by))
    const stages = [
      { name: 'half', weight: 40, hold: '5s', maxHold: '2m' },
      { name: 'full', weight: 100 },
    ]
    const record = must(await bench.engine.edit('production', 'checkout-v2', rolloutFile({ stages }), by, 2))
    expect(record).toMatchObject({ version: 3, state: { phase: 'running', progress: { weight: 40, epoch: 2 } } })
    const [last] = await auditOf(bench)
    expect(last?.before).toMatchObject({ definition: { stages: [{ weight: 50 }, {}] } })
    expect(last?.after).toMatchObject({ definition: { stages: [{ weight: 40 }, {}] } })
  })

  it('that changes nothing is not stored', async () => {
    const bench = await withRollout()
    const record = must(await bench.engine.edit('production', 'checkout-v2', rolloutFile(), by))
    expect(record.version).toBe(1)
  })

  it('refuses another key, and what the machine refuses', async () => {
    const bench = await withRollout()
    const { engine } = bench
    const renamed = await engine.edit('production', 'checkout-v2', rolloutFile({ key: 'other' }), by)
    expect(renamed).toMatchObject({ code: 'invalid', issues: [{ path: 'key' }] })
    must(await engine.command('production', 'checkout-v2', { type: 'start' }, by))
    const other = rolloutFile({ stages: [{ name: 'all', weight: 100 }] })
    const result = await engine.edit('production', 'checkout-v2', other, by)
    expect(result).toMatchObject({ code: 'invalid-edit' })
    expect((await rolloutOf(bench)).definition.stages).toHaveLength(2)
  })
})

describe('remove', () => {
  it('takes a draft or an archived rollout away, and no other', async () => {
    const bench = await withRollout()
    const { engine } = bench
    must(await engine.command('production', 'checkout-v2', { type: 'start' }, by))
    const running = await engine.remove('production', 'checkout-v2', by)
    expect(running).toMatchObject({ code: 'illegal-in-phase', message: expect.stringContaining('archive') })
    must(await engine.command('production', 'checkout-v2', { type: 'revert' }, by))
    must(await engine.command('production', 'checkout-v2', { type: 'archive' }, by))
    expect(await engine.remove('production', 'checkout-v2', by)).toMatchObject({ ok: true })
    expect(await bench.storage.rollouts.list('production')).toEqual([])
    expect(await auditOf(bench)).toMatchObject([{ action: 'delete' }, {}, {}, {}, {}])
  })
})

describe('a rollout that is a prerequisite of another', () => {
  const next = { key: 'next', prerequisites: [{ rollout: 'checkout-v2' }] }

  it('must be there, and cannot be archived or deleted before the other', async () => {
    const bench = await setup()
    const { engine } = bench
    expect(await engine.create('production', rolloutFile(next), by)).toMatchObject({
      code: 'invalid',
      issues: [{ path: 'prerequisites[0].rollout' }],
    })
    must(await engine.create('production', rolloutFile(), by))
    must(await engine.create('production', rolloutFile(next), by))
    const inUse = { code: 'in-use', message: expect.stringMatching(/prerequisite of rollout next/) }
    expect(await engine.remove('production', 'checkout-v2', by)).toMatchObject(inUse)
    must(await engine.command('production', 'checkout-v2', { type: 'start' }, by))
    must(await engine.command('production', 'checkout-v2', { type: 'revert' }, by))
    expect(await engine.command('production', 'checkout-v2', { type: 'archive' }, by)).toMatchObject(inUse)
    must(await engine.remove('production', 'next', by))
    must(await engine.command('production', 'checkout-v2', { type: 'archive' }, by))
  })

  it('begins a new epoch where a running rollout gets or loses one', async () => {
    const bench = await withRollout()
    const { engine } = bench
    must(await engine.create('production', rolloutFile({ key: 'base' }), by))
    must(await engine.command('production', 'checkout-v2', { type: 'start' }, by))
    const before = progressOf((await rolloutOf(bench)).state)?.epoch ?? 0
    const file = rolloutFile({ prerequisites: [{ rollout: 'base' }] })
    must(await engine.edit('production', 'checkout-v2', file, by))
    expect(progressOf((await rolloutOf(bench)).state)?.epoch).toBe(before + 1)
  })
})

describe('a preview', () => {
  it('says who would change sides, and changes nothing', async () => {
    const bench = await withRollout()
    const { engine } = bench
    must(await engine.command('production', 'checkout-v2', { type: 'start' }, by))
    const before = await rolloutOf(bench)
    const preview = (event: PersonEvent) => engine.preview('production', 'checkout-v2', { event }, by)
    expect(must(await preview({ type: 'set-weight', weight: 60 }))).toMatchObject({
      before: { phase: 'running', weight: 50 },
      after: { weight: 60 },
      newEpoch: true,
      moves: [{ from: 'stable', to: 'canary', share: 10, units: 0 }],
      moved: { share: 10, units: 0 },
    })
    expect(must(await preview({ type: 'set-weight', weight: 50 }))).toMatchObject({ newEpoch: false, moves: [] })
    expect(await preview({ type: 'set-weight', weight: 101 })).toMatchObject({ code: 'invalid-weight' })
    const variants = [{ name: 'stable' }, { name: 'canary' }, { name: 'b' }]
    const edited = await engine.preview('production', 'checkout-v2', { definition: rolloutFile({ variants }) }, by)
    expect(must(edited)).toMatchObject({ moves: [{ from: 'canary', to: 'b', share: 25 }], newEpoch: true })
    const unknown = rolloutFile({ prerequisites: [{ rollout: 'nowhere' }] })
    expect(await engine.preview('production', 'checkout-v2', { definition: unknown }, by)).toMatchObject({
      code: 'invalid',
    })
    expect(await rolloutOf(bench)).toEqual(before)
  })
})
