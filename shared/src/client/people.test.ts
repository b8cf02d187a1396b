import { describe, expect, it } from 'vitest'
import type { User } from '../decide/index.ts'
import { unitHash } from '../hash/index.ts'
import type { PatchMessage } from '../protocol/index.ts'
import type { Rule, Ruleset, RulesetRollout } from '../rules/index.ts'
import { createFakeClock, createFakeServer, seededRandom } from '../testing/index.ts'
import type { ClientOptions } from './api.ts'
import { createClientCore } from './core.ts'

const salt = 'unit-salt-012345'
const rollout: RulesetRollout = {
  ...{ phase: 'running', salt: '0123456789abcdef', hash: 1, epoch: 1, stage: 'half', weight: 50 },
  variants: [{ name: 'stable' }, { name: 'canary' }],
  events: ['purchase'],
}
const rulesetOf = (rollouts: Ruleset['rollouts'], fields: Partial<Ruleset> = {}): Ruleset => ({
  ...{ version: 1, environment: 'production', unitSalt: salt, cohorts: {} },
  rollouts,
  ...fields,
})

async function setup(ruleset: Ruleset, options: Partial<ClientOptions> = {}, waitMs = 10) {
  const clock = createFakeClock()
  const random = seededRandom(1)
  const server = createFakeServer(clock, random, ruleset)
  const warnings: string[] = []
  const sdk = createClientCore(
    {
      ...{ sdk: { name: 'test', version: '1' }, clock, random },
      ...{ connect: server.connect, request: server.request },
      log: { warn: (message) => warnings.push(message) },
    },
    { url: 'http://127.0.0.1:4400', key: 'srv_x', rollout: 'checkout', ...options },
  )
  if (waitMs > 0) await clock.advance(waitMs)
  const reports = async () => {
    await clock.advance(30_000)
    return server.accepted
  }
  let version = 1
  const patch = async (changes: Omit<PatchMessage, 'type' | 'from' | 'version'>) => {
    server.broadcast({ type: 'patch', from: version, version: ++version, ...changes })
    await clock.advance(10)
    expect(sdk.status().version).toBe(version)
  }
  return { sdk, reports, warnings, patch }
}

const thrower = (names: readonly string[], fields: object): User =>
  names.reduce<object>(
    (user, name) =>
      Object.defineProperty(user, name, {
        get() {
          throw new Error(`no ${name}`)
        },
      }),
    { ...fields },
  ) as User

