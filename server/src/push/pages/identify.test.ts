import { createHmac } from 'node:crypto'
import { prepareHash64, unitHash } from '@pipit/shared/hash'
import { pageUnit } from '@pipit/shared/protocol'
import { memberListOf, type Ruleset, type RulesetRollout } from '@pipit/shared/rules'
import { describe, expect, it } from 'vitest'
import { hubOf, pageOf, rollout } from '../hub-fixture.ts'
import type { PageSettings } from './identify.ts'

const secret = 'page-secret'
const hashOf = (id: string, key = secret) => createHmac('sha256', key).update(id).digest('hex')

const open: RulesetRollout = { ...rollout, weight: 100, browser: true }
const ruleset: Ruleset = {
  ...{ version: 1, environment: 'production', unitSalt: 'u' },
  rollouts: {
    listed: { ...open, cohorts: ['internal'] },
    ruled: { ...open, rules: [{ name: 'both', cohort: 'internal', cookie: 'qa', serve: 'canary' }] },
    beta: { ...open, rules: [{ name: 'beta', when: { plan: 'beta' }, serve: 'canary' }] },
    override: { ...open, overrides: { ada: 'canary' } },
  },
  cohorts: { internal: { members: memberListOf(['ada', '7'], prepareHash64('u')) } },
}
const required: PageSettings = { userHash: 'required', pageSecret: secret }

function setup(settings: PageSettings = required) {
  let now = settings
  const served = hubOf({ ruleset, pageSettings: async () => now })
  return {
    ...served,
    change: (next: PageSettings) => {
      now = next
    },
  }
}

/** What was decided before the split, by rollout. */
function reasons(message: unknown): { readonly [rollout: string]: unknown } {
  const { rollouts } = (message as { ruleset: { rollouts: { [key: string]: { result?: { reason: string } } } } })
    .ruleset
  return Object.fromEntries(
    Object.entries(rollouts).flatMap(([key, { result }]) => (result ? [[key, result.reason]] : [])),
  )
}
const all = { listed: 'cohort', ruled: 'cookie', beta: 'rule', override: 'override' }
const cookies = { qa: '1' }

describe('the user of a page', () => {
  it('is who the page says where no proof is asked for', async () => {
    const { hub } = setup({ userHash: 'off', pageSecret: secret })
    const page = await pageOf(hub, 'page-0001', { cookies, user: { id: 'ada', plan: 'beta' }, userHash: hashOf('bob') })
    expect(reasons(page.first)).toEqual(all)
  })

  it('is who its server has proved it to be', async () => {
    const { hub } = setup()
    const page = await pageOf(hub, 'page-0001', { cookies, user: { id: 'ada', plan: 'beta' }, userHash: hashOf('ada') })
    expect(reasons(page.first)).toEqual(all)
    const number = await pageOf(hub, 'page-0002', { user: { id: 7 }, userHash: hashOf('7').toUpperCase() })
    expect(reasons(number.first)).toEqual({ listed: 'cohort' })
  })

  it.each<[string, object, string | undefined]>([
    ['no proof', { id: 'ada', plan: 'beta' }, undefined],
    ['the proof of somebody else', { id: 'ada', plan: 'beta' }, hashOf('bob')],
    ['a proof under another secret', { id: 'ada', plan: 'beta' }, hashOf('ada', 'another')],
    ['attributes alone', { plan: 'beta' }, undefined],
  ])('counts as anonymous with %s, and the page is told once', async (_name, user, userHash) => {
    const { hub } = setup()
    const fields = { cookies, user: { anonymousId: 'ada', ...user }, ...(userHash === undefined ? {} : { userHash }) }
    const page = await pageOf(hub, 'page-0001', fields)
    expect(page.first).toMatchObject({ type: 'error', code: 'user-hash', retry: false })
    expect(reasons(page.messages()[1])).toEqual({})
    expect(await page.greets(fields)).toMatchObject([{ type: 'ruleset' }])
    expect(page.closes).toEqual([])
    expect(hub.counters()).toMatchObject({ page_users_unproved: 2 })
  })

  it('cannot take the place of a member or an override by an anonymous id', async () => {
    const { hub } = setup()
    const page = await pageOf(hub, 'page-0001', { cookies, user: { anonymousId: 'ada' } })
    expect(page.first).toMatchObject({ type: 'ruleset' })
    expect(reasons(page.first)).toEqual({})
    const free = await pageOf(setup({ userHash: 'off' }).hub, 'page-0001', { cookies, user: { anonymousId: 'ada' } })
    expect(reasons(free.first)).toEqual({ listed: 'cohort', ruled: 'cookie', override: 'override' })
  })

  it('reports under its anonymous id alone where it is not proved', async () => {
    const { hub, reports } = setup()
    const page = await pageOf(hub, 'page-0001', { user: { id: 'ada', anonymousId: 'visitor' } })
    const cell = { rollout: 'beta', epoch: 1, variant: 'canary', stratum: 'split', reason: 'split', units: [pageUnit] }
    await page.says({ type: 'report', seq: 1, exposures: [cell] })
    expect(reports[0]?.report.exposures).toEqual([{ ...cell, units: [unitHash('u', 'visitor')] }])
  })

  it('is asked for again when what is asked for has changed', async () => {
    const { hub, change } = setup({ userHash: 'off' })
    const page = await pageOf(hub, 'page-0001', { user: { id: 'ada' } })
    change(required)
    hub.greetPagesAgain('production')
    expect(page.closes).toEqual([{ code: 1001, reason: '2000' }])
    const again = await pageOf(hub, 'page-0001', { user: { id: 'ada' } })
    expect(again.first).toMatchObject({ code: 'user-hash' })
  })
})
