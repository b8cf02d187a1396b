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
  const alone = compileRuleset({ version, environment: '', unitSalt: '', rollouts, cohorts: {} })
  const own = decide(alone, key, user)
  const { phase, result, variants } = rollouts[key] ?? {}
  const counts = phase === 'succeeded' || (own.reason !== 'phase' && own.reason !== 'unknown-rollout')
  if (result === undefined || !counts) return own
  const { variant, reason, rule, randomised = false } = result
  const { payload } = variants?.find(({ name }) => name === variant) ?? {}
  return { ...own, variant, payload, reason, rule, randomised }
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
          variants: [{ name: 'stable' }, { name: 'canary', payload: { color: 'red' } }],
        },
      },
    })
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
    const forced = { forced: () => 'breaker' as const }
    const ruled = rulesetOf({ r: rollout({ overrides: { u1: 'canary' } }) })
    expect(project(ruled, 'u1', undefined, forced).rollouts.r?.result?.reason).toBe('override')
  })

  it('tells of a rollout that has succeeded for whom it is not, and nothing else', () => {
    const done = rollout({ phase: 'succeeded', winner: 'canary', rules: [{ name: 'all', when: {}, serve: 'stable' }] })
    expect(project(rulesetOf({ done }), 'u1').rollouts.done).not.toHaveProperty('result')
    const held = project(rulesetOf({ done }, { holdback: 100 }), 'u1').rollouts.done
    expect(held?.result).toEqual({ variant: 'stable', reason: 'holdback' })
    const back = project(rulesetOf({ r: rollout({ phase: 'reverted' }) }, { holdback: 100 }), 'u1').rollouts.r
    expect(back).not.toHaveProperty('result')
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

  it('says up to which bucket each of several arms goes, stored or not', () => {
    const arms = [{ name: 'stable' }, { name: 'canary', share: 1 }, { name: 'second', share: 2 }, { name: 'third' }]
    const dealt = (fields: Partial<RulesetRollout>) => project(rulesetOf({ r: rollout(fields) })).rollouts.r
    expect(dealt({ variants: arms })?.deal).toEqual([
      ['canary', 25_000],
      ['second', 75_000],
      ['third', 100_000],
    ])
    expect(dealt({ variants: arms })?.variants).toEqual(arms.map(({ name }) => ({ name })))
    expect(dealt({})).not.toHaveProperty('deal')
    const stored = [
      ['second', 10],
      ['canary', 100_000],
    ] as const
    expect(dealt({ variants: arms.slice(0, 3), deal: stored })?.deal).toEqual(stored)
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
    expect(met).not.toMatch(/thresholds|slices|country|"breaker"|share/)
    const member = JSON.stringify(project(ruleset, 'SECRET-member'))
    expect(member.match(/SECRET[\w-]*/g)?.every((name) => name === 'SECRET-rule-cohort')).toBe(true)
    expect(JSON.stringify(project(ruleset, 'SECRET-unit'))).not.toContain('SECRET')
  })
})
