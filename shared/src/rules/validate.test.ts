import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isMember } from './cohort.ts'
import { createCohortIndex } from './cohort-index.ts'
import { compileCondition } from './condition.ts'
import type { Condition } from './model.ts'
import { validateCondition } from './validate-condition.ts'
import { validateCohortGraph, validateRules } from './validate-rules.ts'

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
    [{ a: { $vgt: 'new' } }, 'when.a.$vgt', 'must be a version such as "2.1.0"'],
    [{ a: { $inGroup: 5 } }, 'when.a.$inGroup', 'must be the key of a cohort'],
  ])('%j', (condition, path, message) => {
    expect(validateCondition(condition, 'when')).toEqual([{ path, message }])
  })

  it("for their depth, not for their reader's stack", () => {
    let condition: unknown = { a: 1 }
    for (let i = 0; i < 5000; i++) condition = { $not: condition }
    expect(validateCondition(condition, 'when')[0]?.message).toMatch(/nested deeper/)
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
    fc.record({ $vlte: fc.constantFrom('1.2.3', 'v2.0.0-rc.1') }),
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
      'must have exactly one of header, cookie, cohort, when; it has none',
    ],
    [
      'two matchers',
      { name: 'x', header: 'a', cohort: 'beta', serve: 'canary' },
      'rules[0]',
      'must have exactly one of header, cookie, cohort, when; it has header and cohort',
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
      'values on a condition',
      { name: 'x', when: { a: 1 }, values: ['1'], serve: 'canary' },
      'rules[0].values',
      'goes with header or cookie, not with when',
    ],
  ])('with %s are refused', (_name, rule, path, message) => {
    expect(validateRules([rule], scope, 'rules')).toEqual([{ path, message }])
  })

  it('have names of their own', () => {
    const rule = { name: 'x', header: 'a', serve: 'canary' }
    expect(validateRules([rule, rule], scope, 'rules')[0]?.path).toBe('rules[1].name')
  })
})

describe('cohorts', () => {
  it('may refer to each other, but not in a circle, nor to nothing', () => {
    expect(validateCohortGraph({ a: { when: { x: { $inGroup: 'b' } } }, b: { members: ['1'] } })).toEqual([])
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
