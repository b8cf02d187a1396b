import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { prepareHash64 } from '../hash/index.ts'
import { memberListOf, type PageRuleset, phases, type Rule, type Ruleset, type RulesetRollout } from '../rules/index.ts'
import { compileRuleset } from './compile.ts'
import { decide } from './decide.ts'
import type { DecideContext, User } from './decision.ts'
import type { DecideEnvironment } from './environment.ts'
import { projectPage, splitVariant } from './page.ts'

const rollout = (fields: Partial<RulesetRollout> = {}): RulesetRollout => ({
  phase: 'running',
  salt: '0123456789abcdef',
  hash: 1,
  epoch: 1,
  stage: 'half',
  weight: 50,
  variants: [{ name: 'stable' }, { name: 'canary', payload: { color: 'red' } }],
  browser: true,
  ...fields,
})
const rulesetOf = (rollouts: Ruleset['rollouts'], fields: Partial<Ruleset> = {}): Ruleset => ({
  version: 7,
  environment: 'production',
  unitSalt: 'unit-salt',
  rollouts,
  cohorts: {},
  ...fields,
})
const project = (ruleset: Ruleset, user?: User, context?: DecideContext, environment: DecideEnvironment = {}) =>
  projectPage(compileRuleset(ruleset), user, context, environment)

/** Decides as a page does: by what came over the wire and nothing else. */
function decideInPage(page: PageRuleset, key: string, user: User | undefined) {
  const { version, rollouts } = JSON.parse(JSON.stringify(page)) as PageRuleset
  const own = Object.hasOwn(rollouts, key) ? rollouts[key] : undefined
  const { canary = '', payloads, result, ...source } = own ?? {}
  // The split alone, between stable and the one arm that is this user's.
  const split = { ...source, phase: 'running', variants: [{ name: 'stable' }, { name: canary }] } as RulesetRollout
  const ruleset = rulesetOf(own === undefined ? {} : { [key]: split }, { version })
  const { variant, ...decision } = { ...decide(compileRuleset(ruleset), key, user), ...result }
  const { rule, randomised = false } = result ?? decision
  return { ...decision, variant, payload: payloads?.[variant], rule, randomised }
}

type Told = ReturnType<typeof decide> | ReturnType<typeof decideInPage>

/** What a page knows of a decision: of slices it is told nothing. */
const told = ({ unit: _unit, slice: _of, ...decision }: Told) => decision

