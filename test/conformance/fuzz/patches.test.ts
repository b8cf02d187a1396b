import { type CompiledRuleset, compileRuleset, decide } from '@pipit/shared/decide'
import { applyPatch, diffRulesets, encodeMessage, parseServerMessage } from '@pipit/shared/protocol'
import type { Ruleset } from '@pipit/shared/rules'
import { describe, expect, it } from 'vitest'
import { casesOf } from './batch.ts'
import { environmentOf, type FuzzCase, rolloutKeys } from './fuzz-case.ts'

/** The next ruleset has every other rollout and cohort of another one, and keeps the rest as it was. */
function mixed(before: Ruleset, other: Ruleset, step: number): Ruleset {
  const mix = <T>(from: { readonly [key: string]: T }, to: { readonly [key: string]: T }): { [key: string]: T } =>
    Object.fromEntries(
      [...new Set([...Object.keys(from), ...Object.keys(to)])].flatMap((key, i): [string, T][] => {
        const source = (i + step) % 2 === 0 ? to : from
        return Object.hasOwn(source, key) ? [[key, source[key] as T]] : []
      }),
    )
  return {
    ...before,
    version: before.version + 1,
    holdback: (step % 3 === 0 ? other : before).holdback ?? 0,
    rollouts: mix(before.rollouts, other.rollouts),
    cohorts: mix(before.cohorts, other.cohorts),
  }
}

/** The ruleset that an SDK has after a patch. */
function patched(held: Ruleset, from: Ruleset, to: Ruleset): Ruleset {
  const parsed = parseServerMessage(encodeMessage(diffRulesets(from, to)))
  if (!parsed.ok || parsed.message.type !== 'patch') throw new Error(`the patch was refused: ${JSON.stringify(parsed)}`)
  const next = applyPatch(held, parsed.message)
  if (next === undefined) throw new Error('the patch does not fit')
  return next
}

const decisions = (compiled: CompiledRuleset, cases: readonly FuzzCase[]): unknown =>
  cases.map((fuzzed) =>
    rolloutKeys.map((key) => decide(compiled, key, fuzzed.user, fuzzed.context, environmentOf(fuzzed))),
  )

describe('random patches, one after the other', () => {
  it.each([1, 2, 3])('leave nothing of before in use (seed %i)', (seed) => {
    const cases = casesOf(seed, 0, 300)
    let server = { ...(cases[0] as FuzzCase).ruleset, version: 1 }
    let held = server
    let compiled = compileRuleset(held)
    let takenOver = 0
    cases.slice(1).forEach(({ ruleset }, step) => {
      const next = mixed(server, ruleset, step)
      held = patched(held, server, next)
      const before = compiled
      compiled = compileRuleset(held, before)
      const anew = compileRuleset(next)
      const users = cases.slice(step, step + 20)
      expect(decisions(compiled, users)).toEqual(decisions(anew, users))
      expect(compiled.unknownOperators).toBe(anew.unknownOperators)
      takenOver += rolloutKeys.filter(
        (key) => before.rollout(key) !== undefined && compiled.rollout(key) === before.rollout(key),
      ).length
      server = next
    })
    expect(takenOver).toBeGreaterThan(50)
  })
})
