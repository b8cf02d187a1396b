import { describe, expect, it } from 'vitest'
import type { Rule, Ruleset, RulesetRollout } from '../rules/index.ts'
import { type CompiledRuleset, compileRuleset } from './compile.ts'
import { decide } from './decide.ts'
import { decideAll } from './decide-all.ts'
import type { User } from './decision.ts'

let salts = 0
const rollout = (fields: Partial<RulesetRollout> = {}): RulesetRollout => ({
  phase: 'running',
  salt: `salt-${String(salts++).padStart(11, '0')}`,
  hash: 1,
  epoch: 1,
  stage: 'half',
  weight: 50,
  variants: [{ name: 'stable' }, { name: 'canary' }],
  ...fields,
})
const compile = (rollouts: Ruleset['rollouts'], fields: Partial<Ruleset> = {}): CompiledRuleset =>
  compileRuleset({
    version: 1,
    environment: 'production',
    unitSalt: '0123456789abcdef',
    rollouts,
    cohorts: {},
    ...fields,
  })

const people = Array.from({ length: 20_000 }, (_, i) => `person-${i}`)
const with_ = (ruleset: CompiledRuleset, key: string, variant = 'canary'): Set<string> =>
  new Set(people.filter((id) => decide(ruleset, key, id).variant === variant))
const because = (ruleset: CompiledRuleset, key: string, reason: string): Set<string> =>
  new Set(people.filter((id) => decide(ruleset, key, id).reason === reason))
const both = (a: ReadonlySet<string>, b: ReadonlySet<string>): number => [...a].filter((id) => b.has(id)).length
/** Standard deviations from what chance gives. */
const z = (count: number, of: number, share: number): number =>
  Math.abs(count - of * share) / Math.sqrt(of * share * (1 - share))

const toEverybody: Rule = { name: 'all', when: {}, serve: 'canary' }

describe('a holdback', () => {
  const rollouts = {
    a: rollout(),
    b: rollout({ rules: [toEverybody], overrides: Object.fromEntries(people.map((id) => [id, 'canary'])) }),
    done: rollout({ phase: 'succeeded', winner: 'canary' }),
    account: rollout({ unit: 'account' }),
  }
  const five = compile(rollouts, { holdback: 5 })
  const held = because(five, 'a', 'holdback')

  it('is the share that it says, and the same people for all rollouts', () => {
    expect(z(held.size, people.length, 0.05)).toBeLessThan(4)
    for (const key of ['b', 'done']) expect(because(five, key, 'holdback')).toEqual(held)
  })

  it('is touched by no rule, override, winner or other unit', () => {
    for (const id of held) {
      for (const key of ['a', 'b', 'done'])
        expect(decide(five, key, id)).toMatchObject({ variant: 'stable', randomised: false })
      expect(decide(five, 'account', { id, account: 'acme' })).toMatchObject({ reason: 'holdback', unit: 'acme' })
    }
    expect(decide(five, 'account', { account: 'acme' }).reason).not.toBe('no-unit')
  })

  it('keeps who is in it when it grows, and moves nobody else', () => {
    const ten = compile(rollouts, { holdback: 10 })
    expect(both(held, because(ten, 'a', 'holdback'))).toBe(held.size)
    for (const id of people) {
      const { reason, variant } = decide(ten, 'a', id)
      if (reason === 'split') expect(decide(five, 'a', id).variant).toBe(variant)
    }
  })

  it('is independent of the splits', () => {
    const none = compile(rollouts)
    expect(z(both(held, with_(none, 'a')), held.size, 0.5)).toBeLessThan(4)
  })

  it('is compiled anew when only its share changes', () => {
    const next = compileRuleset({ ...five.ruleset, holdback: 0 }, five)
    expect(because(next, 'a', 'holdback').size).toBe(0)
  })
})

describe('a prerequisite', () => {
  const base = rollout()
  const needs = (variant?: string) => rollout({ prerequisites: [{ rollout: 'base', ...(variant && { variant }) }] })
  const next = needs('canary')
  const rollouts = { base, next, any: needs(), open: { ...next, rules: [toEverybody] } }
  const ruleset = compile(rollouts)

  it('is for those alone who have the variant', () => {
    const canary = with_(ruleset, 'base')
    const reached = with_(ruleset, 'next')
    expect(both(reached, canary)).toBe(reached.size)
    expect(z(reached.size, canary.size, 0.5)).toBeLessThan(4)
    expect(with_(ruleset, 'open')).toEqual(canary)
    expect(because(ruleset, 'next', 'prerequisite').size).toBe(people.length - canary.size)
  })

  it('keeps people while both ramp up', () => {
    const before = with_(compile({ base: { ...base, weight: 10 }, next: { ...next, weight: 10 } }), 'next')
    const after = with_(compile({ base: { ...base, weight: 60 }, next: { ...next, weight: 30 } }), 'next')
    expect(both(before, after)).toBe(before.size)
  })

  it('holds at the end of its own rollout, and takes all when the other has succeeded', () => {
    const done = { ...next, phase: 'succeeded' as const, winner: 'canary' }
    expect(with_(compile({ base, next: done }), 'next')).toEqual(with_(ruleset, 'base'))
    const won = compile({ base: { ...base, phase: 'succeeded' as const, winner: 'canary' }, next })
    expect(because(won, 'next', 'prerequisite').size).toBe(0)
  })

  it('that was reverted, or is not known here, lets nobody in', () => {
    for (const rest of [{ base: { ...base, phase: 'reverted' as const } }, {}]) {
      expect(because(compile({ ...rest, next }), 'next', 'prerequisite').size).toBe(people.length)
    }
  })

  it('that goes round in a circle lets nobody in and ends', () => {
    const circle = compile({
      a: rollout({ prerequisites: [{ rollout: 'b' }] }),
      b: rollout({ prerequisites: [{ rollout: 'a' }] }),
      self: rollout({ prerequisites: [{ rollout: 'self' }] }),
    })
    for (const key of ['a', 'b', 'self']) expect(decide(circle, key, 'x')).toMatchObject({ reason: 'prerequisite' })
  })

  it('may be met through a header of the same request', () => {
    const qa: Rule = { name: 'qa', header: 'X-Canary', serve: 'canary' }
    const tested = compile({ base: { ...base, weight: 0, rules: [qa] }, next: { ...next, rules: [toEverybody] } })
    expect(decide(tested, 'next', 'x').variant).toBe('stable')
    expect(decide(tested, 'next', 'x', { headers: { 'x-canary': '1' } }).variant).toBe('canary')
  })
})