describe('projectPage', () => {
  it('tells of rollouts for pages alone, and of nothing that is undecided in them', () => {
    const rules: readonly Rule[] = [{ name: 'nl', when: { country: 'NL' }, serve: 'canary' }]
    const ruleset = rulesetOf({
      open: rollout({ rules, overrides: { u9: 'canary' }, cohorts: ['beta'], unitSample: 0.5 }),
      hidden: { ...rollout(), browser: undefined as never },
    })
    expect(project(ruleset, 'u1')).toEqual({
      version: 7,
      rollouts: {
        open: {
          phase: 'running',
          salt: '0123456789abcdef',
          hash: 1,
          epoch: 1,
          stage: 'half',
          weight: 50,
          canary: 'canary',
          payloads: { canary: { color: 'red' } },
        },
      },
    })
  })

  it('names a unit, the events that count and how long to bear silence, as long as users are decided on', () => {
    const fields = { unit: ['org', 'id'], assign: 'request', events: ['buy'], deadmanMs: 5000 } as const
    const page = project(rulesetOf({ on: rollout(fields), off: rollout({ ...fields, phase: 'reverted' }) }), 'u1')
    expect(page.rollouts.on).toMatchObject(fields)
    const { deadmanMs: _none, ...rest } = fields
    expect(page.rollouts.off).toMatchObject({ ...rest, result: { variant: 'stable', reason: 'phase' } })
    expect(page.rollouts.off).not.toHaveProperty('deadmanMs')
  })

  it('has the payloads of the arms that its user can get', () => {
    const variants = ['stable', 'canary', 'second'].map((name) => ({ name, payload: `of ${name}` }))
    const payloadsOf = (fields: Partial<RulesetRollout>) =>
      Object.keys(project(rulesetOf({ r: rollout({ variants, ...fields }) }), 'u1').rollouts.r?.payloads ?? {})
    const deal = [
      ['canary', 100_000],
      ['second', 100_000],
    ] as const
    expect(payloadsOf({ deal })).toEqual(['stable', 'canary'])
    expect(payloadsOf({ deal, overrides: { u1: 'second' } })).toEqual(['stable', 'canary', 'second'])
    expect(payloadsOf({ deal, phase: 'succeeded', winner: 'second' })).toEqual(['stable', 'canary', 'second'])
    expect(project(rulesetOf({ r: rollout({ variants: [{ name: 'stable' }] }) })).rollouts.r).not.toHaveProperty(
      'payloads',
    )
  })

  it.each<[string, Partial<RulesetRollout>, User | undefined, object]>([
    ['an override', { overrides: { u1: 'canary' } }, 'u1', { variant: 'canary', reason: 'override' }],
    ['a cohort', { cohorts: ['beta'] }, { id: 'u1', plan: 'beta' }, { variant: 'canary', reason: 'cohort' }],
    [
      'a rule',
      { rules: [{ name: 'nl', when: { country: 'NL' }, serve: 'canary' }] },
      { id: 'u1', country: 'NL' },
      { variant: 'canary', reason: 'rule', rule: 'nl' },
    ],
    [
      'a split in a rule',
      { rules: [{ name: 'half', when: {}, serve: { canary: 100, stable: 0 } }] },
      'u1',
      { variant: 'canary', reason: 'rule', rule: 'half', randomised: true },
    ],
    [
      'a cookie',
      { rules: [{ name: 'qa', cookie: 'qa', serve: 'canary' }] },
      'u1',
      { variant: 'canary', reason: 'cookie', rule: 'qa' },
    ],
    ['a missing unit', {}, undefined, { variant: 'stable', reason: 'no-unit' }],
    [
      'another rollout that is not for pages',
      { prerequisites: [{ rollout: 'server-side' }] },
      'u1',
      { variant: 'stable', reason: 'prerequisite' },
    ],
  ])('decides by %s', (_name, fields, user, result) => {
    const ruleset = rulesetOf(
      { r: rollout(fields), 'server-side': { ...rollout({ weight: 0 }), browser: undefined as never } },
      { cohorts: { beta: { when: { plan: 'beta' } } } },
    )
    expect(project(ruleset, user, { cookies: { qa: '1' } }).rollouts.r?.result).toEqual(result)
  })

  it('leaves the split of requests, and its own breaker, to the page', () => {
    const ruleset = rulesetOf({ r: rollout({ assign: 'request' }) })
    expect(project(ruleset).rollouts.r).not.toHaveProperty('result')
    const ruled = rulesetOf({ r: rollout({ overrides: { u1: 'canary' } }) })
    const forcedBy = (reason: 'breaker' | 'deadman') =>
      project(ruled, 'u1', undefined, { forced: () => reason }).rollouts.r?.result
    expect(forcedBy('breaker')).toEqual({ variant: 'canary', reason: 'override' })
    expect(forcedBy('deadman')).toEqual({ variant: 'stable', reason: 'deadman' })
  })

  it('says what everybody gets where nobody is split, and for whom what has succeeded is not', () => {
    const done = rollout({ phase: 'succeeded', winner: 'canary', rules: [{ name: 'all', when: {}, serve: 'stable' }] })
    const phase = { variant: 'canary', reason: 'phase' }
    expect(project(rulesetOf({ done }), 'u1').rollouts.done?.result).toEqual(phase)
    const held = project(rulesetOf({ done }, { holdback: 100 }), 'u1').rollouts.done
    expect(held?.result).toEqual({ variant: 'stable', reason: 'holdback' })
    const back = project(rulesetOf({ r: rollout({ phase: 'reverted' }) }, { holdback: 100 }), 'u1').rollouts.r
    expect(back?.result).toEqual({ ...phase, variant: 'stable' })
  })

  const names = fc.constantFrom('a', 'b', 'c')
  const texts = fc.constantFrom('1', '2', '3')
  const serve = fc.oneof(
    fc.constantFrom('stable', 'canary', 'second'),
    fc.integer({ min: 0, max: 100 }).map((canary) => ({ canary, stable: 100 - canary })),
  )
  const rule = fc
    .tuple(
      serve,
      fc.oneof(
        fc.record({ cookie: names, values: fc.array(texts, { minLength: 1, maxLength: 2 }) }),
        fc.record({ header: fc.constantFrom('X-Canary', 'User-Agent') }),
        fc.record({ cohort: names }),
        fc.record({ when: fc.record({ plan: texts }) }),
        fc.constant({ time: { zone: 'UTC', from: '00:00', to: '12:00' } }),
      ),
    )
    .map(([served, matcher]) => ({ serve: served, ...matcher }))
  const rollouts = fc.record(
    {
      phase: fc.constantFrom(...phases.filter((phase) => phase !== 'archived'), 'running' as const),
      salt: fc.string({ unit: 'grapheme-ascii', minLength: 16, maxLength: 16 }),
      weight: fc.integer({ min: 0, max: 100 }),
      epoch: fc.integer({ min: 1, max: 9 }),
      unit: fc.constantFrom<string | readonly string[]>('id', 'plan', ['org', 'id']),
      variants: fc.constantFrom<RulesetRollout['variants']>(
        [{ name: 'stable' }, { name: 'canary', payload: 1 }],
        [{ name: 'stable' }, { name: 'canary', share: 2 }, { name: 'second', payload: { x: 'y' } }],
      ),
      rules: fc.array(rule, { maxLength: 3 }).map((list) => list.map((one, i) => ({ name: `rule-${i}`, ...one }))),
      cohorts: fc.array(names, { maxLength: 2 }),
      overrides: fc.dictionary(texts, fc.constantFrom('stable', 'canary')),
      prerequisites: names.map((key) => [{ rollout: key }]),
      layer: fc.constant({ name: 'l', from: 0, to: 50 }),
      winner: fc.constantFrom('stable', 'canary'),
      slices: fc.constant(['plan']),
      browser: fc.constant(true as const),
    },
    { requiredKeys: ['phase', 'salt', 'weight', 'epoch', 'variants'] },
  )
  const rulesets = fc.record({
    version: fc.constant(3),
    environment: fc.constant('production'),
    unitSalt: fc.constant('u'),
    holdback: fc.constantFrom(0, 0, 30),
    rollouts: fc.dictionary(names, rollouts),
    cohorts: fc.dictionary(
      names,
      fc.oneof(
        fc.record({ when: fc.record({ plan: texts }) }),
        fc.array(texts).map((ids) => ({ members: memberListOf(ids, prepareHash64('u')) })),
      ),
    ),
  })
  const users = fc.oneof(
    fc.constant(undefined),
    fc.string({ minLength: 1, maxLength: 3 }),
    fc.record({ id: fc.oneof(texts, fc.integer()), anonymousId: texts, plan: texts, org: texts }, { requiredKeys: [] }),
  )
  const contexts = fc.record({
    cookies: fc.dictionary(names, texts),
    headers: fc.constantFrom<{ [name: string]: string }>({}, { 'user-agent': 'Firefox' }),
  })

  it('is enough to decide by as the whole ruleset does', () => {
    let results = 0
    fc.assert(
      fc.property(rulesets, users, contexts, fc.constantFrom(6, 18), (source, user, context, hour) => {
        const ruleset = source as unknown as Ruleset
        const compiled = compileRuleset(ruleset)
        const environment = { now: () => hour * 3_600_000 }
        const page = projectPage(compiled, user, context, environment)
        for (const [key, { browser }] of Object.entries(ruleset.rollouts)) {
          if (browser !== true) expect(page.rollouts).not.toHaveProperty([key])
          else
            expect(told(decideInPage(page, key, user))).toEqual(told(decide(compiled, key, user, context, environment)))
          if (page.rollouts[key]?.result !== undefined) results++
        }
      }),
      { numRuns: 2000 },
    )
    expect(results).toBeGreaterThan(500)
  })

  it('names the arm of several that the user falls to, split or not', () => {
    const arms = [{ name: 'stable' }, { name: 'canary', share: 1 }, { name: 'second', share: 2 }, { name: 'third' }]
    const dealt = (user: User | undefined, fields: Partial<RulesetRollout> = {}) =>
      project(rulesetOf({ r: rollout({ variants: arms, ...fields }) }), user).rollouts.r?.canary
    const counts = new Map<string, number>()
    for (let i = 0; i < 400; i++) {
      const arm = dealt(`u${i}`) ?? ''
      counts.set(arm, (counts.get(arm) ?? 0) + 1)
      const full = rulesetOf({ r: rollout({ variants: arms, weight: 100 }) })
      expect(decide(compileRuleset(full), 'r', `u${i}`).variant).toBe(arm)
      expect(dealt(`u${i}`, { assign: 'request' })).toBe(arm)
      expect(dealt(`u${i}`, { overrides: { [`u${i}`]: 'stable' } })).toBe(arm)
    }
    expect([...counts.keys()].sort()).toEqual(['canary', 'second', 'third'])
    expect(counts.get('second')).toBeGreaterThan(150)
    expect(dealt(undefined)).toBe('canary')
    expect(dealt(undefined, { assign: 'request' })).toBe('canary')
    const deal = [
      ['second', 100_000],
      ['canary', 100_000],
    ] as const
    expect(dealt('u1', { variants: arms.slice(0, 3), deal })).toBe('second')
  })

  it('tells by the split alone what a page comes to by it', () => {
    const three = [{ name: 'stable' }, { name: 'canary' }, { name: 'second', share: 3 }]
    const compiled = compileRuleset(rulesetOf({ two: rollout(), three: rollout({ variants: three }) }))
    for (const one of compiled.rollouts.values()) {
      for (let i = 0; i < 200; i++) expect(splitVariant(one, `u${i}`)).toBe(decide(compiled, one.key, `u${i}`).variant)
    }
  })

  it('holds nothing that a page may not know, whoever its user is', () => {
    const secretRules: readonly Rule[] = [
      { name: 'SECRET-rule-header', header: 'X-SECRET', values: ['SECRET-header-value'], serve: 'canary' },
      {
        name: 'SECRET-rule-cookie',
        cookie: 'SECRET-cookie',
        condition: { $regex: '^SECRET-pattern' },
        serve: 'canary',
      },
      { name: 'SECRET-rule-cohort', cohort: 'SECRET-cohort-key', serve: { canary: 50, stable: 50 } },
      { name: 'SECRET-rule-when', when: { 'SECRET-attribute': 'SECRET-value' }, serve: 'canary' },
      { name: 'SECRET-rule-mail', when: { email: 'SECRET@example.com' }, serve: 'canary' },
      { name: 'SECRET-rule-agent', userAgent: { browser: 'SECRET-browser' }, serve: 'canary' },
      { name: 'SECRET-rule-time', time: { zone: 'SECRET/zone' }, serve: 'canary' },
    ]
    const secrets: Partial<RulesetRollout> = {
      rules: secretRules,
      cohorts: ['SECRET-cohort-key'],
      overrides: { 'SECRET-unit': 'canary' },
      prerequisites: [{ rollout: 'SECRET-rollout', variant: 'stable' }],
      layer: { name: 'SECRET-layer', from: 0, to: 100 },
    }
    const ruleset = rulesetOf(
      {
        open: rollout({
          ...{ ...secrets, events: ['buy'], slices: ['country'], deadmanMs: 5000, breaker: false },
          thresholds: { version: 2, ms: [100] },
        }),
        barred: rollout({ ...secrets, prerequisites: [{ rollout: 'SECRET-rollout', variant: 'canary' }] }),
        done: rollout({ ...secrets, phase: 'succeeded' }),
        'SECRET-rollout': {
          ...rollout({ ...secrets, salt: 'SECRET-salt', stage: 'SECRET-stage', weight: 0 }),
          browser: undefined as never,
        },
      },
      {
        environment: 'SECRET-environment',
        unitSalt: 'SECRET-unit-salt',
        cohorts: {
          'SECRET-cohort-key': {
            when: { email: { $in: ['SECRET@example.com'] } },
            members: memberListOf(['SECRET-member'], prepareHash64('SECRET-unit-salt')),
          },
        },
      },
    )
    const people: readonly (User | undefined)[] = [undefined, 'u1', { id: 'u1', email: 'a@b.c' }, { anonymousId: 'x' }]
    for (const user of people) {
      const text = JSON.stringify(project(ruleset, user, { cookies: { a: 'b' }, headers: { 'user-agent': 'x' } }))
      expect(text).not.toContain('SECRET')
      expect(text).not.toMatch(/rules|cohorts|overrides|prerequisites|layer"|members|unitSalt|holdback"|@/)
    }
    // A rule is named to whom it decided for, and only that one.
    const met = JSON.stringify(project(ruleset, { id: 'u1', 'SECRET-attribute': 'SECRET-value' }))
    expect(met.match(/SECRET[\w-]*/g)?.every((name) => name === 'SECRET-rule-when')).toBe(true)
    expect(met).toContain('SECRET-rule-when')
    // What only the server needs to judge by is nobody else's business.
    expect(met).not.toMatch(/thresholds|slices|country|"breaker"|share|variants|"deal"|winner/)
    const member = JSON.stringify(project(ruleset, 'SECRET-member'))
    expect(member.match(/SECRET[\w-]*/g)?.every((name) => name === 'SECRET-rule-cohort')).toBe(true)
    expect(JSON.stringify(project(ruleset, 'SECRET-unit'))).not.toContain('SECRET')
  })
})
