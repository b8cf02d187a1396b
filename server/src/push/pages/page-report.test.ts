import { unitHash } from '@pipit/shared/hash'
import { pageUnit } from '@pipit/shared/protocol'
import type { Ruleset, RulesetRollout } from '@pipit/shared/rules'
import { describe, expect, it } from 'vitest'
import { hubOf, pageOf, rollout } from '../hub-fixture.ts'

const open: RulesetRollout = { ...rollout, weight: 100, browser: true }
const hubWith = (rollouts: Ruleset['rollouts']) =>
  hubOf({ ruleset: { version: 1, environment: 'production', unitSalt: 'u', rollouts, cohorts: {} } })

describe('the report of a page', () => {
  const cell = { rollout: 'r', epoch: 1, variant: 'canary', stratum: 'split', reason: 'split' }
  const outcome = {
    rollout: 'r',
    epoch: 1,
    variant: 'canary',
    stratum: 'split',
    thresholds: 0,
    columns: 4,
    buckets: [3, 1, 0, 0],
  }
  const foreign = { rollout: 'hidden' }
  const counted = { ...open, events: ['buy'] }
  const rollouts = {
    r: counted,
    account: { ...counted, unit: 'account' },
    twice: { ...counted, unit: ['account', 'id'] },
    hidden: { ...rollout, events: ['buy', 'server-side'] },
  }
  const report = (fields: object) => ({ type: 'report', seq: 1, ...fields })

  async function sent(user: object | undefined, fields: object, more: Ruleset['rollouts'] = rollouts) {
    const { hub, reports } = hubWith(more)
    const page = await pageOf(hub, 'page-0001', user === undefined ? {} : { user })
    const answers = await page.says(report(fields))
    return { answers, hub, instance: reports[0]?.instance, report: reports[0]?.report }
  }

  it('stands for a page of its own, under the hash of its user', async () => {
    const done = await sent(
      { id: 'ada', account: 'acme' },
      {
        exposures: [
          { ...cell, units: [pageUnit] },
          { ...cell, rollout: 'account', units: [pageUnit] },
        ],
        outcomes: [outcome],
      },
    )
    expect(done.answers).toEqual([{ type: 'ack', seq: 1 }])
    expect(done.instance).toEqual({ id: 'page/page-0001', group: 'pages', sdk: 't@1' })
    expect(done.report).toEqual(
      report({
        exposures: [
          { ...cell, units: [unitHash('u', 'ada')] },
          { ...cell, rollout: 'account', units: [unitHash('u', 'acme')] },
        ],
        outcomes: [outcome],
      }),
    )
  })

  it('tells an event once for each unit that its user is', async () => {
    const event = { event: 'buy', unit: pageUnit, ageMs: 5, id: 'order-1', value: 3 }
    const { report: stored } = await sent({ id: 'ada', account: 'acme' }, { events: [event] })
    expect(stored?.events).toEqual([
      { ...event, unit: unitHash('u', 'ada') },
      { ...event, unit: unitHash('u', 'acme'), id: unitHash('order-1', 'account') },
    ])
    const same = await sent({ id: 'ada' }, { events: [event] })
    expect(same.report?.events).toEqual([{ ...event, unit: unitHash('u', 'ada') }])
  })

  it('is taken without what is about rollouts that are not for pages, or other units', async () => {
    const { hub, report: stored } = await sent(
      { id: 'ada' },
      {
        exposures: [
          { ...cell, ...foreign, units: [pageUnit] },
          { ...cell, rollout: 'nowhere', units: [pageUnit] },
          { ...cell, units: [unitHash('u', 'bob')] },
          { ...cell, units: [pageUnit, unitHash('u', 'bob')] },
        ],
        outcomes: [{ ...outcome, ...foreign }],
        events: [
          { event: 'server-side', unit: pageUnit, ageMs: 0 },
          { event: 'buy', unit: unitHash('u', 'bob'), ageMs: 0 },
        ],
        breakers: [{ rollout: 'hidden', epoch: 1, canary: { n: 1, failed: 1 }, stable: { n: 1, failed: 0 } }],
      },
    )
    expect(stored).toEqual(report({ exposures: [], outcomes: [], events: [], breakers: [] }))
    expect(hub.counters()).toMatchObject({ page_foreign_cells: 4, page_foreign_units: 3, page_events_unused: 1 })
  })

  it('is taken without exposures to an arm that its user cannot have', async () => {
    const exposures = ['canary', 'stable'].map((variant) => ({ ...cell, variant, units: [pageUnit] }))
    const { hub, report: stored } = await sent({ id: 'ada' }, { exposures })
    expect(stored?.exposures).toMatchObject([{ variant: 'canary' }])
    expect(hub.counters()).toMatchObject({ page_wrong_variants: 1 })
    const forced = exposures.map((one) => ({ ...one, stratum: 'forced' }))
    expect((await sent({ id: 'ada' }, { exposures: forced })).report?.exposures).toHaveLength(2)
    const before = exposures.map((one) => ({ ...one, epoch: 0 }))
    expect((await sent({ id: 'ada' }, { exposures: before })).report?.exposures).toHaveLength(2)
  })

  it('of nobody has outcomes alone', async () => {
    const { hub, report: stored } = await sent(undefined, {
      exposures: [{ ...cell, units: [pageUnit] }],
      outcomes: [outcome],
      events: [{ event: 'buy', unit: pageUnit, ageMs: 0 }],
    })
    expect(stored).toEqual(report({ exposures: [], outcomes: [outcome], events: [] }))
    expect(hub.counters()).toMatchObject({ page_without_unit: 2 })
  })

  it('leaves out the exposures of units that its rollout does not sample', async () => {
    const sampled = { r: { ...open, unitSample: 0.5 } }
    let kept = 0
    for (let i = 0; i < 40; i++) {
      const { report: stored } = await sent({ id: `u${i}` }, { exposures: [{ ...cell, units: [pageUnit] }] }, sampled)
      const isIn = Number.parseInt(unitHash('u', `u${i}`).slice(0, 8), 16) < 0x80000000
      expect(stored?.exposures).toHaveLength(isIn ? 1 : 0)
      if (isIn) kept++
    }
    expect(kept).toBeGreaterThan(5)
    expect(kept).toBeLessThan(35)
  })

  it('is about the user it had when it was sent', async () => {
    const { hub, reports } = hubWith(rollouts)
    const page = await pageOf(hub, 'page-0001', { user: { id: 'ada' } })
    page.session.receive(JSON.stringify(report({ exposures: [{ ...cell, units: [pageUnit] }] })))
    await page.greets({ user: { id: 'bob' } })
    expect(reports[0]?.report.exposures?.[0]?.units).toEqual([unitHash('u', 'ada')])
  })
})
