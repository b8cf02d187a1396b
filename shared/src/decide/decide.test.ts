import { describe, expect, it } from 'vitest'
import { prepareHash64 } from '../hash/index.ts'
import { type MemberList, memberListOf, type Rule, type Ruleset, type RulesetRollout } from '../rules/index.ts'
import { compileRuleset } from './compile.ts'
import { decide } from './decide.ts'

const rollout = (fields: Partial<RulesetRollout> = {}): RulesetRollout => ({
  phase: 'running',
  salt: '0123456789abcdef',
  hash: 1,
  epoch: 1,
  stage: 'half',
  weight: 0,
  variants: [{ name: 'stable' }, { name: 'canary' }],
  ...fields,
})
const ruleset = (rollouts: Ruleset['rollouts'], cohorts: Ruleset['cohorts'] = {}): Ruleset => ({
  version: 1,
  environment: 'production',
  unitSalt: 'u',
  rollouts,
  cohorts,
})
const listed = (...ids: readonly string[]): MemberList => memberListOf(ids, prepareHash64('u'))
const header: Rule = { name: 'qa', header: 'X-Canary', values: ['true'], serve: 'canary' }
const hostile = new Proxy(
  {},
  {
    get() {
      throw new Error('no')
    },
    getOwnPropertyDescriptor() {
      throw new Error('no')
    },
  },
)

describe('a user who cannot be read', () => {
  const compiled = compileRuleset(
    ruleset({
      won: rollout({ phase: 'succeeded' }),
      back: rollout({ phase: 'reverted' }),
      ruled: rollout({ rules: [{ name: 'nl', when: { country: 'NL' }, serve: 'canary' }, header] }),
    }),
  )

  it('still gets what everybody gets', () => {
    expect(decide(compiled, 'won', hostile)).toMatchObject({ variant: 'canary', reason: 'phase' })
    expect(decide(compiled, 'back', hostile)).toMatchObject({ variant: 'stable', reason: 'phase' })
  })

  it('is still met by a header', () => {
    expect(decide(compiled, 'ruled', hostile, { headers: { 'x-canary': 'true' } })).toMatchObject({ reason: 'header' })
    expect(decide(compiled, 'ruled', hostile)).toMatchObject({ variant: 'stable', reason: 'no-unit' })
  })

  it('keeps the split when only the headers cannot be read', () => {
    for (const headers of [hostile, 'x-canary: true', 5, null, [], new Map([['x-canary', 5]])]) {
      expect(decide(compiled, 'ruled', 'user-1', { headers: headers as never })).toMatchObject({ reason: 'split' })
    }
  })
})

describe('headers', () => {
  const compiled = compileRuleset(ruleset({ r: rollout({ rules: [header] }) }))
  it.each<[string, unknown]>([
    ['as Node has them', { 'x-canary': 'true' }],
    ['in any case', { 'X-CANARY': 'true' }],
    ['given twice', { 'x-canary': ['false', 'true'] }],
    ['of a Headers', new Headers({ 'X-Canary': 'true' })],
    ['of a map', new Map([['x-canary', 'true']])],
    ['without a prototype', Object.assign(Object.create(null), { 'X-Canary': 'true' })],
  ])('%s are read', (_name, headers) => {
    expect(decide(compiled, 'r', 'user-1', { headers: headers as never }).reason).toBe('header')
  })

  it('of the prototype are not', () => {
    expect(decide(compiled, 'r', 'user-1', { headers: Object.create({ 'X-Canary': 'true' }) }).reason).toBe('split')
  })
})