describe('signing in', () => {
  const users = Array.from({ length: 300 }, (_, i) => ({ id: `user-${i}`, anonymousId: `cookie-${i}` }))

  it('moves nobody to the other side, and tells of nobody twice', async () => {
    const { sdk, reports } = await setup(rulesetOf({ checkout: rollout }), { followSignIns: true })
    const before = users.map(({ anonymousId }) => sdk.variant({ anonymousId }))
    expect(users.map((user) => sdk.variant(user))).toEqual(before)
    // From then on the id alone is enough.
    expect(users.map(({ id }) => sdk.variant(id))).toEqual(before)
    expect(users.map(({ id }) => sdk.decide({ id }).unit)).toEqual(users.map(({ anonymousId }) => anonymousId))
    sdk.track('user-1', 'purchase')
    const told = await reports()
    const exposed = told.flatMap(({ exposures = [] }) => exposures.flatMap(({ units }) => units))
    expect(exposed.toSorted()).toEqual(users.map(({ anonymousId }) => unitHash(salt, anonymousId)).toSorted())
    const events = told.flatMap((report) => report.events ?? [])
    expect(events.map(({ unit }) => unit)).toEqual([unitHash(salt, 'cookie-1')])
  })

  it('leaves an id alone that was decided for before', async () => {
    const { sdk } = await setup(rulesetOf({ checkout: rollout }), { followSignIns: true })
    const before = users.map(({ id }) => sdk.variant(id))
    for (const { anonymousId } of users) sdk.variant({ anonymousId })
    expect(users.map((user) => sdk.variant(user))).toEqual(before)
    expect(users.map((user) => sdk.decide(user).unit)).toEqual(users.map(({ id }) => id))
  })

  it('leaves it alone in all rollouts, and after the next ramp', async () => {
    const other = { ...rollout, salt: 'fedcba9876543210' }
    const { sdk, patch } = await setup(rulesetOf({ checkout: rollout, other }), { followSignIns: true })
    const before = users.map(({ id }) => sdk.variant(id, 'checkout'))
    await patch({ rollouts: { checkout: { epoch: 2, weight: 60 } } })
    for (const { anonymousId } of users) sdk.variant({ anonymousId }, 'other')
    expect(users.map((user) => sdk.decide(user, 'other').unit)).toEqual(users.map(({ id }) => id))
    await patch({ rollouts: { checkout: { epoch: 3, weight: 50 } } })
    expect(users.map((user) => sdk.variant(user, 'checkout'))).toEqual(before)
  })

  it('counts what is done before the next decision for who was exposed', async () => {
    const { sdk, reports } = await setup(rulesetOf({ checkout: rollout }), { followSignIns: true })
    sdk.variant({ anonymousId: 'cookie' })
    sdk.track({ id: 'ada', anonymousId: 'cookie' }, 'purchase')
    const events = (await reports()).flatMap((report) => report.events ?? [])
    expect(events).toMatchObject([{ unit: unitHash(salt, 'cookie') }])
    expect(sdk.decide('ada').unit).toBe('cookie')
  })

  it('knows nothing of an anonymous id that nobody was decided by', async () => {
    const { sdk } = await setup(rulesetOf({ checkout: rollout }), { followSignIns: true })
    expect(sdk.decide({ id: 'ada', anonymousId: 'c' }).unit).toBe('ada')
  })

  it('is remembered within bounds', async () => {
    const { sdk } = await setup(rulesetOf({ checkout: rollout }), { maxRememberedUnits: 50, followSignIns: true })
    for (const { anonymousId } of users) sdk.variant({ anonymousId })
    for (const user of users) sdk.variant(user)
    const [last, first] = [users.at(-1), users[0]]
    expect(sdk.decide(last).unit).toBe(last?.anonymousId)
    expect(sdk.decide(first).unit).toBe(first?.id)
  })

  it('is not followed where it is not asked for: every process decides alike', async () => {
    const { sdk } = await setup(rulesetOf({ checkout: rollout }))
    for (const { anonymousId } of users) sdk.variant({ anonymousId })
    expect(users.map((user) => sdk.decide(user).unit)).toEqual(users.map(({ id }) => id))
  })

  it('moves nobody in any process where the unit is what does not change', async () => {
    const unit = ['anonymousId', 'id']
    const [first, second] = [
      await setup(rulesetOf({ checkout: { ...rollout, unit } })),
      await setup(rulesetOf({ checkout: { ...rollout, unit } })),
    ]
    const before = users.map(({ anonymousId }) => first.sdk.variant({ anonymousId }))
    expect(users.map((user) => second.sdk.variant(user))).toEqual(before)
  })
})

