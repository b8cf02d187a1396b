import { readFileSync } from 'node:fs'
import { compileRuleset, type DecideContext, decide, type User } from '@pipit/shared/decide'
import { parseServerMessage } from '@pipit/shared/protocol'
import type { Ruleset } from '@pipit/shared/rules'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

interface Golden {
  readonly name: string
  readonly rollout: string
  readonly user: User | null
  readonly context?: DecideContext
  readonly expected: { readonly [field: string]: unknown }
}

const spec = JSON.parse(readFileSync(new URL('../../shared/spec/decide.json', import.meta.url), 'utf8')) as {
  readonly ruleset: object
  readonly cases: readonly Golden[]
}
const message = { type: 'ruleset', flushMs: 1000, heartbeatMs: 1000, ruleset: spec.ruleset }
const ruleset = rulesetIn(JSON.stringify(message))
const compiled = compileRuleset(ruleset)

function rulesetIn(text: string): Ruleset {
  const parsed = parseServerMessage(text)
  if (parsed.ok && parsed.message.type === 'ruleset') return parsed.message.ruleset
  throw new Error('the ruleset of the golden cases was refused')
}

/** The fields of a decision that have a value. */
const known = (value: object): object =>
  Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined))

describe('decide', () => {
  it.each(spec.cases.map((golden) => [golden.name, golden] as const))(
    'golden case: %s',
    (_name, { rollout, user, context, expected }) => {
      expect(known(decide(compiled, rollout, user ?? undefined, context))).toEqual({ rollout, ...expected })
    },
  )

  it('has no ruleset: not ready', () => {
    expect(decide(undefined, 'plain', 'user-1')).toMatchObject({
      variant: 'stable',
      reason: 'not-ready',
      version: 0,
      randomised: false,
    })
  })

  it('serves stable when the SDK says so, after the phase and before everything else', () => {
    expect(decide(compiled, 'ruled', 'user-7', undefined, { forced: () => 'breaker' })).toMatchObject({
      variant: 'stable',
      reason: 'breaker',
    })
    expect(decide(compiled, 'succeeded', 'user-7', undefined, { forced: () => 'deadman' })).toMatchObject({
      variant: 'canary',
      reason: 'phase',
    })
  })

  it('reads headers from anything with a get', () => {
    expect(decide(compiled, 'ruled', 'user-1', { headers: new Headers({ 'X-Canary': 'true' }) })).toMatchObject({
      reason: 'header',
      rule: 'qa',
    })
  })

  it('counts the rules it could not understand', () => {
    expect(compiled.unknownOperators).toBe(1)
  })

  it('keeps everybody in as the weight grows, and in the same arm', () => {
    const at = (weight: number) =>
      compileRuleset({ ...ruleset, rollouts: { arms: { ...ruleset.rollouts.arms, weight } as never } })
    const steps = [0, 0.1, 1, 5, 25, 50, 75, 100].map(at)
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (unit) => {
        const variants = steps.map((step) => decide(step, 'arms', unit).variant)
        const first = variants.findIndex((variant) => variant !== 'stable')
        expect(new Set(variants.slice(first)).size).toBe(1)
        expect(variants.at(-1)).not.toBe('stable')
      }),
    )
  })

  it('answers whatever it is given', () => {
    const hostile = new Proxy(
      {},
      {
        get() {
          throw new Error('no')
        },
        has() {
          throw new Error('no')
        },
        getOwnPropertyDescriptor() {
          throw new Error('no')
        },
      },
    )
    for (const user of [
      hostile,
      [],
      0,
      true,
      () => 1,
      Symbol('x'),
      { id: {} },
      { id: Number.NaN },
      Object.create(null),
      { __proto__: { id: 'x' } },
    ]) {
      expect(
        decide(compiled, 'ruled', user as never, { headers: hostile as never, cookies: hostile as never }).variant,
      ).toBe('stable')
    }
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (user, headers) => {
        expect(['stable', 'canary']).toContain(
          decide(compiled, 'ruled', user as never, { headers: headers as never }).variant,
        )
      }),
    )
  })

  it('does not take attributes from the prototype', () => {
    const hostile = {
      ...ruleset,
      rollouts: {
        r: {
          ...ruleset.rollouts.none,
          rules: [{ name: 'x', when: { constructor: { $exists: true } }, serve: 'canary' }],
        } as never,
      },
    }
    expect(decide(compileRuleset(hostile), 'r', { id: 'user-1' }).variant).toBe('stable')
  })

  it('compiles again only what changed', () => {
    const next = {
      ...ruleset,
      version: 10,
      rollouts: { ...ruleset.rollouts, plain: { ...ruleset.rollouts.plain, weight: 50 } as never },
    }
    const recompiled = compileRuleset(next, compiled)
    expect(recompiled.rollout('ruled')).toBe(compiled.rollout('ruled'))
    expect(recompiled.rollout('plain')).not.toBe(compiled.rollout('plain'))
    expect(recompiled.unknownOperators).toBe(1)
  })
})
