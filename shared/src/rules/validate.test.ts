import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isMember } from './cohort.ts'
import { createCohortIndex } from './cohort-index.ts'
import { compileCondition } from './condition.ts'
import type { Condition, RulesetCohort } from './model.ts'
import { validateCohort, validateCohortGraph } from './validate-cohort.ts'
import { validateCondition } from './validate-condition.ts'
import { validateRules } from './validate-rules.ts'

const scope = { variants: ['stable', 'canary'], cohorts: ['beta', 'internal'] }
const nobody = createCohortIndex({})
const holds = (condition: Condition, attributes: { readonly [name: string]: unknown }): boolean =>
  compileCondition(condition, nobody)?.(attributes) ?? false

describe('conditions that are refused', () => {
  it.each<[unknown, string, string]>([
    ['beta', 'when', 'must be an object such as { "plan": "beta" }'],
    [{ plan: { $inn: ['a'] } }, 'when.plan.$inn', '$inn is no operator; did you mean $in?'],
    [{ plan: { $in: 'a' } }, 'when.plan.$in', 'must be a list'],
    [{ $gt: 5 }, 'when.$gt', '$gt tests an attribute: write { "attribute": { "$gt": … } }'],
    [{ $or: [] }, 'when.$or', 'must be a list of at least one condition'],
    [{ a: { $gt: 1, b: 2 } }, 'when.a', 'mixes operators with plain fields; put the operators alone'],
    [{ a: { $regex: '(' } }, 'when.a.$regex', 'is not a regular expression; check brackets and escapes'],
    [
      { a: { $regex: '(a+)+$' } },
      'when.a.$regex',
      'can take too long on some texts; start it with ^, let no two repetitions in a row take the same characters, or split it under $and',
    ],
    [{ a: { $type: 'text' } }, 'when.a.$type', 'must be one of string, number, boolean, array, object, null'],
    [{ a: { $vgt: 'new' } }, 'when.a.$vgt', 'must be a version such as "2.1.0", "2.1" or "2.1.0-rc.1"'],
    [{ a: { $vlt: '2.x' } }, 'when.a.$vlt', 'must be a version such as "2.1.0", "2.1" or "2.1.0-rc.1"'],
    [
      { a: { $lt: '2026-02-30' } },
      'when.a.$lt',
      'is no date that exists; write such as "2026-03-01" or "2026-03-01T09:30:00+01:00"',
    ],
    [{ a: { $lt: [] } }, 'when.a.$lt', 'must be a number, a text or a date'],
    [
      { ip: { $inCidr: ['10.0.0.0/8', '10.0.0.0/33'] } },
      'when.ip.$inCidr[1]',
      'has the prefix "/33"; that of an IPv4 range is a number from 0 to 32',
    ],
    [
      { ip: { $notInCidr: '10.0.0/8' } },
      'when.ip.$notInCidr',
      'is no range of IP addresses; write such as "10.0.0.0/8" or "2001:db8::/32"',
    ],
    [
      { ip: { $inCidr: 'fe80::1%eth0/64' } },
      'when.ip.$inCidr',
      'names a zone, which is known on one machine only; leave out % and what follows',
    ],
    [
      { ip: { $inCidr: 7 } },
      'when.ip.$inCidr',
      'must be a range of addresses; write such as "10.0.0.0/8" or "2001:db8::/32"',
    ],
    [{ ip: { $inCidr: [] } }, 'when.ip.$inCidr', 'must hold at least one range of addresses'],
    [{ a: { $inGroup: 5 } }, 'when.a.$inGroup', 'must be the key of a cohort'],
    [{ $an: [{ a: 1 }] }, 'when.$an', '$an is no operator; did you mean $and?'],
    [
      { a: { b: { $gt: 1 } } },
      'when.a.b',
      'has operators inside a plain value; write a dotted path: { "a.b": { "$gt": 1 } }',
    ],
    [{ 'a..b': 1 }, 'when.a..b', 'names no attribute; write names with single dots between them'],
    [{ a: { $size: 'two' } }, 'when.a.$size', 'must be a whole number, or operators on one such as { "$gt": 2 }'],
  ])('%j', (condition, path, message) => {
    expect(validateCondition(condition, 'when')).toEqual([{ path, message }])
  })

  it("for their depth, not for their reader's stack", () => {
    let condition: unknown = { a: 1 }
    for (let i = 0; i < 5000; i++) condition = { $not: condition }
    expect(validateCondition(condition, 'when')[0]?.message).toMatch(/nested deeper/)
    let plain: unknown = 1
    for (let i = 0; i < 5000; i++) plain = [plain]
    for (const operand of [plain, { $eq: plain }, { $in: [plain] }, { $all: [plain] }])
      expect(validateCondition({ a: operand }, 'when')[0]?.message).toMatch(/nested deeper/)
  })

  it('for their size', () => {
    const parts = Array.from({ length: 3000 }, (_, i) => ({ a: i }))
    expect(validateCondition({ $or: parts }, 'when')[0]?.message).toMatch(/more than 2000 parts/)
    expect(validateCondition({ a: { $in: Array.from({ length: 10_001 }, String) } }, 'when')[0]?.message).toMatch(
      /more than 10000/,
    )
    expect(validateCondition({ a: { $in: Array.from({ length: 10_000 }, String) } }, 'when')).toEqual([])
  })
})