describe('events', () => {
  const account = { ...rollout, salt: 'fedcba9876543210', unit: 'account' }

  it('count for what each rollout assigns, once for each', async () => {
    const { sdk, reports } = await setup(rulesetOf({ checkout: rollout, again: rollout, billing: account }))
    sdk.track({ id: 'ada', account: 'acme' }, 'purchase', { id: 'order-1', value: 5 })
    sdk.track({ id: 'bo' }, 'purchase')
    sdk.track({ account: 'acme' }, 'purchase')
    const events = (await reports()).flatMap((report) => report.events ?? [])
    expect(events.map(({ unit }) => unit)).toEqual(['ada', 'acme', 'bo', 'acme'].map((unit) => unitHash(salt, unit)))
    expect(events.slice(0, 2).map(({ id, value }) => [id, value])).toEqual([
      ['order-1', 5],
      [unitHash('order-1', 'account'), 5],
    ])
  })

  it('have the same id in every process, in whatever order its rollouts came', async () => {
    const either = { ...account, unit: ['account', 'id'] }
    const told = async (rollouts: Ruleset['rollouts']) => {
      const { sdk, reports } = await setup(rulesetOf(rollouts))
      sdk.track({ id: 'ada' }, 'purchase', { id: 'order-1' })
      sdk.track({ account: 'acme' }, 'purchase', { id: 'order-2' })
      return (await reports()).flatMap((report) => report.events?.map(({ unit, id }) => [unit, id]) ?? [])
    }
    const first = await told({ checkout: rollout, billing: account, either })
    expect(first).toHaveLength(2)
    expect(await told({ either, billing: account, checkout: rollout })).toEqual(first)
  })

  it('count for the rest of a user of whom something throws when it is read', async () => {
    const { sdk, reports } = await setup(rulesetOf({ checkout: rollout, billing: account }))
    const user = thrower(['anonymousId', 'account'], { id: 'ada' })
    sdk.track(user, 'purchase')
    sdk.track(user, 'purchase', { unit: 'id' })
    const units = (await reports()).flatMap((report) => report.events?.map(({ unit }) => unit) ?? [])
    expect(units).toEqual([unitHash(salt, 'ada'), unitHash(salt, 'ada')])
  })

  it('are told of the share of units that is reported, as exposures are, unless another rollout counts all', async () => {
    const users = Array.from({ length: 400 }, (_, i) => `user-${i}`)
    const told = async (rollouts: Ruleset['rollouts']) => {
      const { sdk, reports } = await setup(rulesetOf(rollouts))
      for (const id of users) {
        sdk.variant(id)
        sdk.track(id, 'purchase')
      }
      const all = await reports()
      return {
        exposed: new Set(all.flatMap(({ exposures = [] }) => exposures.flatMap(({ units }) => units))),
        tracked: new Set(all.flatMap(({ events = [] }) => events.map(({ unit }) => unit))),
      }
    }
    const quarter = { ...rollout, unitSample: 0.25 }
    const { exposed, tracked } = await told({ checkout: quarter })
    expect(tracked).toEqual(exposed)
    expect(Math.abs(tracked.size - 100)).toBeLessThan(40)
    expect((await told({ checkout: quarter, other: rollout })).tracked.size).toBe(400)
  })

  it('from before the first ruleset wait for it', async () => {
    const late = await setup(rulesetOf({ checkout: rollout, billing: account }), {}, 0)
    expect(late.sdk.status().version).toBe(0)
    late.sdk.track({ account: 'acme' }, 'purchase')
    expect(late.sdk.status().pending.events).toBe(1)
    const events = (await late.reports()).flatMap((report) => report.events ?? [])
    expect(events).toMatchObject([{ event: 'purchase', unit: unitHash(salt, 'acme') }])
  })

  it('of nobody are refused in words', async () => {
    const { sdk, warnings } = await setup(rulesetOf({ checkout: rollout }))
    for (const user of [undefined, '', {}, 7]) sdk.track(user as never, 'purchase')
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatch(/needs a user id/)
    expect(sdk.status().dropped.invalid).toBe(4)
  })
})

describe('a rollout that deals out requests', () => {
  it('tells outcomes of both arms spread over the buckets, and no exposures', async () => {
    const { sdk, reports } = await setup(rulesetOf({ checkout: { ...rollout, assign: 'request' } }))
    const variants = new Set<string>()
    for (let i = 0; i < 2000; i++) {
      const decision = sdk.decide('ada')
      variants.add(decision.variant)
      sdk.outcome(decision, { ok: true })
    }
    expect(variants).toEqual(new Set(['stable', 'canary']))
    const told = await reports()
    expect(told.flatMap((report) => report.exposures ?? [])).toEqual([])
    const cells = told.flatMap((report) => report.outcomes ?? [])
    expect(cells.map(({ stratum }) => stratum)).toEqual(['split', 'split'])
    for (const { buckets, columns } of cells) expect(buckets.length / columns).toBe(256)
  })
})