describe('a rule with several matchers', () => {
  const both: Rule = {
    name: 'new-app',
    cohort: 'beta',
    when: { country: 'NL' },
    header: 'X-App-Version',
    condition: { $vgte: '4.2' },
    serve: 'canary',
  }
  const cohorts = { beta: { members: listed('1') } }
  const compiled = compileRuleset(ruleset({ r: rollout({ rules: [both] }) }, cohorts))
  it.each<[{ id: string; country: string }, object | undefined, string]>([
    [{ id: '1', country: 'NL' }, { 'x-app-version': '4.2.0' }, 'header'],
    [{ id: '1', country: 'NL' }, { 'x-app-version': '4.1.9' }, 'split'],
    [{ id: '1', country: 'NL' }, undefined, 'split'],
    [{ id: '1', country: 'DE' }, { 'x-app-version': '5' }, 'split'],
    [{ id: '2', country: 'NL' }, { 'x-app-version': '5' }, 'split'],
  ])('wants all of them: %j with %j is %s', (user, headers, reason) => {
    expect(decide(compiled, 'r', user, headers && { headers: headers as never }).reason).toBe(reason)
  })

  it.each<[string, Partial<Rule>, string]>([
    ['header', { header: 'x', cohort: 'beta', when: {} }, 'header'],
    ['cookie', { cookie: 'x', cohort: 'beta' }, 'cookie'],
    ['cohort', { when: {}, cohort: 'beta' }, 'cohort'],
    ['rule', { when: {} }, 'rule'],
  ])('gives as its reason the first of header, cookie, cohort, rule: %s', (_name, matchers, reason) => {
    const rules = [{ name: 'x', serve: 'canary', ...matchers }]
    const context = { headers: { x: '' }, cookies: { x: '' } }
    expect(decide(compileRuleset(ruleset({ r: rollout({ rules }) }, cohorts)), 'r', '1', context).reason).toBe(reason)
  })

  it.each<[string, object]>([
    ['a field of a later version', { cohort: 'beta', moon: 'full' }],
    ['an operator of a later version', { cohort: 'beta', when: { a: { $future: 1 } } }],
    ['no matcher at all', {}],
  ])('is left out and counted with %s', (_name, matchers) => {
    const rules = [{ name: 'x', serve: 'canary', ...matchers }]
    const later = compileRuleset(ruleset({ r: rollout({ rules }) }, cohorts))
    expect([later.unknownOperators, decide(later, 'r', '1').reason]).toEqual([1, 'split'])
  })
})

describe('a rule for a time of day', () => {
  const rules: readonly Rule[] = [{ name: 'night', time: { zone: 'UTC', from: '22:00', to: '06:00' }, serve: 'canary' }]
  const compiled = compileRuleset(ruleset({ r: rollout({ rules }) }))
  const at = (iso: string) => ({ now: () => Date.parse(iso) })

  it('asks the clock of the place the decision is made in', () => {
    expect(decide(compiled, 'r', 'u', {}, at('2026-03-06T23:00Z')).reason).toBe('rule')
    expect(decide(compiled, 'r', 'u', {}, at('2026-03-06T12:00Z')).reason).toBe('split')
  })

  it('does not match where there is no clock, or one out of order', () => {
    const broken = () => {
      throw new Error('no')
    }
    for (const environment of [undefined, {}, { now: () => Number.NaN }, { now: () => 1e18 }, { now: broken }])
      expect(decide(compiled, 'r', 'u', {}, environment).reason).toBe('split')
  })

  it('is left out and counted in a zone that is not known here', () => {
    const unknown = [{ name: 'x', time: { zone: 'Mars/Olympus', from: '22:00' }, serve: 'canary' }]
    expect(compileRuleset(ruleset({ r: rollout({ rules: unknown }) })).unknownOperators).toBe(1)
  })
})