describe('conditions that are taken', () => {
  const attribute = fc.constantFrom('a', 'b', 'c.d')
  const scalar = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null))
  const operator = fc.oneof(
    scalar,
    fc.record({ $in: fc.array(scalar) }),
    fc.record({ $gt: fc.integer() }),
    fc.record({ $exists: fc.boolean() }),
    fc.record({ $regex: fc.constantFrom('^a', 'b+$', '[0-9]') }),
    fc.record({ $vlte: fc.constantFrom('1.2.3', 'v2.0.0-rc.1', '2') }),
    fc.record({ $lt: fc.constantFrom('2026-03-01', '2026-03-01T09:30+01:00', 'm') }),
    fc.record({ $inCidr: fc.constantFrom('10.0.0.0/8', ['::/0', '192.0.2.7']) }),
  )
  const condition = fc.letrec((tie) => ({
    node: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.dictionary(attribute, operator, { minKeys: 1, maxKeys: 2 }),
      fc.array(tie('node'), { minLength: 1, maxLength: 3 }).map(($and) => ({ $and })),
      fc.array(tie('node'), { minLength: 1, maxLength: 3 }).map(($or) => ({ $or })),
      tie('node').map(($not) => ({ $not })),
    ),
  })).node as fc.Arbitrary<Condition>

  it('compile, and answer for any attributes', () => {
    fc.assert(
      fc.property(condition, fc.object(), (wanted, attributes) => {
        expect(validateCondition(wanted, 'when')).toEqual([])
        expect(typeof holds(wanted, attributes)).toBe('boolean')
      }),
    )
  })

  it('obey the laws of logic', () => {
    fc.assert(
      fc.property(condition, condition, fc.object({ key: attribute }), (p, q, user) => {
        expect(holds({ $not: p }, user)).toBe(!holds(p, user))
        expect(holds({ $nor: [p, q] }, user)).toBe(!holds({ $or: [p, q] }, user))
        expect(holds({ $not: { $and: [p, q] } }, user)).toBe(holds({ $or: [{ $not: p }, { $not: q }] }, user))
      }),
    )
  })

  it('match arrays by element, and paths through arrays', () => {
    expect(holds({ tags: 'b' }, { tags: ['a', 'b'] })).toBe(true)
    expect(holds({ 'orders.total': { $gt: 10 } }, { orders: [{ total: 5 }, { total: 50 }] })).toBe(true)
    expect(holds({ 'orders.0.total': 5 }, { orders: [{ total: 5 }] })).toBe(true)
  })
})

