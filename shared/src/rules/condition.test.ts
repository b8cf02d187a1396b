import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { prepareHash64 } from '../hash/index.ts'
import { isMember } from './cohort.ts'
import { createCohortIndex } from './cohort-index.ts'
import { compileCondition } from './condition.ts'
import { type MemberList, memberListOf } from './member-list.ts'
import type { Condition, RulesetCohort } from './model.ts'
import { validateCondition } from './validate-condition.ts'

const unitSalt = 'salt-of-the-unit'
const listed = (...ids: readonly string[]): MemberList => memberListOf(ids, prepareHash64(unitSalt))
const compile = (condition: Condition, cohorts: { readonly [key: string]: RulesetCohort } = {}) =>
  compileCondition(condition, createCohortIndex(cohorts, { unitSalt }))
const holds = (condition: Condition, user: object): boolean => compile(condition)?.(user as never) ?? false

describe('a path through arrays', () => {
  const user = { orders: [{ total: 5, lines: [{ sku: 'a' }] }, { total: 50, lines: [{ sku: 'b' }, { sku: 'c' }] }, 7] }
  it.each<[Condition, boolean]>([
    [{ 'orders.total': { $gt: 10 } }, true],
    [{ 'orders.total': 6 }, false],
    [{ 'orders.0.total': 5 }, true],
    [{ 'orders.lines.sku': 'c' }, true],
    [{ 'orders.lines.sku': { $nin: ['c', 'x'] } }, false],
    [{ 'orders.lines.sku': { $nin: ['x'] } }, true],
    [{ 'orders.lines': { $size: 2 } }, true],
    [{ 'orders.lines': { $size: 3 } }, false],
    [{ 'orders.lines': { $elemMatch: { sku: 'b' } } }, true],
    [{ 'orders.lines.price': { $exists: false } }, true],
    [{ 'orders.total': { $exists: true } }, true],
    [{ 'orders.total': { $not: { $gt: 10 } } }, false],
  ])('%j is %s', (condition, expected) => {
    expect(holds(condition, user)).toBe(expected)
  })
})

describe('equality', () => {
  it.each<[Condition, object, boolean]>([
    [{ tags: { $eq: 'a' } }, { tags: ['b', 'a'] }, true],
    [{ tags: { $ne: 'a' } }, { tags: ['b', 'a'] }, false],
    [{ pair: { $eq: ['a', 'b'] } }, { pair: ['a', 'b'] }, true],
    [{ pair: ['a', 'b'] }, { pair: [['a', 'b'], 'c'] }, true],
    [{ home: { $in: [{ city: 'Delft' }, null] } }, { home: { city: 'Delft' } }, true],
    [{ home: { $nin: [{ city: 'Delft' }] } }, { home: { city: 'Delft' } }, false],
    [{ home: { $in: [null] } }, {}, true],
    [{ plan: 'true' }, { plan: true }, true],
    [{ n: 12 }, { n: '12' }, true],
    [{ n: 0 }, { n: '' }, false],
  ])('%j of %j is %s', (condition, user, expected) => {
    expect(holds(condition, user)).toBe(expected)
  })
})

describe('cohorts in conditions', () => {
  it('hold ids as numbers and as text, alone or in a list', () => {
    const team = compile({ id: { $inGroup: 'team' } }, { team: { members: listed('7', '8') } })
    expect([{ id: 7 }, { id: '8' }, { id: [1, '7'] }, { id: 9 }, {}].map((user) => team?.(user))).toEqual([
      true,
      true,
      true,
      false,
      false,
    ])
  })

  it('ask about the user, also inside $elemMatch', () => {
    const cohorts = { dutch: { when: { country: 'NL' } } }
    const condition = compile({ friends: { $elemMatch: { id: { $inGroup: 'dutch' } } } }, cohorts)
    expect(condition?.({ country: 'NL', friends: [{ id: 1, country: 'DE' }] })).toBe(true)
  })

  it('that are not understood make the condition not understood: nobody is let in by not being in one', () => {
    const cohorts = {
      blocked: { when: { a: { $future: 1 } }, members: listed('1') },
      far: { when: { b: { $inGroup: 'blocked' } } },
    }
    expect(compile({ id: { $notInGroup: 'blocked' } }, cohorts)).toBeUndefined()
    expect(compile({ $not: { id: { $inGroup: 'far' } } }, cohorts)).toBeUndefined()
    expect(createCohortIndex(cohorts, { unitSalt }).unknownOperators).toBe(2)
  })

  it('that do not exist hold nobody', () => {
    expect(holds({ id: { $inGroup: 'gone' } }, { id: '1' })).toBe(false)
    expect(holds({ id: { $notInGroup: 'gone' } }, { id: '1' })).toBe(true)
  })

  it('are taken over when neither they nor those they refer to change', () => {
    const cohorts = {
      a: { when: { x: { $inGroup: 'b' } } },
      b: { members: listed('1') },
      c: { members: listed('2') },
      d: { when: { x: { $inGroup: 'e' } } },
    }
    const before = createCohortIndex(cohorts, { unitSalt })
    const after = createCohortIndex(
      { ...cohorts, b: { members: listed('1', '2') }, e: { members: listed('3') } },
      { unitSalt, previous: before },
    )
    expect(after.cohort('c')).toBe(before.cohort('c'))
    for (const key of ['a', 'b', 'd']) expect(after.cohort(key)).not.toBe(before.cohort(key))
    expect(after.cohort('a')?.when?.({ x: '2' })).toBe(true)
    expect(after.cohort('d')?.when?.({ x: '3' })).toBe(true)
  })

  it('keep their condition when their members alone change, and their members when the condition does', () => {
    const when = { plan: 'beta' }
    const one = createCohortIndex({ a: { when, members: listed('1') } }, { unitSalt }).cohort('a')
    const previous = createCohortIndex({ a: { when, members: listed('1') } }, { unitSalt })
    const two = createCohortIndex({ a: { when, members: listed('2') } }, { unitSalt, previous }).cohort('a')
    expect(two?.when).toBe(previous.cohort('a')?.when)
    expect(two?.when).not.toBe(one?.when)
    if (two === undefined) throw new Error('the cohort was not compiled')
    expect([isMember(two, '1', {}), isMember(two, 2, {}), isMember(two, '1', { plan: 'beta' })]).toEqual([
      false,
      true,
      true,
    ])
  })

  it('hold nobody of another environment: members are hashed with its salt', () => {
    const cohorts = { a: { members: listed('1') } }
    const previous = createCohortIndex(cohorts, { unitSalt })
    const other = createCohortIndex(cohorts, { unitSalt: 'another', previous }).cohort('a')
    expect(other !== undefined && isMember(other, '1', {})).toBe(false)
  })

  it('are understood again once a circle is gone', () => {
    const b = { when: { x: { $inGroup: 'a' } } }
    const before = createCohortIndex({ a: { when: { x: { $inGroup: 'b' } } }, b }, { unitSalt })
    expect(before.unknownOperators).toBe(2)
    const after = createCohortIndex({ a: { members: listed('1') }, b }, { unitSalt, previous: before })
    expect([after.unknownOperators, after.cohort('b')?.when?.({ x: '1' })]).toEqual([0, true])
  })
})

