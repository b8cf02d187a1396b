import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Ruleset, RulesetRollout } from '../rules/index.ts'
import type { Report } from './messages.ts'
import { encodeMessage, parseSdkMessage, parseServerMessage } from './parse.ts'
import { applyPatch, diffRulesets } from './patch.ts'

const rollout: RulesetRollout = {
  phase: 'running',
  salt: '0123456789abcdef',
  hash: 1,
  epoch: 4,
  stage: 'beta',
  weight: 5,
  variants: [{ name: 'stable' }, { name: 'canary' }],
  rules: [{ name: 'qa', header: 'X-Canary', values: ['true'], serve: 'canary' }],
}
const ruleset = (version: number, rollouts: Ruleset['rollouts'], cohorts: Ruleset['cohorts'] = {}): Ruleset => ({
  version,
  environment: 'production',
  unitSalt: 'u',
  rollouts,
  cohorts,
})

const report: Report = {
  type: 'report',
  seq: 3,
  outcomes: [
    {
      rollout: 'checkout-v2',
      epoch: 1,
      variant: 'canary',
      stratum: 'split',
      thresholds: 1,
      columns: 5,
      buckets: [0, 3, 1, 2, 1, 255, 1, 0, 1, 0],
    },
  ],
  exposures: [
    {
      rollout: 'checkout-v2',
      epoch: 1,
      variant: 'canary',
      stratum: 'split',
      reason: 'split',
      units: ['00112233445566ff'],
    },
  ],
  events: [{ event: 'purchase', unit: '00112233445566ff', ageMs: 5, value: 2, id: 'a' }],
  breakers: [],
  dropped: { events: 2 },
}

describe('messages of SDKs', () => {
  it('come through as they are', () => {
    for (const message of [
      {
        type: 'hello',
        protocol: 1,
        sdk: { name: 'sdk-node', version: '0.1.0' },
        instance: 'abcdefgh',
        version: 3,
        labels: { host: 'a' },
      },
      { type: 'applied', version: 4 },
      report,
      { type: 'ping' },
      { type: 'pong' },
    ] as const) {
      expect(parseSdkMessage(encodeMessage(message))).toEqual({ ok: true, message })
    }
  })

  it.each<[string, (copy: { [key: string]: unknown } & Report) => unknown, string]>([
    ['a sequence of 0', (r) => Object.assign(r, { seq: 0 }), 'seq'],
    [
      'an outcome without a variant',
      (r) => Reflect.deleteProperty(r.outcomes?.[0] as object, 'variant'),
      'outcomes[0].variant',
    ],
    [
      'more failures than outcomes',
      (r) => Object.assign(r.outcomes?.[0]?.buckets as object, { 2: 9 }),
      'outcomes[0].buckets[0]',
    ],
    [
      'more exceedances than timed',
      (r) => Object.assign(r.outcomes?.[0]?.buckets as object, { 4: 9 }),
      'outcomes[0].buckets[4]',
    ],
    ['a bucket twice', (r) => Object.assign(r.outcomes?.[0]?.buckets as object, { 5: 0 }), 'outcomes[0].buckets[5]'],
    ['a bucket of 256', (r) => Object.assign(r.outcomes?.[0]?.buckets as object, { 5: 256 }), 'outcomes[0].buckets[5]'],
    ['half a count', (r) => Object.assign(r.outcomes?.[0]?.buckets as object, { 1: 2.5 }), 'outcomes[0].buckets[1]'],
    ['a row cut short', (r) => (r.outcomes?.[0]?.buckets as number[] | undefined)?.pop(), 'outcomes[0].buckets'],
    [
      'a stratum of its own',
      (r) => Object.assign(r.outcomes?.[0] as object, { stratum: 'mine' }),
      'outcomes[0].stratum',
    ],
    [
      'a unit in clear text',
      (r) => Object.assign(r.exposures?.[0]?.units as object, { 0: 'jane@example.org' }),
      'exposures[0].units[0]',
    ],
    ['an event from the future', (r) => Object.assign(r.events?.[0] as object, { ageMs: -1 }), 'events[0].ageMs'],
    ['an infinite value', (r) => Object.assign(r.events?.[0] as object, { value: 1e300 }), 'events[0].value'],
    ['a list that is none', (r) => Object.assign(r, { events: {} }), 'events'],
  ])('with %s are refused with the path', (_name, spoil, path) => {
    const copy = structuredClone(report) as { [key: string]: unknown } & Report
    spoil(copy)
    expect(parseSdkMessage(JSON.stringify(copy))).toMatchObject({
      ok: false,
      error: { type: 'error', code: 'bad-report', retry: false, path },
    })
  })

  it('never throw, and never let a prototype through', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(typeof parseSdkMessage(text).ok).toBe('boolean')
        expect(typeof parseServerMessage(text).ok).toBe('boolean')
      }),
    )
    expect(parseSdkMessage('{"__proto__":{"type":"ping"}}').ok).toBe(false)
    expect(parseSdkMessage('{"type":"report","seq":1,"dropped":{"__proto__":{"events":1}}}')).toEqual({
      ok: true,
      message: { type: 'report', seq: 1, dropped: {} },
    })
  })
})

