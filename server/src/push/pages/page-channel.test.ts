import type { Ruleset, RulesetRollout } from '@pipit/shared/rules'
import { createFakeClock } from '@pipit/shared/testing'
import { describe, expect, it } from 'vitest'
import { hubOf, pageOf, rollout, seated, settled } from '../hub-fixture.ts'

const open: RulesetRollout = { ...rollout, browser: true }
const withCohort: RulesetRollout = { ...open, cohorts: ['beta'] }
const rulesetOf = (version: number, rollouts: Ruleset['rollouts'], fields: Partial<Ruleset> = {}): Ruleset => ({
  version,
  environment: 'production',
  unitSalt: 'u',
  rollouts,
  cohorts: { beta: { when: { plan: 'beta' } } },
  ...fields,
})
const hubWith = (rollouts: Ruleset['rollouts']) => hubOf({ ruleset: rulesetOf(1, rollouts) })
const ada = { user: { id: 'ada', plan: 'beta' } }

describe('a page', () => {
  it('is told of rollouts for pages, and what was decided for its user', async () => {
    const { hub } = hubWith({ r: withCohort, hidden: rollout })
    const { first } = await pageOf(hub, 'page-0001', ada)
    const { browser: _, cohorts: _of, variants: _arms, ...shown } = withCohort
    const result = { variant: 'canary', reason: 'cohort' }
    expect(first).toEqual({
      type: 'ruleset',
      ruleset: { version: 1, rollouts: { r: { ...shown, canary: 'canary', result } } },
      flushMs: 2000,
      heartbeatMs: 15_000,
    })
  })

  it('is decided for by its cookies and the user agent of its request', async () => {
    const rules = [
      { name: 'qa', cookie: 'qa', values: ['1'], serve: 'canary' },
      { name: 'agent', header: 'User-Agent', values: ['probe'], serve: 'canary' },
      { name: 'header', header: 'X-Canary', serve: 'canary' },
    ]
    const { hub } = hubWith({ r: { ...open, rules } })
    const result = async (instance: string, fields: object, who?: object) => {
      const { first } = await pageOf(hub, instance, { user: { id: 'u1' }, ...fields }, who)
      return (first as { ruleset: { rollouts: { r: { result?: object } } } }).ruleset.rollouts.r.result
    }
    expect(await result('page-0001', { cookies: { qa: '1' } })).toEqual({
      variant: 'canary',
      reason: 'cookie',
      rule: 'qa',
    })
    expect(await result('page-0002', {}, { agent: 'probe' })).toMatchObject({ rule: 'agent' })
    expect(await result('page-0003', { cookies: { qa: '2' } }, { agent: 'other' })).toBeUndefined()
  })

  it('shares the bytes of a patch with every page whose results did not change', async () => {
    const { hub, publish } = hubWith({ r: withCohort })
    const pages = await Promise.all([
      pageOf(hub, 'page-0001', { user: { id: 'a' } }),
      pageOf(hub, 'page-0002', { user: { id: 'b' } }),
      pageOf(hub, 'page-0003', ada),
    ])
    await publish(rulesetOf(2, { r: { ...withCohort, weight: 25, epoch: 2 } }))
    const frames = pages.map(({ frames: all }) => all.at(-1))
    expect(new Set(frames).size).toBe(1)
    expect(pages[0]?.messages().at(-1)).toEqual({
      type: 'patch',
      from: 1,
      version: 2,
      rollouts: { r: { weight: 25, epoch: 2 } },
    })
  })

  it('gets a patch of its own where its results did change', async () => {
    const { hub, publish } = hubWith({ r: withCohort })
    const [member, other] = await Promise.all([
      pageOf(hub, 'page-0001', ada),
      pageOf(hub, 'page-0002', { user: { id: 'bob' } }),
    ])
    await publish(rulesetOf(2, { r: { ...withCohort, overrides: { bob: 'canary' } } }, { cohorts: {} }))
    expect(member.messages().at(-1)).toMatchObject({ from: 1, version: 2, rollouts: { r: { result: null } } })
    expect(other.messages().at(-1)).toEqual({
      ...{ type: 'patch', from: 1, version: 2 },
      rollouts: { r: { result: { variant: 'canary', reason: 'override' } } },
    })
  })

  it('is told of a rollout that opens to pages as a whole, and of one that closes', async () => {
    const { hub, publish } = hubWith({ r: rollout })
    const page = await pageOf(hub, 'page-0001', ada)
    expect(page.first).toMatchObject({ ruleset: { rollouts: {} }, flushMs: 10_000 })
    await publish(rulesetOf(2, { r: withCohort }))
    expect(page.messages().at(-1)).toMatchObject({
      ...{ from: 1, version: 2, flushMs: 2000 },
      rollouts: { r: { salt: rollout.salt, canary: 'canary', result: { reason: 'cohort' } } },
    })
    await publish(rulesetOf(3, { r: rollout }))
    expect(page.messages().at(-1)).toMatchObject({ type: 'ruleset', ruleset: { version: 3, rollouts: {} } })
    expect(page.session.sentVersion).toBe(3)
  })

  it('learns of changes elsewhere no more than that there was one', async () => {
    const { hub, publish } = hubWith({ r: open, hidden: rollout })
    const page = await pageOf(hub, 'page-0001', ada)
    await publish(rulesetOf(2, { r: open, hidden: { ...rollout, weight: 7 } }))
    expect(page.messages().at(-1)).toEqual({ type: 'patch', from: 1, version: 2, rollouts: {} })
  })

  it('is decided for anew when it greets for another user, and when it comes back with the version it has', async () => {
    const { hub } = hubWith({ r: withCohort })
    const page = await pageOf(hub, 'page-0001', { user: { id: 'bob' } })
    const told = (result?: object) => [{ type: 'ruleset', ruleset: { version: 1, rollouts: { r: { ...result } } } }]
    const cohort = { result: { variant: 'canary', reason: 'cohort' } }
    expect(await page.greets({ ...ada, version: 1 })).toMatchObject(told(cohort))
    const [bob] = await page.greets({ user: { id: 'bob' } })
    expect(bob).toMatchObject(told()[0] ?? {})
    expect(JSON.stringify(bob)).not.toContain('result')
    expect(await page.greets(ada)).toMatchObject([{ type: 'ruleset', ruleset: { version: 1 } }])
  })

  it('is decided for by the user it named last, however fast it changes its mind', async () => {
    const { hub } = hubWith({ r: withCohort })
    const page = await pageOf(hub, 'page-0001')
    const before = page.frames.length
    void page.greets({ user: { id: 'bob' } })
    await page.greets(ada)
    expect(page.messages().slice(before)).toMatchObject([
      { ruleset: { rollouts: { r: { result: { reason: 'cohort' } } } } },
    ])
  })

  it('is decided for anew when the hour changes what a rule serves', async () => {
    const clock = createFakeClock(Date.UTC(2026, 0, 5, 11, 58, 30))
    const rules = [{ name: 'noon', time: { zone: 'UTC', from: '12:00' }, serve: 'canary' }]
    const { hub } = hubOf({ ruleset: rulesetOf(1, { r: { ...open, rules } }), clock })
    const page = await pageOf(hub, 'page-0001', { user: { id: 'u1' } })
    const count = page.frames.length
    const wait = async (): Promise<void> => {
      for (let i = 0; i < 3; i++) {
        page.session.heard()
        await clock.advance(20_000)
      }
      await settled()
    }
    const patches = () =>
      page
        .messages()
        .slice(count)
        .filter(({ type }) => type === 'patch')
    await wait()
    expect(patches()).toEqual([])
    await wait()
    expect(patches()).toMatchObject([{ from: 1, version: 1, rollouts: { r: { result: { rule: 'noon' } } } }])
    await wait()
    expect(patches()).toHaveLength(1)
  })

  it('is shown as a page, and no revert waits for it', async () => {
    const { hub, publish } = hubWith({ r: open })
    const page = await pageOf(hub, 'page-0001', ada)
    await seated(hub, 'server-0001')
    await publish(rulesetOf(2, { r: { ...open, weight: 9 } }))
    expect(hub.instances('production')).toMatchObject([{ kind: 'server' }, { kind: 'page', instance: 'page-0001' }])
    expect(hub.convergence('production')[0]).toMatchObject({ instances: 1, pages: { connected: 1, applied: 0 } })
    await page.says({ type: 'applied', version: 2 })
    expect(hub.convergence('production')[0]).toMatchObject({ applied: 0, pages: { connected: 1, applied: 1 } })
  })

  it.each([{ seq: 1 }, { seq: 'x', breakers: [{}] }])(
    'is told where to report when it reports over the socket: %j',
    async (fields) => {
      const { hub, reports } = hubWith({ r: open })
      const page = await pageOf(hub, 'page-0001', ada)
      const [answer] = await page.says({ type: 'report', ...fields })
      expect(answer).toMatchObject({ type: 'error', code: 'bad-message', retry: false })
      expect(answer?.message).toContain('POST /sdk/v1/page')
      expect(reports).toEqual([])
      expect(hub.instances('production')).toMatchObject([{ breakers: [] }])
    },
  )

  it('reaches thousands in slices', async () => {
    const { hub, publish } = hubWith({ r: open })
    const pages = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => pageOf(hub, `page-${String(i).padStart(4, '0')}`, { user: { id: i } })),
    )
    await publish(rulesetOf(2, { r: { ...open, weight: 9 } }))
    for (const page of pages) expect(page.messages().at(-1)).toMatchObject({ version: 2 })
  })
})