describe('a layer', () => {
  const part = (from: number, to: number, fields: Partial<RulesetRollout> = {}) =>
    rollout({ layer: { name: 'search', from, to }, ...fields })
  const first = part(0, 40)
  const second = part(40, 100)
  const ruleset = compile({
    first,
    second,
    other: rollout(),
    elsewhere: rollout({ layer: { name: 'cart', from: 0, to: 50 } }),
  })
  const taking = (key: string) => new Set(people.filter((id) => decide(ruleset, key, id).reason === 'split'))

  it('gives each rollout its part, and no unit to two of them', () => {
    const [a, b] = [taking('first'), taking('second')]
    expect(z(a.size, people.length, 0.4)).toBeLessThan(4)
    expect(both(a, b)).toBe(0)
    expect(a.size + b.size).toBe(people.length)
  })

  it('is independent of the splits in it, of other rollouts, and of other layers', () => {
    const a = taking('first')
    expect(z(both(a, with_(ruleset, 'first')), a.size, 0.5)).toBeLessThan(4)
    expect(z(both(a, with_(ruleset, 'other')), a.size, 0.5)).toBeLessThan(4)
    expect(z(both(a, taking('elsewhere')), a.size, 0.5)).toBeLessThan(4)
  })

  it('keeps people when a part grows', () => {
    const wider = compile({ first: { ...first, layer: { name: 'search', from: 0, to: 60 } } })
    const before = with_(ruleset, 'first')
    expect(both(before, with_(wider, 'first'))).toBe(before.size)
  })

  it('is for units: without one nobody is let past', () => {
    const open = compile({ first: part(0, 100, { rules: [toEverybody] }) })
    expect(decide(open, 'first', {})).toMatchObject({ variant: 'stable', reason: 'no-unit' })
    expect(decide(open, 'first', 'x').variant).toBe('canary')
  })

  it('no longer matters once the rollout has succeeded', () => {
    const done = compile({ first: { ...first, phase: 'succeeded', winner: 'canary' } })
    expect(with_(done, 'first').size).toBe(people.length)
  })
})

describe('a unit', () => {
  it('is the first attribute of a list that the user has', () => {
    const ruleset = compile({ r: rollout({ unit: ['account.id', 'id', 'device'] }) })
    const unit = (user: User) => decide(ruleset, 'r', user).unit
    expect(unit({ account: { id: 7 }, id: 'u', device: 'd' })).toBe('7')
    expect(unit({ id: 'u', device: 'd' })).toBe('u')
    expect(unit({ device: 'd', anonymousId: 'a' })).toBe('d')
    expect(unit({ anonymousId: 'a' })).toBe('a')
    expect(decide(ruleset, 'r', 'text').unit).toBe('text')
    expect(decide(compile({ r: rollout({ unit: ['account', 'device'] }) }), 'r', 'text').unit).toBeUndefined()
  })

  it('is none where each request is dealt out by itself', () => {
    const ruleset = compile({ r: rollout({ assign: 'request', weight: 25 }) })
    let next = 0
    const random = () => (next = (next + 0.618_033_988_75) % 1)
    const decisions = Array.from({ length: 10_000 }, () => decide(ruleset, 'r', 'ada', {}, { random }))
    expect(decisions.filter(({ variant }) => variant === 'canary').length).toBeCloseTo(2500, -1.5)
    expect(decisions[0]).toMatchObject({ reason: 'split', randomised: true, unit: undefined })
    expect(decide(ruleset, 'r', 'ada')).toMatchObject({ variant: 'stable', reason: 'no-unit' })
  })
})

describe('deciding all rollouts at once', () => {
  it('comes to what deciding each comes to', () => {
    const rollouts = Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => [
        `r${i}`,
        rollout({
          weight: (i * 7) % 101,
          ...(i % 3 === 0 && { rules: [{ name: 'beta', cohort: 'beta', serve: { canary: 50, stable: 50 } }] }),
          ...(i % 4 === 0 && { cohorts: ['beta'] }),
          ...(i % 5 === 0 && { unit: 'account' }),
          ...(i % 7 === 1 && { prerequisites: [{ rollout: 'r3' }] }),
          ...(i % 2 === 0 && { salt: `odd-${i}` }),
        }),
      ]),
    )
    const ruleset = compile(rollouts, { holdback: 3, cohorts: { beta: { when: { plan: 'beta' } } } })
    for (let n = 0; n < 200; n++) {
      const user = {
        id: n % 9 === 0 ? `é-${n}` : `u${n}`,
        account: `acc${n % 20}`,
        plan: n % 3 === 0 ? 'beta' : 'free',
      }
      const all = decideAll(ruleset, user)
      for (const key of Object.keys(rollouts)) expect(all[key]).toBe(decide(ruleset, key, user).variant)
    }
    expect(decideAll(undefined, 'x')).toEqual({})
  })
})
