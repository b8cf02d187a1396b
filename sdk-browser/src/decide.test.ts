import { compileRuleset, decide as decideInFull, projectPage, type User } from '@pipit/shared/decide'
import { murmur3 } from '@pipit/shared/hash'
import type { PageRuleset } from '@pipit/shared/protocol'
import type { Ruleset, RulesetRollout } from '@pipit/shared/rules'
import { seededRandom } from '@pipit/shared/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decide, variant } from './decide.ts'
import { hashText } from './hash-text.ts'

const text = fc.oneof(fc.string({ maxLength: 20 }), fc.string({ unit: 'binary', maxLength: 120 }))
const phase = fc.constantFrom('draft', 'scheduled', 'running', 'paused', 'awaiting-approval', 'succeeded', 'reverted')
const arms = fc.constantFrom<RulesetRollout['variants'][]>(
  [{ name: 'stable' }, { name: 'canary', payload: { color: 'red' } }],
  [{ name: 'stable', payload: 1 }, { name: 'canary' }, { name: 'canary-b', payload: [2] }],
  [{ name: 'stable' }, { name: 'canary', share: 2 }, { name: 'canary-b', share: 1 }, { name: 'canary-c', share: 0 }],
  [{ name: 'stable' }],
)
const rules = fc.subarray<NonNullable<RulesetRollout['rules']>[number]>([
  { name: 'trial', cookie: 'trial', values: ['1'], serve: 'canary' },
  { name: 'dutch', when: { country: 'NL' }, serve: { canary: 30, stable: 70 } },
  { name: 'friends', cohort: 'friends', serve: 'canary' },
])
const rollout = fc.record(
  {
    phase,
    salt: fc.oneof(fc.constant('0123456789abcdef'), text),
    hash: fc.constant(1 as const),
    epoch: fc.nat(9),
    weight: fc.oneof(
      fc.constantFrom(0, 100, 0.001, 99.999),
      fc.integer({ min: 0, max: 100_000 }).map((n) => n / 1000),
    ),
    variants: arms,
    browser: fc.constant(true as const),
    stage: fc.constantFrom('beta', 'full'),
    unit: fc.constantFrom<NonNullable<RulesetRollout['unit']>[]>(
      'id',
      'plan.account',
      ['plan.account', 'id'],
      'device',
      [],
    ),
    deal: fc.constantFrom<NonNullable<RulesetRollout['deal']>[]>(
      [],
      [
        ['canary', 20_000],
        ['canary-b', 100_000],
      ],
    ),
    winner: fc.constantFrom('stable', 'canary', 'gone'),
    rules,
    cohorts: fc.subarray(['friends']),
    overrides: fc.constant({ ada: 'canary', '7': 'stable' }),
    prerequisites: fc.constantFrom([], [{ rollout: 'b' }], [{ rollout: 'b', variant: 'stable' }]),
  },
  { requiredKeys: ['phase', 'salt', 'hash', 'epoch', 'weight', 'variants', 'browser'] },
)
const user: fc.Arbitrary<User | undefined> = fc.oneof(
  fc.constant(undefined),
  text,
  fc.constantFrom('ada', 'bob'),
  fc.record(
    {
      id: fc.oneof(text, fc.constantFrom<string | number>('ada', 7, Number.NaN)),
      anonymousId: text,
      country: fc.constantFrom<unknown>('NL', 'NZ', 4, ['NL']),
      plan: fc.constantFrom<unknown>({ account: 'a1', tier: 3 }, { account: 12 }, ['x'], [{ account: 'a' }], 'none'),
      device: fc.oneof(text, fc.boolean()),
    },
    { requiredKeys: [] },
  ),
)

describe('a decision in a page', () => {
  it('equals that of the server and of Node, for any ruleset and user', () => {
    const ruleset = fc.record({
      version: fc.nat(),
      environment: fc.constant('production'),
      unitSalt: fc.constant('unit-salt-012345'),
      holdback: fc.constantFrom(0, 30),
      rollouts: fc.record({ a: rollout, b: rollout, c: rollout }),
      cohorts: fc.constant({ friends: { when: { country: 'NZ' } } }),
    })
    const cookies = fc.constantFrom({}, { trial: '1' })
    const reasons = new Set<string>()
    fc.assert(
      fc.property(ruleset, user, cookies, (whole, person, jar) => {
        const source = whole as Ruleset
        const page = JSON.parse(
          JSON.stringify(projectPage(compileRuleset(source), person, { cookies: jar }, {})),
        ) as PageRuleset
        for (const key of ['a', 'b', 'c', 'd', 'constructor', '__proto__']) {
          const decision = decideInFull(compileRuleset(source), key, person, { cookies: jar })
          reasons.add(decision.reason)
          expect(decide(page, key, person)).toEqual(decision)
          expect(variant(page, key, person)).toBe(decision.variant)
        }
      }),
      { numRuns: 5000 },
    )
    expect([...reasons].sort()).toEqual([
      'cohort',
      'cookie',
      'holdback',
      'no-unit',
      'override',
      'phase',
      'prerequisite',
      'rule',
      'split',
      'unknown-rollout',
    ])
  }, 120_000)

  const rollouts: PageRuleset['rollouts'] = {
    shop: {
      ...{ phase: 'running', salt: '0123456789abcdef', hash: 1, epoch: 3, stage: 'half', weight: 100 },
      canary: 'canary',
      deadmanMs: 600_000,
      result: { variant: 'canary', reason: 'override' },
    },
    dice: {
      ...{ phase: 'running', salt: '0123456789abcdef', hash: 1, epoch: 1, weight: 50, assign: 'request' },
      canary: 'canary',
    },
  }
  const page: PageRuleset = { version: 4, rollouts }

  it('is stable without a ruleset, and where nothing was heard for as long as the rollout allows', () => {
    expect(decide(undefined, 'shop', 'ada')).toMatchObject({ variant: 'stable', reason: 'not-ready', version: 0 })
    expect(decide(page, 'shop', 'ada', { silentMs: 599_999 })).toMatchObject({ variant: 'canary', reason: 'override' })
    expect(decide(page, 'shop', 'ada', { silentMs: 600_000 })).toMatchObject({ variant: 'stable', reason: 'deadman' })
  })

  it('deals out requests by the random numbers that it is given', () => {
    expect(decide(page, 'dice', 'ada')).toMatchObject({ variant: 'stable', reason: 'no-unit' })
    const random = seededRandom(7)
    const decisions = Array.from({ length: 4000 }, () => decide(page, 'dice', 'ada', { random }))
    const canaries = decisions.filter(({ variant: given }) => given === 'canary')
    // Five standard errors.
    expect(Math.abs(canaries.length - 2000)).toBeLessThan(160)
    expect(decisions.every(({ randomised, unit, reason }) => randomised && !unit && reason === 'split')).toBe(true)
  })

  it('never throws, whatever the ruleset is', () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (junk, person) => {
        for (const ruleset of [junk, { version: 1, rollouts: junk }, { version: 1, rollouts: { shop: junk } }])
          expect(decide(ruleset as PageRuleset, 'shop', person as User).rollout).toBe('shop')
      }),
      { numRuns: 2000 },
    )
  })
})

describe('the hash in a page', () => {
  it('is that of all SDKs, in any script and length', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (input) => {
        expect(hashText(input)).toBe(murmur3(input, 0))
      }),
      { numRuns: 5000 },
    )
    expect(hashText('\ud800 lone')).toBe(murmur3('\ud800 lone', 0))
  })
})
