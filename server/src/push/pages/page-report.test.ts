import { unitHash } from '@pipit/shared/hash'
import type { Ruleset, RulesetRollout } from '@pipit/shared/rules'
import { decodeSketch } from '@pipit/shared/sketch'
import { createFakeClock } from '@pipit/shared/testing'
import { describe, expect, it } from 'vitest'
import { type HubOptions, hubOf, itemsOf, pageNow, posted, rollout } from '../hub-fixture.ts'

const open: RulesetRollout = { ...rollout, weight: 100, browser: true }
const hubWith = (rollouts: Ruleset['rollouts'], more: HubOptions = {}) =>
  hubOf({ ruleset: { version: 1, environment: 'production', unitSalt: 'u', rollouts, cohorts: {} }, ...more })
const sender = {
  type: 'reports',
  now: pageNow,
  key: 'web_good',
  instance: 'page-0001',
  sdk: { name: 't', version: '1' },
}

const decision = { rollout: 'r', epoch: 1, variant: 'canary', reason: 'split', randomised: true }
const outcome = { ...decision, ok: true, ms: [null] }
const counted = { ...open, events: ['buy'] }
const rollouts = {
  r: counted,
  account: { ...counted, unit: 'account' },
  twice: { ...counted, unit: ['account', 'id'] },
  hidden: { ...rollout, events: ['buy', 'server-side'] },
}

interface Happened {
  readonly user?: object
  readonly dropped?: object
  readonly outcomes?: readonly object[]
  readonly exposures?: readonly object[]
  readonly events?: readonly object[]
}

async function sent(happened: Happened, more: Ruleset['rollouts'] = rollouts, options: HubOptions = {}) {
  const { hub, reports } = hubWith(more, options)
  const { outcomes: _o, exposures: _e, events: _v, ...report } = happened
  const answers = await posted(hub, { ...sender, reports: [{ seq: 1, ...report, items: itemsOf(happened) }] })
  return { answers, hub, instance: reports[0]?.instance, report: reports[0]?.report }
}