describe('what cannot be compiled', () => {
  const deep = (levels: number): Condition => {
    let condition: Condition = { a: 1 }
    for (let i = 0; i < levels; i++) condition = { $not: condition }
    return condition
  }
  it.each<[string, Condition]>([
    ['an operator of a later version', { $not: { a: { $future: 1 } } }],
    ['a list of conditions of a later version', { $not: { $xor: [{ a: 1 }] } }],
    ['a pattern that is none', { $not: { a: { $regex: '(' } } }],
    ['a list that is none', { a: { $nin: 5 } }],
    ['nesting without measure', deep(50_000)],
  ])('is told, so that the rule does not match: %s', (_name, condition) => {
    expect(compile(condition)).toBeUndefined()
  })
})

describe('attributes', () => {
  it('that throw when read do not match, and do not throw', () => {
    const thrower = {
      get plan(): string {
        throw new Error('no')
      },
    }
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    for (const user of [thrower, proxy, { plan: proxy }]) {
      for (const condition of [{ plan: 'x' }, { plan: { $eq: { a: 1 } } }, { $not: { plan: { $in: ['x'] } } }]) {
        expect(typeof holds(condition as Condition, user)).toBe('boolean')
      }
    }
  })

  it('may go in circles', () => {
    const user: { [name: string]: unknown } = {}
    user.self = user
    user.list = [user]
    expect(holds({ self: { self: { a: 1 } } }, user)).toBe(false)
    expect(holds({ 'list.list.list.self': { $exists: true } }, user)).toBe(true)
  })

  it('of the prototype are not there', () => {
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'constructor.name', 'a.length']) {
      expect(holds({ [name]: { $exists: true } }, { a: {} }), name).toBe(false)
    }
  })

  it('too long for a regular expression do not match it', () => {
    expect(holds({ a: { $regex: '^x' } }, { a: 'x'.repeat(512) })).toBe(true)
    expect(holds({ a: { $regex: '^x' } }, { a: 'x'.repeat(513) })).toBe(false)
  })
})

describe('any JSON as a condition', () => {
  it('that validates compiles, and answers for any attributes', () => {
    const key = fc.constantFrom(
      'a',
      'b.c',
      '$and',
      '$or',
      '$not',
      '$in',
      '$gt',
      '$size',
      '$all',
      '$elemMatch',
      '$eq',
      '$inCidr',
      '$vgt',
    )
    const json = fc.letrec<{ node: unknown }>((tie) => ({
      node: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.oneof(fc.integer(), fc.string(), fc.boolean(), fc.constant(null)),
        fc.array(tie('node'), { maxLength: 3 }),
        fc.dictionary(key, tie('node'), { maxKeys: 3 }),
      ),
    })).node
    let taken = 0
    fc.assert(
      fc.property(json, fc.jsonValue(), (condition, user) => {
        const issues = validateCondition(condition, 'when')
        const predicate = compileCondition(condition as Condition, createCohortIndex({}))
        if (issues.length > 0) return
        taken++
        expect(typeof predicate?.(Object(user))).toBe('boolean')
      }),
      { numRuns: 3000 },
    )
    expect(taken).toBeGreaterThan(100)
  })
})
