import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { prepareHash64 } from '../hash/index.ts'
import { memberListOf, type Rule, type Ruleset, type RulesetRollout } from '../rules/index.ts'
import { compileRuleset } from './compile.ts'
import { decide } from './decide.ts'
import type { User } from './decision.ts'
import { explain } from './explain.ts'

const rollout = (fields: Partial<RulesetRollout> = {}): RulesetRollout => ({
  ...{ phase: 'running', salt: '0123456789abcdef', hash: 1, epoch: 1, stage: 'half', weight: 50 },
  variants: [{ name: 'stable' }, { name: 'canary' }],
  ...fields,
})
const compile = (rollouts: Ruleset['rollouts'], fields: Partial<Ruleset> = {}) =>
  compileRuleset({
    ...{ version: 1, environment: 'production', unitSalt: '0123456789abcdef', cohorts: {} },
    rollouts,
    ...fields,
  })

describe('a trace', () => {
  const rules: readonly Rule[] = [
    { name: 'qa', header: 'X-Canary', values: ['true'], serve: 'canary' },
    {
      name: 'dutch',
      when: { country: 'NL', $or: [{ age: { $gte: 18, $lt: 67 } }, { 'plan.tier': 'gold' }] },
      serve: 'canary',
    },
    { name: 'half', when: {}, cohort: 'beta', serve: { canary: 50, stable: 50 } },
  ]
  const ruleset = compile(
    { checkout: rollout({ rules, cohorts: ['staff'] }), base: rollout({ weight: 0 }) },
    { holdback: 1, cohorts: { beta: { when: { plan: { tier: 'beta' } } }, staff: { when: { staff: true } } } },
  )

  it('names each rule, what was compared with what, the bucket and the weight', () => {
    const user = { id: 'ada', country: 'NL', age: 17, plan: { tier: 'silver' } }
    const { trace, ...decision } = explain(ruleset, 'checkout', user, { headers: { 'x-canary': 'false' } })
    expect(decision).toEqual(decide(ruleset, 'checkout', user, { headers: { 'x-canary': 'false' } }))
    expect(trace.map(({ step, name, decided }) => [step, name, decided])).toEqual([
      ['phase', undefined, false],
      ['holdback', undefined, false],
      ['rule', 'qa', false],
      ['rule', 'dutch', false],
      ['rule', 'half', false],
      ['cohort', 'staff', false],
      ['split', undefined, true],
    ])
    const [, , qa, dutch, half] = trace
    expect(qa?.comparisons).toEqual([
      { path: 'header X-Canary', operator: '$in', expected: ['true'], actual: 'false', holds: false },
    ])
    expect(dutch?.comparisons).toEqual([
      { path: 'country', operator: 'is', expected: 'NL', actual: 'NL', holds: true },
      {
        ...{ path: '', operator: '$or', expected: undefined, actual: undefined, holds: false },
        of: [
          { path: 'age', operator: '$gte', expected: 18, actual: 17, holds: false },
          { path: 'age', operator: '$lt', expected: 67, actual: 17, holds: true },
          { path: 'plan.tier', operator: 'is', expected: 'gold', actual: 'silver', holds: false },
        ],
      },
    ])
    expect(half?.comparisons).toMatchObject([{ path: 'cohort', expected: 'beta', actual: 'not in it', holds: false }])
    const split = trace.at(-1)
    expect(split).toMatchObject({ unit: 'ada', from: 0, to: 50 })
    expect(split?.text).toMatch(/^at \d+(\.\d+)? %, (not )?below the weight of 50 %: (stable|canary)$/)
    expect((split?.bucket ?? 0) < 50_000).toBe(decision.variant === 'canary')
  })

  it('ends where it was decided', () => {
    const last = (user: User, fields: Partial<RulesetRollout>, more: Partial<Ruleset> = {}) =>
      explain(compile({ checkout: rollout(fields) }, more), 'checkout', user).trace.at(-1)
    expect(last('ada', { phase: 'reverted' })).toMatchObject({
      step: 'phase',
      text: expect.stringMatching(/reverted: stable for everybody/),
    })
    expect(last('ada', { phase: 'succeeded', winner: 'canary' })?.text).toBe('everybody gets canary')
    expect(last('ada', {}, { holdback: 100 })).toMatchObject({ step: 'holdback', from: 0, to: 100 })
    expect(last('ada', { prerequisites: [{ rollout: 'x' }] })?.text).toBe(
      'rollout x gives stable (unknown-rollout); this one is for any variant but stable: stable',
    )
    expect(last('ada', { layer: { name: 'l', from: 0, to: 0 } })?.text).toMatch(
      /of layer l, where the rollout has 0 to 0 %: stable/,
    )
    expect(last('ada', { overrides: { ada: 'canary' } })).toMatchObject({ step: 'override', unit: 'ada' })
    expect(last({}, {})).toMatchObject({ step: 'no-unit' })
    expect(explain(undefined, 'checkout', 'ada').trace).toMatchObject([
      { decided: true, text: expect.stringMatching(/no ruleset/) },
    ])
    expect(explain(compile({}), 'checkout', 'ada').trace).toMatchObject([
      { text: expect.stringMatching(/no rollout "checkout"/) },
    ])
  })

  it('says by what a user is in a cohort', () => {
    const when = { plan: 'beta' }
    const members = memberListOf(['ada'], prepareHash64('0123456789abcdef'))
    const both = compile(
      { rule: rollout({ rules: [{ name: 'r', cohort: 'c', serve: 'canary' }] }), stage: rollout({ cohorts: ['c'] }) },
      { cohorts: { c: { when, members } } },
    )
    const how = (key: string, user: User) => explain(both, key, user).trace.find(({ step }) => step !== 'phase')
    expect(how('rule', 'ada')?.comparisons).toMatchObject([{ actual: 'in its list', holds: true }])
    expect(how('rule', { id: 'bo', plan: 'beta' })?.comparisons).toMatchObject([{ actual: 'in it by its condition' }])
    expect(how('rule', 'bo')?.comparisons).toMatchObject([{ actual: 'not in it', holds: false }])
    expect(how('stage', 'ada')?.text).toBe('cohort c, which this stage lets in: in its list, so canary')
    expect(how('stage', 'bo')?.text).toBe('not in cohort c, which this stage lets in')
  })

  it('tells the number that a request drew', () => {
    const requests = compile({ r: rollout({ assign: 'request', weight: 30 }) })
    const { trace, variant } = explain(requests, 'r', undefined, {}, { random: () => 0.25 })
    expect(variant).toBe('canary')
    expect(trace.at(-1)).toMatchObject({ step: 'split', bucket: 25_000, to: 30 })
  })

  it('survives a user who cannot be read', () => {
    const hostile = new Proxy(
      {},
      {
        get: () => {
          throw new Error('no')
        },
        getOwnPropertyDescriptor: () => {
          throw new Error('no')
        },
        ownKeys: () => {
          throw new Error('no')
        },
      },
    )
    expect(explain(ruleset, 'checkout', hostile, { headers: hostile as never }).variant).toBe('stable')
  })
})

