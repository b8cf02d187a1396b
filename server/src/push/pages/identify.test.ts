import { createHmac } from 'node:crypto'
import { prepareHash64 } from '@pipit/shared/hash'
import type { PageRulesetMessage } from '@pipit/shared/protocol'
import { memberListOf, type Ruleset, type RulesetRollout } from '@pipit/shared/rules'
import { describe, expect, it } from 'vitest'
import { hubOf, pageOf, posted, rollout } from '../hub-fixture.ts'
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
    ['a proof that is none', { id: 'ada', plan: 'beta' }, 'abc'],
    ['a proof that is too long', { id: 'ada', plan: 'beta' }, hashOf('ada').repeat(3)],
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

  it('splits by its anonymous id alone where it is not proved, and no cached answer is of anybody else', async () => {
    const { hub } = setup()
    const units = async (fields: object): Promise<unknown> => {
      const page = await pageOf(hub, 'page-0001', fields)
      const told = page.messages().find(({ type }) => type === 'ruleset') as unknown as PageRulesetMessage
      return Object.values(told.ruleset.rollouts).map(({ unit }) => unit)
    }
    const own = [undefined, undefined, undefined, undefined]
    const anonymous = own.map(() => 'anonymousId')
    const nobody = { user: { anonymousId: 'x' } }
    // Nobody's results are the same as of a proved user without any.
    expect(await units({ user: { id: 'eve' }, userHash: hashOf('eve') })).toEqual(own)
    expect(await units({ user: { id: 'eve', anonymousId: 'x' } })).toEqual(anonymous)
    expect(await units(nobody)).toEqual(anonymous)
    expect(await units({ user: { id: 'eve' }, userHash: hashOf('eve') })).toEqual(own)
    expect(await units({})).toEqual(own)
  })

  it('over HTTP is answered the same, and told that it could not be proved', async () => {
    const { hub } = setup()
    const hello = { type: 'hello', protocol: 1, key: 'k', sdk: { name: 't', version: '1' }, instance: 'page-0001' }
    const user = { id: 'ada', plan: 'beta', anonymousId: 'x' }
    const [proved] = await posted(hub, { ...hello, user, userHash: hashOf('ada') })
    expect(reasons(proved)).toMatchObject({ listed: 'cohort', beta: 'rule' })
    const told = await posted(hub, { ...hello, user })
    expect(told).toMatchObject([{ type: 'error', code: 'user-hash', retry: false }, { type: 'ruleset' }])
    expect(reasons(told[1])).toEqual({})
    for (const userHash of ['', 'abc', 'g'.repeat(64), 'a'.repeat(129), 7, null, ['a']]) {
      const broken = await posted(hub, { ...hello, user, userHash })
      expect(broken).toEqual(told)
    }
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
