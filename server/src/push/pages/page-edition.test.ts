import { projectPage } from '@pipit/shared/decide'
import type { PagePatchMessage, PageRollout, PageRuleset, PageRulesetMessage } from '@pipit/shared/protocol'
import type { Ruleset } from '@pipit/shared/rules'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createEdition } from '../edition.ts'
import { createPageEdition, type PageEdition } from './page-edition.ts'
import type { Visitor } from './visitor.ts'

const messageOf = (frame: Buffer): PagePatchMessage | PageRulesetMessage => {
  const length = frame[1] ?? 0
  return JSON.parse(frame.toString('utf8', length < 126 ? 2 : length === 126 ? 4 : 10))
}

/** As a page takes what it is sent. */
function applied(held: PageRuleset, patch: PagePatchMessage | PageRulesetMessage): PageRuleset {
  if (patch.type === 'ruleset') return patch.ruleset
  expect(patch.from).toBe(held.version)
  const rollouts: { [key: string]: PageRollout } = { ...held.rollouts }
  for (const [key, fields] of Object.entries(patch.rollouts)) {
    const { result, ...merged } = { ...rollouts[key], ...fields } as unknown as PageRollout
    // Nothing else is ever taken away, so that a page can put one over the other.
    expect(Object.values(merged)).not.toContain(null)
    rollouts[key] = result === null || result === undefined ? merged : { ...merged, result }
  }
  return { version: patch.version, rollouts }
}

const keys = fc.constantFrom('a', 'b', 'c')
const rollouts = fc.record(
  {
    phase: fc.constantFrom('running', 'paused', 'succeeded', 'reverted'),
    salt: fc.constant('0123456789abcdef'),
    hash: fc.constant(1),
    epoch: fc.integer({ min: 1, max: 3 }),
    weight: fc.integer({ min: 0, max: 100 }),
    variants: fc.constantFrom(
      [{ name: 'stable' }, { name: 'canary', payload: { x: 1 } }],
      [
        { name: 'stable', payload: 0 },
        { name: 'canary', share: 1 },
        { name: 'second', payload: 's', share: 2 },
      ],
    ),
    events: fc.constant(['buy']),
    deadmanMs: fc.constant(60_000),
    stage: fc.constantFrom('one', 'two'),
    cohorts: fc.constant(['beta']),
    overrides: fc.dictionary(fc.constantFrom('ada', 'bob'), fc.constantFrom('stable', 'canary')),
    prerequisites: keys.map((rollout) => [{ rollout }]),
    rules: fc.constant([{ name: 'noon', time: { zone: 'UTC', from: '12:00' }, serve: 'canary' }]),
    winner: fc.constant('canary'),
    unit: fc.constantFrom('account', 'id'),
    browser: fc.constant(true),
  },
  { requiredKeys: ['phase', 'salt', 'hash', 'epoch', 'weight', 'variants'] },
)
const rulesets = fc.array(
  fc.record({
    environment: fc.constant('production'),
    unitSalt: fc.constant('u'),
    holdback: fc.constantFrom(0, 30),
    rollouts: fc.dictionary(keys, rollouts),
    cohorts: fc.constantFrom({}, { beta: { when: { plan: 'beta' } } }),
  }),
  { minLength: 2, maxLength: 5 },
)
const users = fc.constantFrom<Visitor['user']>(undefined, { id: 'ada', plan: 'beta' }, { id: 'bob' })