describe('whatever the ruleset and the user', () => {
  const condition = fc.oneof(
    fc.constantFrom({}, { country: 'NL' }, { country: { $in: ['NL', 'BE'] } }, { $not: { age: { $gt: 40 } } }),
    fc.record({ age: fc.record({ $gte: fc.integer({ min: 0, max: 80 }) }) }),
    fc.constantFrom(
      { id: { $inGroup: 'beta' } },
      { tags: { $all: ['a'] } },
      { $or: [{ country: 'DE' }, { 'a.b': 1 }] },
    ),
  )
  const serve = fc.constantFrom<Rule['serve']>('canary', 'stable', { canary: 30, stable: 70 })
  const rule = fc.oneof(
    fc.record({ when: condition, serve }),
    fc.record({ header: fc.constantFrom('x-a', 'X-B'), serve }),
    fc.record({ cohort: fc.constantFrom('beta', 'gone'), when: condition, serve }),
    fc.record({ time: fc.constant({ zone: 'UTC', from: '08:00', to: '20:00' }), serve }),
  )
  const arbitraryRollout = fc
    .record(
      {
        phase: fc.constantFrom('running', 'paused', 'succeeded', 'reverted', 'draft'),
        weight: fc.integer({ min: 0, max: 100 }),
        rules: fc.array(rule, { maxLength: 4 }).map((list) => list.map((one, i) => ({ name: `r${i}`, ...one }))),
        cohorts: fc.constantFrom(['beta'], ['gone', 'beta']),
        unit: fc.constantFrom('id', 'account', ['account', 'id']),
        prerequisites: fc.constantFrom([{ rollout: 'b' }], [{ rollout: 'c', variant: 'canary' }]),
        layer: fc.constantFrom({ name: 'l', from: 0, to: 50 }, { name: 'l', from: 50, to: 100 }),
        overrides: fc.constantFrom({ u1: 'canary' }, { acme: 'stable' }),
        variants: fc.constant([{ name: 'stable' }, { name: 'canary' }, { name: 'b', share: 2 }]),
      },
      { requiredKeys: ['phase'] },
    )
    .map((fields) => rollout(fields as Partial<RulesetRollout>))
  const user = fc.oneof(
    fc.constantFrom('u1', 'u2', ''),
    fc.record(
      {
        ...{
          id: fc.constantFrom('u1', 'u2', 7),
          account: fc.constantFrom('acme', ''),
          anonymousId: fc.constant('anon'),
        },
        ...{
          country: fc.constantFrom('NL', 'DE', null),
          age: fc.integer({ max: 80 }),
          tags: fc.array(fc.constantFrom('a', 'b')),
        },
      },
      { requiredKeys: [] },
    ),
  )

  it('explains the decision that is made, by one step that decided: the last', () => {
    fc.assert(
      fc.property(
        fc.record({ a: arbitraryRollout, b: arbitraryRollout, c: arbitraryRollout }),
        user,
        fc.constantFrom(0, 10),
        fc.constantFrom<object>({}, { 'x-a': '1' }),
        (rollouts, who, holdback, headers) => {
          const ruleset = compile(rollouts, { holdback, cohorts: { beta: { when: { country: 'NL' } } } })
          const environment = { now: () => 1_700_000_000_000 }
          const context = { headers: headers as { [name: string]: string } }
          const { trace, ...decision } = explain(ruleset, 'a', who as User, context, environment)
          expect(decision).toEqual(decide(ruleset, 'a', who as User, context, environment))
          expect(trace.filter(({ decided }) => decided)).toHaveLength(1)
          const last = trace.at(-1)
          expect(last?.decided).toBe(true)
          const { reason } = decision
          const step = { header: 'rule', cookie: 'rule', rule: 'rule' }[reason as 'rule'] ?? reason
          // A rule of a cohort is a rule, and a rule or a layer without a unit ends in no-unit.
          const expected = reason === 'cohort' && decision.rule !== undefined ? 'rule' : step
          if (reason === 'no-unit') expect(['no-unit', 'rule', 'layer']).toContain(last?.step)
          else expect(last?.step).toBe(expected)
          if (decision.rule !== undefined) expect(last?.name).toBe(decision.rule)
          for (const one of trace)
            if (one.step === 'rule' && !one.decided && one.comparisons?.length)
              expect(one.comparisons.some(({ holds }) => !holds)).toBe(true)
        },
      ),
      { numRuns: 2000 },
    )
  })
})