describe('rules in a ruleset', () => {
  const parse = (rule: object) => {
    const rules = [{ name: 'x', serve: 'canary', ...rule }] as never
    const message = {
      type: 'ruleset',
      flushMs: 1000,
      heartbeatMs: 15_000,
      ruleset: ruleset(1, { r: { ...rollout, rules } }),
    }
    return parseServerMessage(JSON.stringify(message))
  }

  it.each<[string, object]>([
    ['of several matchers', { header: 'a', condition: { $vgte: '2' }, cohort: 'b', when: { c: 1 } }],
    ['of a later version, which deciding leaves out', { moon: 'full' }],
  ])('are taken: %s', (_name, rule) => {
    expect(parse(rule)).toMatchObject({ ok: true })
  })

  it.each<[object, string]>([
    [{ when: [] }, 'ruleset.rollouts.r.rules[0].when'],
    [{ header: 'a', condition: 'x' }, 'ruleset.rollouts.r.rules[0].condition'],
    [{ header: 'a', cohort: 5 }, 'ruleset.rollouts.r.rules[0].cohort'],
    [{ cookie: 'a', values: [1] }, 'ruleset.rollouts.r.rules[0].values[0]'],
  ])('of another shape are refused: %j', (rule, path) => {
    expect(parse(rule)).toMatchObject({ ok: false, error: { path } })
  })
})

describe('patches', () => {
  it('of a weight change take some hundred bytes', () => {
    const before = ruleset(12, { 'checkout-v2': rollout, other: rollout })
    const after = ruleset(13, { 'checkout-v2': { ...rollout, weight: 25, epoch: 5, stage: 'quarter' }, other: rollout })
    const text = encodeMessage(diffRulesets(before, after))
    expect(text).toBe(
      '{"type":"patch","from":12,"version":13,"rollouts":{"checkout-v2":{"epoch":5,"stage":"quarter","weight":25}}}',
    )
    expect(text.length).toBeLessThanOrEqual(150)
  })

  it('lead from any ruleset to any other, and keep what did not change', () => {
    const anyRollout = fc.record(
      {
        epoch: fc.nat({ max: 3 }),
        weight: fc.constantFrom(0, 5, 100),
        stage: fc.constantFrom('a', 'b'),
        unit: fc.constantFrom('id', 'account'),
        overrides: fc.dictionary(fc.constantFrom('x', 'y'), fc.constant('canary')),
      },
      { requiredKeys: ['epoch', 'weight'] },
    )
    const anyRuleset = fc.record({
      rollouts: fc.dictionary(fc.constantFrom('r1', 'r2', 'r3'), anyRollout),
      cohorts: fc.dictionary(fc.constantFrom('c1', 'c2'), fc.record({ members: fc.array(fc.string()) })),
    })
    fc.assert(
      fc.property(anyRuleset, anyRuleset, (a, b) => {
        const whole = (version: number, part: typeof a): Ruleset =>
          JSON.parse(
            JSON.stringify(
              ruleset(
                version,
                Object.fromEntries(
                  Object.entries(part.rollouts).map(([key, fields]) => [
                    key,
                    { ...rollout, stage: 'z', ...fields } as RulesetRollout,
                  ]),
                ),
                part.cohorts,
              ),
            ),
          ) as Ruleset
        const from = whole(1, a)
        const to = whole(2, b)
        const patch = JSON.parse(encodeMessage(diffRulesets(from, to)))
        const got = applyPatch(from, patch)
        expect(got).toEqual(to)
        for (const key of Object.keys(from.rollouts)) {
          if (JSON.stringify(from.rollouts[key]) === JSON.stringify(to.rollouts[key]))
            expect(got?.rollouts[key]).toBe(from.rollouts[key])
        }
      }),
    )
  })

  it('that do not fit change nothing', () => {
    const held = ruleset(3, { r: rollout })
    expect(applyPatch(held, { type: 'patch', from: 2, version: 4 })).toBeUndefined()
    expect(applyPatch(held, { type: 'patch', from: 3, version: 4, rollouts: { fresh: { weight: 5 } } })).toBeUndefined()
    expect(
      applyPatch(held, { type: 'patch', from: 3, version: 4, rollouts: { r: { weight: 'x' as never } } }),
    ).toBeUndefined()
    expect(held.rollouts.r).toBe(rollout)
  })
})