describe('the report of a page', () => {
  it('makes up no epochs, variants and rules, of which each would get rows of its own', async () => {
    const ruled = { ...open, epoch: 3, rules: [{ name: 'half', when: {}, serve: { canary: 50, stable: 50 } }] }
    const of = (fields: object) => ({ ...outcome, ...fields })
    const made = [
      { epoch: 0 },
      { epoch: 4 },
      { variant: 'gone' },
      { reason: 'rule', rule: 'made up' },
      { reason: 'rule' },
    ]
    const known = [{ epoch: 1 }, { epoch: 3, variant: 'stable' }, { epoch: 2, reason: 'rule', rule: 'half' }]
    const outcomes = [...made, ...known].map(of)
    const done = await sent({ user: { id: 'ada' }, outcomes, exposures: made.map(of) }, { r: ruled })
    expect(done.answers).toEqual([{ type: 'ack', seq: 1 }])
    expect(done.report?.outcomes?.map(({ epoch, variant, stratum }) => [epoch, variant, stratum])).toEqual([
      [1, 'canary', 'split'],
      [3, 'stable', 'split'],
      [2, 'canary', 'rule:half'],
    ])
    expect(done.report).not.toHaveProperty('exposures')
    expect(done.hub.counters()).toMatchObject({ page_unknown_decisions: 2 * made.length })
  })

  it('uses up no counter of what was dropped', async () => {
    const { report } = await sent({ user: { id: 'ada' }, dropped: { outcomes: Number.MAX_SAFE_INTEGER, events: 3 } })
    expect(report?.dropped).toEqual({ outcomes: 1_000_000, events: 3 })
  })

  it('stands for a page of its own, under the hash of its user', async () => {
    const exposures = [decision, { ...decision, rollout: 'account' }]
    const done = await sent({ user: { id: 'ada', account: 'acme' }, exposures })
    expect(done.answers).toEqual([{ type: 'ack', seq: 1 }])
    expect(done.instance).toEqual({ id: 'page/page-0001', group: 'pages', sdk: 't@1' })
    const cell = { epoch: 1, variant: 'canary', stratum: 'split', reason: 'split' }
    expect(done.report).toEqual({
      type: 'report',
      seq: 1,
      exposures: [
        { ...cell, rollout: 'r', units: [unitHash('u', 'ada')] },
        { ...cell, rollout: 'account', units: [unitHash('u', 'acme')] },
      ],
    })
  })

  it('is added up by the present thresholds, with a sketch, kinds and slices', async () => {
    const judged = { ...open, thresholds: { version: 3, ms: [100, 250] }, slices: ['country'] }
    const { report } = await sent(
      {
        user: { id: 'ada', country: 'nz' },
        outcomes: [
          { ...decision, ok: true, ms: [50, null, 300] },
          { ...decision, ok: false, kind: '5xx', ms: [120] },
          { ...decision, ok: true, kind: '5xx', ms: [null] },
        ],
      },
      { r: judged },
    )
    expect(report?.outcomes).toHaveLength(1)
    const { buckets = [], latency = '', ...cell } = report?.outcomes?.[0] ?? {}
    const [bucket, ...sums] = buckets
    expect(sums).toEqual([5, 1, 3, 2, 1])
    expect(cell).toEqual({
      ...{ rollout: 'r', epoch: 1, variant: 'canary', stratum: 'split', thresholds: 3, columns: 6 },
      kinds: { '5xx': [bucket, 1] },
      slices: { country: { nz: sums } },
    })
    const sketch = decodeSketch(latency)
    expect(sketch?.count).toBe(3)
    expect(sketch?.quantile(1)).toBeGreaterThan(297)
    expect(sketch?.quantile(1)).toBeLessThan(303)
  })

  it('has a cell for each comparison, and none of what is no evidence', async () => {
    const forced = { ...outcome, reason: 'override', randomised: false }
    const ruled = { ...outcome, reason: 'rule', rule: 'half' }
    const reasons = ['not-ready', 'unknown-rollout', 'phase', 'holdback', 'prerequisite', 'layer', 'no-unit']
    const none = reasons.map((reason) => ({ ...outcome, rollout: 'nowhere', reason }))
    const exposures = none.map(({ ms: _, ok: _ok, ...exposure }) => exposure)
    const rules = [{ name: 'half', when: {}, serve: { canary: 50, stable: 50 } }]
    const happened = { user: { id: 'ada' }, outcomes: [outcome, forced, ruled, ...none], exposures }
    const done = await sent(happened, { r: { ...counted, rules } })
    expect(done.answers).toEqual([{ type: 'ack', seq: 1 }])
    expect(done.report?.outcomes?.map(({ stratum }) => stratum)).toEqual(['split', 'forced', 'rule:half'])
    expect(done.report).not.toHaveProperty('exposures')
    expect(done.hub.counters()).not.toHaveProperty('page_foreign_cells')
  })

  it('is counted in the bucket of its user, and of nobody in any', async () => {
    const bucketsOf = async (fields: Happened, more: HubOptions = {}, all: Ruleset['rollouts'] = rollouts) =>
      (await sent({ ...fields, outcomes: [{ ...outcome, ms: [1, 2, 3] }] }, all, more)).report?.outcomes?.[0]?.buckets
    const ada = await bucketsOf({ user: { id: 'ada' } })
    expect(ada?.slice(1)).toEqual([3, 0, 3])
    expect(await bucketsOf({ user: { anonymousId: 'ada' } })).toEqual(ada)
    const bob = await bucketsOf({ user: { id: 'bob' } })
    expect(bob?.[0]).not.toBe(ada?.[0])
    const told = [0.5, 0.999_999, 0]
    const random = { random: () => told.shift() ?? 0 }
    expect(await bucketsOf({}, random)).toEqual([0, 1, 0, 1, 128, 1, 0, 1, 255, 1, 0, 1])
    const byRequest = { r: { ...open, assign: 'request' as const } }
    told.push(0.25, 0.25, 0.25)
    expect(await bucketsOf({ user: { id: 'ada' } }, random, byRequest)).toEqual([64, 3, 0, 3])
  })

  it('tells an event once for each unit that its user is', async () => {
    const event = { event: 'buy', ageMs: 5, id: 'order-1', value: 3 }
    const { report } = await sent({ user: { id: 'ada', account: 'acme' }, events: [event] })
    expect(report?.events).toEqual([
      { ...event, unit: unitHash('u', 'ada') },
      { ...event, unit: unitHash('u', 'acme'), id: unitHash('order-1', 'account') },
    ])
    const same = await sent({ user: { id: 'ada' }, events: [event] })
    expect(same.report?.events).toEqual([{ ...event, unit: unitHash('u', 'ada') }])
  })

  it('is taken without what is about rollouts that are not for pages', async () => {
    const hidden = { rollout: 'hidden' }
    const { hub, report } = await sent({
      user: { id: 'ada' },
      exposures: [{ ...decision, ...hidden }, { ...decision, rollout: 'nowhere' }, decision],
      outcomes: [{ ...outcome, ...hidden }, outcome],
      events: [{ event: 'server-side', ageMs: 0 }],
    })
    expect(report?.exposures).toHaveLength(1)
    expect(report?.outcomes).toHaveLength(1)
    expect(report).not.toHaveProperty('events')
    expect(hub.counters()).toMatchObject({ page_foreign_cells: 3, page_events_unused: 1 })
  })

  it('is taken without exposures to an arm that its user cannot have', async () => {
    const exposures = ['canary', 'stable'].map((variant) => ({ ...decision, variant }))
    const user = { id: 'ada' }
    const { hub, report } = await sent({ user, exposures })
    expect(report?.exposures).toMatchObject([{ variant: 'canary' }])
    expect(hub.counters()).toMatchObject({ page_wrong_variants: 1 })
    const forced = exposures.map((one) => ({ ...one, randomised: false }))
    expect((await sent({ user, exposures: forced })).report?.exposures).toHaveLength(2)
    const later = { r: { ...counted, epoch: 2 } }
    expect((await sent({ user, exposures }, later)).report?.exposures).toHaveLength(2)
  })

  it('of nobody has outcomes alone', async () => {
    const { hub, report } = await sent({
      exposures: [decision],
      outcomes: [outcome],
      events: [{ event: 'buy', ageMs: 0 }],
    })
    expect(report).toEqual({ type: 'report', seq: 1, outcomes: [expect.objectContaining({ rollout: 'r' })] })
    expect(hub.counters()).toMatchObject({ page_without_unit: 2 })
  })

  it('leaves out the exposures of units that its rollout does not sample', async () => {
    const sampled = { r: { ...open, unitSample: 0.5 } }
    let kept = 0
    for (let i = 0; i < 40; i++) {
      const { report } = await sent({ user: { id: `u${i}` }, exposures: [decision] }, sampled)
      const isIn = Number.parseInt(unitHash('u', `u${i}`).slice(0, 8), 16) < 0x80000000
      expect(report?.exposures ?? []).toHaveLength(isIn ? 1 : 0)
      if (isIn) kept++
    }
    expect(kept).toBeGreaterThan(5)
    expect(kept).toBeLessThan(35)
  })

  it('tells of each user by itself, whoever greeted', async () => {
    const { hub, reports } = hubWith(rollouts)
    const two = ['ada', 'bob'].map((id, i) => ({
      ...{ seq: i + 1, user: { id } },
      items: itemsOf({ exposures: [decision] }),
    }))
    const greeting = { ...sender, type: 'hello', protocol: 1, user: { id: 'eve' }, reports: two }
    expect(await posted(hub, greeting)).toMatchObject([{ seq: 1 }, { seq: 2 }, { type: 'ruleset' }])
    expect(reports.map(({ report }) => report.exposures?.[0]?.units)).toEqual([
      [unitHash('u', 'ada')],
      [unitHash('u', 'bob')],
    ])
  })

  it('is of its anonymous id where its user is not proved', async () => {
    const pageSettings = async () => ({ userHash: 'required', pageSecret: 's' }) as const
    const report = { user: { id: 'ada', anonymousId: 'x', account: 'acme' }, exposures: [decision] }
    const { report: stored } = await sent(report, { r: { ...open, unit: 'account' } }, { pageSettings })
    expect(stored?.exposures?.[0]?.units).toEqual([unitHash('u', 'x')])
  })

  it('that says too much is refused for good, and says by which limit', async () => {
    const many = (length: number) => ({ outcomes: [{ ...outcome, ms: new Array(length).fill(1) }] })
    const limits = { limits: { pageOutcomes: 5 } }
    const { answers, report } = await sent(many(6), rollouts, limits)
    expect(answers).toEqual([
      expect.objectContaining({ type: 'error', code: 'limit', retry: false, seq: 1, path: 'items' }),
    ])
    expect(answers[0]?.message).toMatch(/6 outcomes.*limit pageOutcomes/)
    expect(report).toBeUndefined()
    expect((await sent(many(5), rollouts, limits)).answers).toEqual([{ type: 'ack', seq: 1 }])
    const lists = { outcomes: Array.from({ length: 1025 }, (_, epoch) => ({ ...outcome, epoch })) }
    expect((await sent(lists)).answers).toMatchObject([{ code: 'limit', retry: false, seq: 1 }])
  })

  it('of more different decisions than anybody makes loses the first, and says how many', async () => {
    const outcomes = Array.from({ length: 300 }, (_, i) => ({ ...outcome, reason: 'rule', rule: `rule-${i}` }))
    const rules = outcomes.map(({ rule }) => ({ name: rule, when: {}, serve: { canary: 50, stable: 50 } }))
    const { report } = await sent({ outcomes, dropped: { outcomes: 1 } }, { r: { ...counted, rules } })
    expect(report?.outcomes).toHaveLength(256)
    expect(report?.dropped).toEqual({ outcomes: 45 })
  })

  it('that cannot be stored now holds those after it back', async () => {
    const clock = createFakeClock()
    let isAway = true
    const taken: number[] = []
    const { hub } = hubWith(rollouts, {
      clock,
      ingest: {
        async submit(_environment, _instance, { seq }) {
          if (isAway) throw new Error('disk full')
          taken.push(seq)
          return { seq, status: 'stored' }
        },
      },
    })
    const reports = [{ seq: 1 }, { seq: 2, items: {} }]
    const unavailable = { type: 'error', code: 'unavailable', retry: true }
    expect(await posted(hub, { ...sender, reports })).toMatchObject([
      { ...unavailable, seq: 1 },
      { ...unavailable, seq: 2 },
    ])
    isAway = false
    expect(await posted(hub, { ...sender, reports })).toEqual([
      { type: 'ack', seq: 1 },
      { type: 'ack', seq: 2 },
    ])
    expect(taken).toEqual([1, 2])
  })
})