describe('whom a rollout does not touch', () => {
  it('is neither exposed nor evidence', async () => {
    const { sdk, reports } = await setup(rulesetOf({ checkout: rollout }, { holdback: 100 }))
    sdk.outcome(sdk.decide('ada'), { ok: false })
    expect(sdk.decide('ada')).toMatchObject({ variant: 'stable', reason: 'holdback' })
    expect(await reports()).toEqual([])
  })
})

describe('all variants at once', () => {
  it('are those of each, and expose nobody', async () => {
    const { sdk, reports } = await setup(
      rulesetOf({ checkout: rollout, search: { ...rollout, salt: 'x', weight: 100 } }),
    )
    expect(sdk.variants('ada')).toEqual({ checkout: sdk.variant('ada'), search: 'canary' })
    const exposed = (await reports()).flatMap((report) => report.exposures ?? [])
    expect(exposed.map((cell) => cell.rollout)).toEqual(['checkout'])
  })
})

describe('a getter of a user that decides as well', () => {
  it('changes nothing for whoever asked first', async () => {
    const sliced = { ...rollout, weight: 100, slices: ['country'] }
    const { sdk } = await setup(rulesetOf({ checkout: sliced, other: { ...rollout, weight: 0 } }))
    const user = {
      get id() {
        sdk.variant('somebody', 'other')
        return 'ada'
      },
      get country() {
        sdk.variant('somebody-else', 'other')
        return 'NL'
      },
    }
    expect(sdk.variant(user)).toBe('canary')
    expect(sdk.decide(user)).toMatchObject({
      rollout: 'checkout',
      variant: 'canary',
      unit: 'ada',
      slice: { country: 'NL' },
    })
  })
})

describe('a user of whom something throws when it is read', () => {
  it.each([false, true])('has the rest, the first time and every time (followSignIns: %s)', async (followSignIns) => {
    const everybody = { ...rollout, weight: 100 }
    const rollouts = { checkout: everybody, account: { ...everybody, unit: ['account', 'id'] } }
    const { sdk, warnings } = await setup(rulesetOf(rollouts), { followSignIns })
    const unread = thrower(['anonymousId'], { id: 'ada' })
    expect([sdk.variant(unread), sdk.variant(unread), sdk.variants(unread).checkout]).toEqual(Array(3).fill('canary'))
    expect(sdk.decide(thrower(['id'], { anonymousId: 'cookie' }))).toMatchObject({ unit: 'cookie', variant: 'canary' })
    const decision = sdk.decide(thrower(['account', 'anonymousId'], { id: 'bo' }), 'account')
    expect(decision).toMatchObject({ unit: 'bo', variant: 'canary' })
    expect(sdk.decide(thrower(['id', 'anonymousId'], {})).reason).toBe('no-unit')
    expect(warnings).toEqual([])
  })
})

describe('headers that decide for somebody else while they are read', () => {
  it('change nothing for whoever asked first', async () => {
    const rules: readonly Rule[] = [
      { name: 'qa', header: 'X-Canary', serve: 'stable' },
      { name: 'ada', when: { id: 'ada' }, serve: 'canary' },
    ]
    const ruled = { ...rollout, weight: 0, rules }
    const { sdk } = await setup(
      rulesetOf(
        { checkout: ruled, listed: { ...ruled, rules: rules.slice(0, 1), cohorts: ['a'] } },
        { cohorts: { a: { when: { id: 'ada' } } } },
      ),
    )
    const headers = {
      get() {
        sdk.variant('bo')
        return null
      },
    }
    expect(sdk.decide('ada', { headers })).toMatchObject({ variant: 'canary', rule: 'ada' })
    expect(sdk.decide('ada', { headers, explain: true })).toMatchObject({ variant: 'canary', rule: 'ada' })
    expect(sdk.decide('ada', { headers, rollout: 'listed' })).toMatchObject({ variant: 'canary', reason: 'cohort' })
  })
})
