import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { prepareHash64 } from '../hash/index.ts'
import { type Attributes, createCohortIndex, memberListOf, type Rule, validateRules } from '../rules/index.ts'
import type { UserAgent } from './environment.ts'
import { compileMatch } from './match-rule.ts'

const unitSalt = 'u'
const cohorts = createCohortIndex(
  { beta: { members: memberListOf(['1'], prepareHash64(unitSalt)) }, dutch: { when: { country: 'NL' } } },
  { unitSalt },
)

/** Values that meet about half of the situations below, and wrong ones. */
const matchers = {
  cohort: fc.constantFrom('beta', 'dutch', 'gone', ''),
  when: fc.constantFrom(
    { country: 'NL' },
    { at: { $gte: '2026-03-01' } },
    { ip: { $notInCidr: ['10.0.0.0/8'] } },
    { app: { $vlt: '2' } },
    { a: { $future: 1 } },
  ),
  time: fc.constantFrom(
    { zone: 'UTC', from: '12:00' },
    { zone: 'Asia/Tokyo', days: ['mon', 'tue', 'wed'] },
    { zone: 'Mars/Olympus', to: '12:00' },
  ),
  userAgent: fc.constantFrom({ browser: 'Safari' }, { mobile: true, version: { $vgte: '16' } }, { browsr: 'Safari' }),
  header: fc.constantFrom('X-Canary', 'x-other', 'no header'),
  cookie: fc.constantFrom('canary', 'other'),
}
const value = fc.record(
  { values: fc.subarray(['1', '2']), condition: fc.constantFrom({ $vgte: '2' }, { $regex: '^1' }, { $regex: '(' }) },
  { requiredKeys: [] },
)
const rule = fc
  .tuple(fc.record(matchers), fc.subarray(Object.keys(matchers), { maxLength: 3 }), value, fc.boolean())
  .map(([all, asked, tests, plain]): object => {
    const asks = Object.fromEntries(Object.entries(all).filter(([matcher]) => asked.includes(matcher)))
    return { name: 'x', serve: 'canary', ...asks, ...(plain ? {} : tests) }
  })

const agent = fc.record({
  browser: fc.constantFrom('Safari', undefined),
  version: fc.constantFrom('15', '17.5'),
  mobile: fc.boolean(),
}) as fc.Arbitrary<UserAgent>
interface Situation {
  readonly attributes: Attributes
  readonly unit: string | undefined
  readonly context: object
  readonly now: number
  readonly agent: UserAgent
}
const situation: fc.Arbitrary<Situation> = fc.record({
  attributes: fc.record(
    {
      country: fc.constantFrom('NL', 'DE'),
      at: fc.constantFrom('2026-03-01', 1_700_000_000),
      ip: fc.constantFrom('10.0.0.1', '1.1.1.1'),
      app: fc.constantFrom('1.9', '2'),
    },
    { requiredKeys: [] },
  ),
  unit: fc.constantFrom('1', '2', undefined),
  context: fc.record({
    headers: fc.record(
      { 'x-canary': fc.constantFrom('1', '2.0'), 'user-agent': fc.constant('x') },
      { requiredKeys: [] },
    ),
    cookies: fc.record({ canary: fc.constantFrom('1', '2') }, { requiredKeys: [] }),
  }),
  now: fc.integer({ min: 0, max: 2e12 }),
  agent,
})

const matches = (asked: object, { attributes, unit, context, now, agent: read }: Situation) =>
  compileMatch(asked as Rule, cohorts)?.(attributes, unit, context as never, { now: () => now, userAgent: () => read })

describe('a rule', () => {
  it('matches where each of its matchers does alone', () => {
    let [both, one] = [0, 0]
    fc.assert(
      fc.property(rule, situation, (asked, given) => {
        const { name: _name, serve: _serve, values, condition, ...asks } = asked as Record<string, unknown>
        const tests = { ...(values === undefined ? {} : { values }), ...(condition === undefined ? {} : { condition }) }
        const alone = Object.entries(asks).map(([matcher, what]) =>
          matches({ [matcher]: what, ...(matcher === 'header' || matcher === 'cookie' ? tests : {}) }, given),
        )
        const understood = alone.length > 0 && !alone.includes(undefined)
        const expected = understood ? alone.every((match) => match === true) : undefined
        expect(matches(asked, given)).toBe(expected)
        if (expected !== true) return
        if (alone.length > 1) both++
        else one++
      }),
      { numRuns: 20_000 },
    )
    expect(both).toBeGreaterThan(100)
    expect(one).toBeGreaterThan(500)
  })

  it('that is valid is understood', () => {
    let taken = 0
    fc.assert(
      fc.property(rule, situation, (asked, given) => {
        const issues = validateRules([asked], { variants: ['stable', 'canary'], cohorts: ['beta', 'dutch'] }, 'rules')
        if (issues.length > 0) return
        taken++
        expect(matches(asked, given)).toBeTypeOf('boolean')
      }),
      { numRuns: 5000 },
    )
    expect(taken).toBeGreaterThan(200)
  })
})