describe('a rule for user agents', () => {
  const rules: readonly Rule[] = [
    { name: 'old', cohort: 'beta', userAgent: { browser: 'Safari', version: { $vlt: '16' } }, serve: 'canary' },
  ]
  const compiled = compileRuleset(ruleset({ r: rollout({ rules }) }, { beta: { members: listed('1') } }))
  const read: string[] = []
  const environment = {
    userAgent(text: string) {
      read.push(text)
      const [browser, version] = text.split('/')
      return text === '' ? undefined : { ...nothing, browser, version }
    },
  }
  const nothing = { os: undefined, osVersion: undefined, engine: undefined, mobile: false, tablet: false, bot: false }
  const reason = (headers: unknown, user = '1', place: object = environment): string =>
    decide(compiled, 'r', user, { headers: headers as never }, place).reason

  it('asks for the header, read where the decision is made', () => {
    expect(reason({ 'User-Agent': 'Safari/15.6' })).toBe('cohort')
    expect(reason({ 'user-agent': 'Safari/17.5' })).toBe('split')
    expect(reason({ 'user-agent': 'Firefox/15' })).toBe('split')
    expect(reason(new Headers({ 'User-Agent': 'Safari/15' }))).toBe('cohort')
    expect(reason({ 'user-agent': ['Safari/15', 'Firefox/1'] })).toBe('cohort')
  })

  it('does not match without header or reader, or where reading fails', () => {
    for (const headers of [undefined, {}, { 'user-agent': 5 }, { 'user-agent': '' }])
      expect(reason(headers)).toBe('split')
    const broken = () => {
      throw new Error('no')
    }
    expect(reason({ 'user-agent': 'Safari/15' }, '1', {})).toBe('split')
    expect(reason({ 'user-agent': 'Safari/15' }, '1', { userAgent: broken })).toBe('split')
  })

  it('reads the header only for those who meet the rest', () => {
    read.length = 0
    expect(reason({ 'user-agent': 'Safari/15' }, '2')).toBe('split')
    expect(read).toEqual([])
  })
})

describe('a split inside a rule', () => {
  it('is independent of the main split and of other rules', () => {
    const fixed = (name: string): Rule => ({ name, when: {}, serve: { canary: 50, stable: 50 } })
    const compiled = compileRuleset(
      ruleset({
        a: rollout({ rules: [fixed('a')] }),
        b: rollout({ rules: [fixed('b')] }),
        main: rollout({ weight: 50 }),
      }),
    )
    const agree = (x: string, y: string): number => {
      let same = 0
      for (let i = 0; i < 10_000; i++) {
        if (decide(compiled, x, `user-${i}`).variant === decide(compiled, y, `user-${i}`).variant) same++
      }
      return same
    }
    // Six standard errors of a fair coin.
    for (const [x, y] of [
      ['a', 'b'],
      ['a', 'main'],
      ['b', 'main'],
    ] as const)
      expect(Math.abs(agree(x, y) - 5000)).toBeLessThan(300)
  })

  it('with no shares at all is left out and counted', () => {
    const compiled = compileRuleset(ruleset({ r: rollout({ rules: [{ name: 'x', when: {}, serve: {} }] }) }))
    expect(compiled.unknownOperators).toBe(1)
    expect(decide(compiled, 'r', 'user-1').reason).toBe('split')
  })
})

describe('compiling again', () => {
  const rollouts = {
    staff: rollout({ rules: [{ name: 's', cohort: 'staff', serve: 'canary' }] }),
    stage: rollout({ cohorts: ['beta'] }),
    plain: rollout(),
  }
  const cohorts = { staff: { members: listed('1') }, beta: { members: listed('2') } }
  const before = compileRuleset(ruleset(rollouts, cohorts))

  it('takes over rollouts whose cohorts did not change', () => {
    const after = compileRuleset(ruleset(rollouts, { ...cohorts, staff: { members: listed('3') } }), before)
    expect(after.rollout('stage')).toBe(before.rollout('stage'))
    expect(after.rollout('plain')).toBe(before.rollout('plain'))
    expect(decide(after, 'staff', '3').variant).toBe('canary')
    expect(decide(after, 'staff', '1').variant).toBe('stable')
  })

  it('meets a cohort that has come, and misses one that has gone', () => {
    const without = compileRuleset(ruleset(rollouts, { staff: cohorts.staff }), before)
    expect(decide(without, 'stage', '2').variant).toBe('stable')
    expect(decide(compileRuleset(ruleset(rollouts, cohorts), without), 'stage', '2').variant).toBe('canary')
  })
})
