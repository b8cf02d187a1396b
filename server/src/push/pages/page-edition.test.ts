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
  for (const [key, fields] of Object.entries(patch.rollouts ?? {})) {
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
})