describe('rules', () => {
  it.each<[string, unknown, string, string]>([
    [
      'no matcher',
      { name: 'x', serve: 'canary' },
      'rules[0]',
      'must have at least one of header, cookie, cohort, when, time, userAgent',
    ],
    [
      'header and cookie',
      { name: 'x', header: 'a', cookie: 'b', serve: 'canary' },
      'rules[0]',
      'has both header and cookie, and values belong to one; make it two rules',
    ],
    [
      'an unknown variant',
      { name: 'x', header: 'a', serve: 'canari' },
      'rules[0].serve',
      '"canari" is no variant of this rollout; it has stable, canary',
    ],
    [
      'a split of 99',
      { name: 'x', header: 'a', serve: { canary: 9, stable: 90 } },
      'rules[0].serve',
      'the shares add up to 99, not to 100',
    ],
    [
      'an unknown cohort',
      { name: 'x', cohort: 'betta', serve: 'canary' },
      'rules[0].cohort',
      'there is no cohort "betta"; did you mean "beta"?',
    ],
    [
      'a mistyped field',
      { name: 'x', header: 'a', value: ['1'], serve: 'canary' },
      'rules[0].value',
      'is not known; did you mean values?',
    ],
    [
      'a mistyped part of a user agent',
      { name: 'x', userAgent: { $or: [{ browser: 'Safari' }, { mobil: true }] }, serve: 'canary' },
      'rules[0].userAgent.$or[1].mobil',
      'is not known; did you mean mobile?',
    ],
    [
      'what a user agent has not',
      { name: 'x', userAgent: { $not: { 'screen.width': { $lt: 600 } } }, serve: 'canary' },
      'rules[0].userAgent.$not.screen.width',
      'is not known; there are browser, version, os, osVersion, engine, mobile, tablet, bot',
    ],
    [
      'a cohort of user agents',
      { name: 'x', userAgent: { browser: { $inGroup: 'beta' } }, serve: 'canary' },
      'rules[0].userAgent',
      'asks for a cohort, which holds users; give the rule a cohort instead',
    ],
    [
      'an hour that is none',
      { name: 'x', time: { zone: 'UTC', from: '25:00' }, serve: 'canary' },
      'rules[0].time.from',
      'must be a time of day from "00:00" to "23:59"',
    ],
    [
      'values on a condition',
      { name: 'x', when: { a: 1 }, values: ['1'], serve: 'canary' },
      'rules[0].values',
      'goes with header or cookie, and the rule has neither',
    ],
  ])('with %s are refused', (_name, rule, path, message) => {
    expect(validateRules([rule], scope, 'rules')).toEqual([{ path, message }])
  })

  it.each<[string, object, string]>([
    ['a header no request can have', { header: 'x canary:' }, 'rules[0].header'],
    ['too many values', { header: 'a', values: Array.from({ length: 1001 }, String) }, 'rules[0].values'],
    ['a plain condition on a header', { header: 'a', condition: { plan: 'beta' } }, 'rules[0].condition'],
    [
      'a pattern without end on a header',
      { header: 'a', condition: { $regex: '(a+)+$' } },
      'rules[0].condition.$regex',
    ],
    [
      'one on a cookie',
      { cookie: 'a', condition: { $not: { $regexi: '(a|A)*b' } } },
      'rules[0].condition.$not.$regexi',
    ],
    [
      'one on a user agent',
      { userAgent: { $and: [{ browser: { $regexi: '(.*)*x' } }] } },
      'rules[0].userAgent.$and[0].browser.$regexi',
    ],
    ['one in a condition', { when: { a: { $elemMatch: { $regex: '(a+)+$' } } } }, 'rules[0].when.a.$elemMatch.$regex'],
    ['one for all', { when: { a: { $all: [{ $regex: '(a+)+$' }] } } }, 'rules[0].when.a.$all[0].$regex'],
    ['a cohort of a header', { header: 'a', condition: { $inGroup: 'beta' } }, 'rules[0].condition'],
    [
      'a cohort that is not there, deep inside',
      { when: { $and: [{ $not: { id: { $inGroup: 'gone' } } }] } },
      'rules[0].when',
    ],
  ])('with %s are refused there', (_name, fields, path) => {
    expect(
      validateRules([{ name: 'x', serve: 'canary', ...fields }], scope, 'rules').map((issue) => issue.path),
    ).toEqual([path])
  })

  it('have names of their own', () => {
    const rule = { name: 'x', header: 'a', serve: 'canary' }
    expect(validateRules([rule, rule], scope, 'rules')[0]?.path).toBe('rules[1].name')
  })
})

describe('cohorts', () => {
  it.each<[unknown, string]>([
    [[], 'cohort'],
    [{}, 'cohort'],
    [{ when: { a: { $gt: [] } } }, 'cohort.when.a.$gt'],
    [{ members: 'user-1' }, 'cohort.members'],
    [{ members: ['user-1', ''] }, 'cohort.members[1]'],
  ])('such as %j are refused', (cohort, path) => {
    expect(validateCohort(cohort, 'cohort').map((issue) => issue.path)).toEqual([path])
  })

  it('in a chain without measure are refused, not followed', () => {
    const chain = Array.from({ length: 20_000 }, (_, i): [string, RulesetCohort] => [
      `c${i}`,
      { when: { x: { $inGroup: `c${i + 1}` } } },
    ])
    const message = 'refers to cohorts through more than 16 others'
    expect(validateCohortGraph(Object.fromEntries(chain))).toEqual([{ path: 'c0.when', message }])
    const backwards = Object.fromEntries([['c20000', {}], ...chain.toReversed()] as [string, RulesetCohort][])
    expect(validateCohortGraph(backwards)).toEqual([{ path: 'c19983.when', message }])
    // An SDK that is told of one follows it a little way; whoever is behind that holds nobody.
    expect(createCohortIndex(Object.fromEntries(chain)).unknownOperators).toBeGreaterThan(0)
  })

  it('may refer to each other, but not in a circle, nor to nothing', () => {
    expect(validateCohortGraph({ a: { when: { x: { $inGroup: 'b' } } }, b: {} })).toEqual([])
    expect(
      validateCohortGraph({ a: { when: { x: { $inGroup: 'b' } } }, b: { when: { x: { $inGroup: 'a' } } } })[0]?.message,
    ).toBe('refers to itself: a → b → a')
    expect(validateCohortGraph({ a: { when: { x: { $inGroup: 'z' } } } })[0]?.message).toBe('there is no cohort "z"')
  })

  it('in a circle hold nobody instead of hanging', () => {
    const index = createCohortIndex({ a: { when: { x: { $inGroup: 'b' } } }, b: { when: { x: { $inGroup: 'a' } } } })
    const a = index.cohort('a')
    expect(a !== undefined && isMember(a, 'user-1', { x: '1' })).toBe(false)
    expect(index.unknownOperators).toBe(2)
  })
})
