import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CompiledRuleset, compileRuleset, decide } from '../decide/index.ts'
import { diffRulesets, encodeMessage, type PatchMessage, parseServerMessage } from '../protocol/index.ts'
import type { Ruleset, RulesetRollout } from '../rules/index.ts'
import { createRulesetHolder } from './ruleset-holder.ts'

const rollout = fc
  .record({
    phase: fc.constantFrom('running', 'paused', 'reverted', 'draft'),
    epoch: fc.integer({ min: 1, max: 3 }),
    weight: fc.constantFrom(0, 5, 50, 100),
    deadmanMs: fc.option(fc.constant(60_000), { nil: undefined }),
    rules: fc.option(
      fc.constantFrom(
        [{ name: 'beta', when: { plan: 'beta' }, serve: 'canary' }],
        [{ name: 'new', when: { plan: { $notYetKnown: 1 } }, serve: 'canary' }],
      ),
      { nil: undefined },
    ),
  })
  .map(
    ({ deadmanMs, rules, ...fields }) =>
      ({
        ...{ salt: '0123456789abcdef', hash: 1, variants: [{ name: 'stable' }, { name: 'canary' }], ...fields },
        ...(deadmanMs === undefined ? {} : { deadmanMs }),
        ...(rules === undefined ? {} : { rules }),
      }) as unknown as RulesetRollout,
  )
const keys = ['a', 'b', 'c', 'constructor'] as const
/** Mostly the same ones, so that most patches only change some. */
const rollouts = fc
  .oneof(
    { arbitrary: fc.tuple(...keys.map((key) => fc.tuple(fc.constant(key), rollout))), weight: 4 },
    { arbitrary: fc.array(fc.tuple(fc.constantFrom(...keys), rollout), { maxLength: 5 }), weight: 1 },
  )
  .map((entries): Ruleset['rollouts'] => Object.fromEntries(entries))
const rulesets = fc
  .array(fc.tuple(rollouts, fc.constantFrom(0, 0, 0, 0, 0, 10)), { minLength: 1, maxLength: 6 })
  .map((all) =>
    all.map(
      ([found, holdback], i): Ruleset => ({
        ...{ version: i + 1, environment: 'e', unitSalt: 'u', cohorts: {}, rollouts: found },
        ...(holdback === 0 ? {} : { holdback }),
      }),
    ),
  )

const arrived = <T>(message: object): T => {
  const parsed = parseServerMessage(encodeMessage(message as PatchMessage))
  if (!parsed.ok) throw new Error(parsed.error.message)
  return parsed.message as T
}
const rulesetOf = (ruleset: Ruleset): Ruleset =>
  arrived<{ ruleset: Ruleset }>({ type: 'ruleset', ruleset, flushMs: 1000, heartbeatMs: 1000 }).ruleset

const contents = (compiled: CompiledRuleset | undefined) => ({
  ...{ version: compiled?.version, deadman: compiled?.deadman, unknown: compiled?.unknownOperators },
  rollouts: Object.entries(compiled?.ruleset.rollouts ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)),
  compiled: [...(compiled?.rollouts.keys() ?? [])].sort(),
  decisions: keys.flatMap((key) => ['u1', 'u2'].map((id) => compiled && decide(compiled, key, { id, plan: 'beta' }))),
})

describe('the ruleset in use', () => {
  it('is by patches what it would be as a whole, and tells what changed', () => {
    let inPlace = 0
    fc.assert(
      fc.property(rulesets, ([first, ...others]) => {
        const told: (readonly string[])[] = []
        const holder = createRulesetHolder((changed) => told.push([...changed].sort()))
        holder.take(rulesetOf(first as Ruleset), 'server')
        let before = first as Ruleset
        for (const next of others) {
          const patch = diffRulesets(before, next)
          const map = holder.compiled?.rollouts
          expect(holder.patch(arrived(patch))).toBe(true)
          if (map === holder.compiled?.rollouts && patch.rollouts !== undefined) inPlace++
          expect(contents(holder.compiled)).toEqual(contents(compileRuleset(rulesetOf(next))))
          const named = [...Object.keys(patch.rollouts ?? {}), ...(patch.removed?.rollouts ?? [])]
          expect(told.at(-1)).toEqual(named.sort())
          before = next
        }
      }),
      { numRuns: 300 },
    )
    expect(inPlace).toBeGreaterThan(20)
  })

  it('stays as it is where a patch does not fit or is of a wrong shape', () => {
    const holder = createRulesetHolder(() => undefined)
    const one = {
      phase: 'running',
      salt: 's',
      hash: 1,
      epoch: 1,
      weight: 5,
      variants: [{ name: 'stable' }, { name: 'canary' }],
    }
    const ruleset = { version: 1, environment: 'e', unitSalt: 'u', cohorts: {}, rollouts: { a: one, b: one } }
    expect(holder.patch({ type: 'patch', from: 1, version: 2 })).toBe(false)
    holder.take(rulesetOf(ruleset as never), 'server')
    const before = JSON.stringify(contents(holder.compiled))
    for (const patch of [
      { from: 2, version: 3, rollouts: { a: { weight: 6 } } },
      { from: 1, version: 2, rollouts: { a: { weight: 6 }, b: { weight: 'x' } } },
      { from: 1, version: 2, rollouts: { a: { salt: null } } },
      { from: 1, version: 2, rollouts: { c: { weight: 6 } } },
    ])
      expect(holder.patch({ type: 'patch', ...patch } as unknown as PatchMessage)).toBe(false)
    expect(JSON.stringify(contents(holder.compiled))).toBe(before)
  })
})