describe('what is read while it is explained', () => {
  const rules: readonly Rule[] = [
    { name: 'phone', userAgent: { mobile: true }, time: { zone: 'UTC', to: '12:00' }, serve: 'canary' },
  ]
  const ruleset = compile({ checkout: rollout({ weight: 0, rules }) })
  const mobile = {
    ...{ browser: 'Safari', version: '17', os: 'iOS', osVersion: '17', engine: 'WebKit' },
    ...{ mobile: true, tablet: false, bot: false },
  }

  it('is read once: the clock goes on meanwhile', () => {
    let hour = 11
    const environment = { now: () => Date.UTC(2026, 2, 1, hour++), userAgent: () => mobile }
    const headers = { 'user-agent': 'Mozilla/5.0 (iPhone)' }
    const { reason, trace } = explain(ruleset, 'checkout', 'ada', { headers }, environment)
    expect(reason).toBe('rule')
    expect(trace.at(-1)).toMatchObject({ step: 'rule', name: 'phone', decided: true })
    expect(trace.at(-1)?.comparisons?.[0]).toMatchObject({ actual: '2026-03-01T11:00:00.000Z', holds: true })
  })

  it('is shown as it decides: the first of several user agents', () => {
    const environment = { now: () => 0, userAgent: (text: string) => (text === 'phone' ? mobile : undefined) }
    const headers = { 'user-agent': ['phone', 'other'] }
    const { trace } = explain(ruleset, 'checkout', 'ada', { headers }, environment)
    expect(trace.at(-1)?.comparisons?.[1]).toMatchObject({ path: 'user agent', actual: mobile, holds: true })
  })
})