describe('patches of pages', () => {
  it('lead from any edition to any other, for any user, at any hour', () => {
    fc.assert(
      fc.property(
        rulesets,
        users,
        fc.boolean(),
        fc.array(fc.constantFrom(6, 18), { minLength: 5, maxLength: 5 }),
        (all, user, isProved, hours) => {
          const visitor: Visitor = { user, cookies: {}, agent: undefined, isProved, isRefused: false }
          const environmentAt = (i: number) => ({ now: () => (hours[i] ?? 0) * 3_600_000 })
          let edition: PageEdition | undefined
          let held: PageRuleset | undefined
          for (const [i, source] of all.entries()) {
            const ruleset = { ...source, version: i + 1 } as unknown as Ruleset
            const next = createPageEdition(createEdition(ruleset, 15_000), edition)
            const is = next.decide(visitor, environmentAt(i))
            if (edition === undefined || held === undefined) held = JSON.parse(next.text(is)).ruleset as PageRuleset
            else {
              const was = edition.decide(visitor, environmentAt(i - 1))
              held = applied(held, messageOf(next.changeFrame(edition, was, is)))
            }
            edition = next
            expect(held).toEqual(JSON.parse(next.text(is)).ruleset)
            if (isProved) {
              const whole = projectPage(next.compiled, user, { cookies: {}, headers: {} }, environmentAt(i))
              expect(held).toEqual(JSON.parse(JSON.stringify(whole)))
            } else for (const { unit } of Object.values(held.rollouts)) expect(unit).toBe('anonymousId')
            // Another hour of the same edition, and who comes back with whatever results.
            const other = next.decide(visitor, environmentAt(i + 1))
            const later = applied(held, messageOf(next.changeFrame(next, is, other)))
            expect(later).toEqual(JSON.parse(next.text(other)).ruleset)
            // Whoever had something else of this version, proved or not, has it for this user then.
            const stranger: Visitor = { ...visitor, user: undefined, isProved: !isProved }
            const theirs = next.decide(stranger, environmentAt(i))
            const had = JSON.parse(next.text(theirs)).ruleset as PageRuleset
            expect(applied(had, messageOf(next.changeFrame(next, theirs, is)))).toEqual(held)
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  const split = {
    ...{ phase: 'running', salt: '0123456789abcdef', hash: 1, epoch: 1, weight: 5, browser: true },
    variants: [{ name: 'stable' }, { name: 'canary' }],
  }
  const noon = () => 12 * 3_600_000
  const visitorOf = (id: string, isProved = true): Visitor => ({
    ...{ user: { id, anonymousId: id }, cookies: {}, agent: undefined, isRefused: false },
    isProved,
  })
  const editionOf = (version: number, rollouts: object, previous?: PageEdition): PageEdition => {
    const ruleset = { ...{ version, environment: 'production', unitSalt: 'u', cohorts: {} }, rollouts }
    return createPageEdition(createEdition(ruleset as unknown as Ruleset, 15_000), previous)
  }
  /** What each of these people is sent. */
  function framesOf(was: object, is: object, people: readonly Visitor[], from = 1): readonly Buffer[] {
    const before = editionOf(from, was)
    const after = editionOf(from + 1, is, before)
    const environment = { now: noon }
    return people.map((one) =>
      after.changeFrame(before, before.decide(one, environment), after.decide(one, environment)),
    )
  }

  it('are some hundred bytes for a new weight and for a phase, the same for all whose arm it is', () => {
    const others = { a: split, b: split, c: { ...split, overrides: { ada: 'canary' } } }
    const arms = [{ name: 'stable' }, { name: 'canary' }, { name: 'second', payload: 'x'.repeat(1000) }]
    const shop = { ...split, variants: arms, overrides: { eve: 'canary' } }
    const people = Array.from({ length: 40 }, (_, i) => visitorOf(`u${i}`)).concat(visitorOf('ada'), visitorOf('eve'))
    const weights = framesOf({ shop, ...others }, { shop: { ...shop, weight: 25 }, ...others }, people)
    expect(new Set(weights).size).toBe(1)
    expect(messageOf(weights[0] as Buffer)).toEqual({
      ...{ type: 'patch', from: 1, version: 2 },
      rollouts: { shop: { weight: 25 } },
    })
    expect(weights[0]?.length).toBeLessThan(100)
    const result = { variant: 'stable', reason: 'phase' }
    const over = framesOf({ shop, ...others }, { shop: { ...shop, phase: 'reverted' }, ...others }, people)
    // Two arms, and who had a result of their own before.
    expect(new Set(over).size).toBeLessThanOrEqual(4)
    for (const frame of over) {
      expect(messageOf(frame)).toMatchObject({ type: 'patch', rollouts: { shop: { phase: 'reverted', result } } })
      expect(frame.length).toBeLessThan(160)
    }
  })

  it('tell of an arm that is another one now, with its payload', () => {
    const arms = ['stable', 'canary', 'second'].map((name) => ({ name, payload: name }))
    const [frame] = framesOf(
      { shop: { ...split, variants: arms, deal: [['canary', 100_000]] } },
      { shop: { ...split, variants: arms, deal: [['second', 100_000]] } },
      [visitorOf('ada')],
    )
    expect(messageOf(frame as Buffer)).toMatchObject({
      rollouts: { shop: { canary: 'second', payloads: { stable: 'stable', second: 'second' } } },
    })
  })

  it.each<[string, object, object]>([
    ['a rollout', { shop: split, cart: split }, { shop: split }],
    ['a stage', { shop: { ...split, stage: 'half' } }, { shop: split }],
    [
      'a bound of silence',
      { shop: { ...split, deadmanMs: 5 } },
      { shop: { ...split, deadmanMs: 5, phase: 'reverted' } },
    ],
    ['the last payload', { shop: { ...split, variants: [{ name: 'canary', payload: 1 }] } }, { shop: split }],
    ['all events', { shop: { ...split, events: ['buy'] } }, { shop: split }],
    ['a unit', { shop: { ...split, unit: 'account' } }, { shop: split }],
  ])('are no way to take %s away: the whole is', (_name, was, is) => {
    const proved = framesOf(was, is, [visitorOf('ada'), visitorOf('eve')])
    expect(new Set(proved).size).toBe(1)
    expect(messageOf(proved[0] as Buffer)).toMatchObject({ type: 'ruleset', ruleset: { version: 2 } })
    expect(Object.keys(messageOf(framesOf(is, was, [visitorOf('ada')])[0] as Buffer))).toContain('rollouts')
  })

  it('take a result away, and a unit of which an unproved page knows nothing', () => {
    const listed = { ...split, rules: [{ name: 'all', when: {}, serve: 'canary' }], unit: 'account' }
    const [proved, unproved] = framesOf({ shop: listed }, { shop: { ...split, unit: 'account' } }, [
      visitorOf('ada'),
      visitorOf('ada', false),
    ]).map(messageOf)
    const patch = { type: 'patch', from: 1, version: 2, rollouts: { shop: { result: null } } }
    expect([proved, unproved]).toEqual([patch, patch])
    const [free] = framesOf({ shop: { ...split, unit: 'account' } }, { shop: split }, [visitorOf('ada', false)])
    expect(messageOf(free as Buffer)).toEqual({ type: 'patch', from: 1, version: 2, rollouts: {} })
  })

  it('say nothing of rollouts where only what pages do not see is another, in the form that pages read', () => {
    const hidden = { ...split, browser: false }
    const [frame] = framesOf({ shop: split, hidden }, { shop: split, hidden: { ...hidden, weight: 50 } }, [
      visitorOf('ada'),
    ])
    expect(messageOf(frame as Buffer)).toEqual({ type: 'patch', from: 1, version: 2, rollouts: {} })
  })

  it('never begin at version 0', () => {
    const [frame] = framesOf({}, { shop: split }, [visitorOf('ada')], 0)
    expect(messageOf(frame as Buffer)).toMatchObject({ type: 'ruleset', ruleset: { version: 1 } })
  })
})
