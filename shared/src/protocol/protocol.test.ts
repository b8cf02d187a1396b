import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { prepareHash64 } from '../hash/index.ts'
import { type MemberList, memberListOf, type Ruleset, type RulesetRollout } from '../rules/index.ts'
import type { PatchMessage, Report } from './messages.ts'
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
const salt = prepareHash64('u')
const listed = (ids: readonly string[]): MemberList => memberListOf(ids, salt)
/** A ruleset as an SDK has it that got it over the wire. */
const received = (sent: Ruleset): Ruleset => {
  const parsed = parseServerMessage(encodeMessage({ type: 'ruleset', ruleset: sent, flushMs: 1000, heartbeatMs: 1000 }))
  if (!parsed.ok || parsed.message.type !== 'ruleset') throw new Error('the ruleset was refused')
  return parsed.message.ruleset
}
/** The way between two rulesets, as it arrives. */
const patchOf = (from: Ruleset, to: Ruleset): PatchMessage => {
  const parsed = parseServerMessage(encodeMessage(diffRulesets(from, to)))
  if (!parsed.ok || parsed.message.type !== 'patch') throw new Error('the patch was refused')
  return parsed.message
}

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

describe('errors of the server', () => {
  it('say how long to wait, a minute at most', () => {
    const error = {
      type: 'error',
      code: 'unavailable',
      message: 'busy',
      retry: true,
      seq: 4,
      retryAfterMs: 2500,
    } as const
    expect(parseServerMessage(encodeMessage(error))).toEqual({ ok: true, message: error })
    const patient = { ...error, retryAfterMs: 3_600_000 }
    expect(parseServerMessage(encodeMessage(patient))).toMatchObject({ ok: true, message: { retryAfterMs: 60_000 } })
    expect(parseServerMessage(JSON.stringify({ ...error, retryAfterMs: -1 })).ok).toBe(false)
  })
})

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
    [
      'rows that are no text',
      (r) => Object.assign(r.outcomes?.[0] as object, { buckets: [0, 1, 0, 0] }),
      'outcomes[0].buckets',
    ],
    ['rows of nothing', (r) => Object.assign(r.outcomes?.[0] as object, { buckets: '...' }), 'outcomes[0].buckets'],
    ['a list that is none', (r) => Object.assign(r, { events: {} }), 'events'],
  ])('with %s are refused with the path', (_name, spoil, path) => {
    const copy = JSON.parse(encodeMessage(report)) as { [key: string]: unknown } & Report
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

describe('a rollout in a ruleset', () => {
  it.each<[object, string]>([
    [{ unit: [] }, 'unit'],
    [{ unit: ['account', ''] }, 'unit[1]'],
    [{ variants: [{ name: 'red' }, { name: 'blue' }] }, 'variants'],
    [{ layer: { name: 'page', from: 60, to: 40 } }, 'layer.to'],
    [{ deal: [['canary', 200_000]] }, 'deal[0]'],
    [
      {
        deal: [
          ['canary', 60_000],
          ['blue', 30_000],
        ],
      },
      'deal[1]',
    ],
  ])('that would silently be another is refused: %j', (fields, path) => {
    const whole = { ...ruleset(1, { r: { ...rollout, ...fields } as never }) }
    const message = { type: 'ruleset', flushMs: 1000, heartbeatMs: 15_000, ruleset: whole }
    expect(parseServerMessage(JSON.stringify(message))).toMatchObject({
      ok: false,
      error: { path: `ruleset.rollouts.r.${path}` },
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

describe('the hello of a page', () => {
  const parse = (fields: object) =>
    parseSdkMessage(
      JSON.stringify({
        ...{ type: 'hello', protocol: 1, sdk: { name: 'pipit-browser', version: '1' }, instance: 'page-0001' },
        ...fields,
      }),
    )
  const deep = JSON.parse(`${'['.repeat(4000)}${']'.repeat(4000)}`) as unknown

  it('names its user, cookies and the proof', () => {
    const fields = {
      user: { id: 5, anonymousId: 'a', plan: { name: 'beta' } },
      cookies: { qa: '' },
      userHash: 'ab'.repeat(32),
    }
    expect(parse(fields)).toMatchObject({ ok: true, message: fields })
    expect(parse({ userHash: 'AB'.repeat(32) })).toMatchObject({ message: { userHash: 'ab'.repeat(32) } })
    expect(parse({ user: { plan: 'x'.repeat(8192 - 11) } })).toMatchObject({ ok: true })
    expect(parse({ user: { deep } })).toMatchObject({ ok: true })
  })

  it.each<[string, object, string]>([
    ['a user that is a text', { user: 'ada' }, 'user'],
    ['a user of more than 8 kB', { user: { plan: 'x'.repeat(8192 - 10) } }, 'user'],
    ['a user of more than 8 kB in UTF-8', { user: { plan: 'é'.repeat(4096) } }, 'user'],
    ['an id that is no id', { user: { id: {} } }, 'user.id'],
    ['an id that is too long', { user: { id: 'x'.repeat(257) } }, 'user.id'],
    ['an anonymous id that is none', { user: { anonymousId: 5 } }, 'user.anonymousId'],
    [
      'too many cookies',
      { cookies: Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`c${i}`, ''])) },
      'cookies',
    ],
    ['a cookie that is too long', { cookies: { qa: 'x'.repeat(4097) } }, 'cookies.qa'],
    ['a cookie that is too long in UTF-8', { cookies: { qa: 'é'.repeat(2049) } }, 'cookies.qa'],
    ['a cookie that is no text', { cookies: { qa: 1 } }, 'cookies.qa'],
  ])('with %s is refused', (_name, fields, path) => {
    expect(parse(fields)).toMatchObject({ ok: false, error: { code: 'bad-message', path } })
  })

  it('nested as deep as a message can is refused, and no more', () => {
    const text = `{"type":"hello","protocol":1,"sdk":{"name":"p","version":"1"},"instance":"page-0001","user":{"a":${'['.repeat(400_000)}${']'.repeat(400_000)}}}`
    expect(parseSdkMessage(text)).toMatchObject({ ok: false, error: { path: 'user' } })
  })
})

describe('rollouts for pages', () => {
  it('are marked by true and by nothing else', () => {
    const parse = (browser: unknown) =>
      parseServerMessage(
        JSON.stringify({
          ...{ type: 'ruleset', flushMs: 1000, heartbeatMs: 15_000 },
          ruleset: { ...ruleset(1, {}), rollouts: { r: { ...rollout, browser } } },
        }),
      )
    expect(parse(true)).toMatchObject({ ok: true, message: { ruleset: { rollouts: { r: { browser: true } } } } })
    expect(parse(false)).toMatchObject({ ok: false, error: { path: 'ruleset.rollouts.r.browser' } })
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
      cohorts: fc.dictionary(
        fc.constantFrom('c1', 'c2'),
        fc.record(
          { members: fc.array(fc.string()).map(listed), when: fc.constantFrom({ plan: 'a' }, { plan: 'b' }) },
          { requiredKeys: [] },
        ),
      ),
    })
    fc.assert(
      fc.property(anyRuleset, anyRuleset, (a, b) => {
        const whole = (version: number, part: typeof a): Ruleset => {
          const rollouts = Object.entries(part.rollouts).map(([key, fields]) => [
            key,
            { ...rollout, stage: 'z', ...fields } as RulesetRollout,
          ])
          return received(ruleset(version, Object.fromEntries(rollouts), part.cohorts))
        }
        const from = whole(1, a)
        const to = whole(2, b)
        const got = applyPatch(from, patchOf(from, to))
        expect(got).toEqual(to)
        for (const key of Object.keys(from.rollouts)) {
          if (JSON.stringify(from.rollouts[key]) === JSON.stringify(to.rollouts[key]))
            expect(got?.rollouts[key]).toBe(from.rollouts[key])
        }
      }),
    )
  })

  it('of a large cohort name those who are new or gone, in some eleven bytes each', () => {
    const ids = Array.from({ length: 100_000 }, (_, i) => `user-${i}`)
    const when = { plan: 'beta' }
    const from = received(ruleset(1, {}, { large: { when, members: listed(ids) } }))
    const to = ruleset(
      2,
      {},
      { large: { when, members: listed([...ids.slice(500), ...ids.slice(0, 500).map((id) => `${id}x`)]) } },
    )
    expect(encodeMessage(diffRulesets(from, to)).length).toBeLessThan(11_000)
    const got = applyPatch(from, patchOf(from, to))
    expect(got).toEqual(to)
    expect(got?.cohorts.large?.when).toBe(from.cohorts.large?.when)
  })

  it('of a cohort whose condition alone changes leave the list of members as it is', () => {
    const from = received(ruleset(1, {}, { c: { when: { plan: 'a' }, members: listed(['1']) } }))
    const to = ruleset(2, {}, { c: { when: { plan: 'b' }, members: listed(['1']) } })
    expect(diffRulesets(from, to).cohorts).toEqual({ c: { when: { plan: 'b' } } })
    expect(applyPatch(from, patchOf(from, to))?.cohorts.c?.members).toBe(from.cohorts.c?.members)
  })

  it.each<[string, object, string]>([
    ['a list of ids', { members: ['user-1'] }, 'members'],
    ['a text that is too short', { members: { count: 3, hashes: 'AA' } }, 'members'],
    ['no count', { members: { hashes: '' } }, 'members.count'],
    ['no hashes', { members: { count: 0 } }, 'members.hashes'],
  ])('and rulesets with members of another shape are refused: %s', (_what, cohort, path) => {
    const parse = (message: object) => parseServerMessage(JSON.stringify(message))
    const whole = { type: 'ruleset', ruleset: ruleset(1, {}, { c: cohort as never }), flushMs: 1000, heartbeatMs: 1000 }
    expect(parse(whole)).toMatchObject({ ok: false, error: { path: `ruleset.cohorts.c.${path}` } })
    const patch = { type: 'patch', from: 1, version: 2, cohorts: { c: cohort } }
    expect(parse(patch)).toMatchObject({ ok: false, error: { path: `cohorts.c.${path}` } })
  })

  it.each<[string, object, string]>([
    ['no digest', { from: 'A', add: { count: 0, hashes: '' } }, 'members.from'],
    ['a broken addition', { from: '0123456789abcdef', add: [] }, 'members.add'],
    ['a broken removal', { from: '0123456789abcdef', remove: { count: 1, hashes: '' } }, 'members.remove'],
  ])('with a delta of another shape are refused: %s', (_what, members, path) => {
    const text = JSON.stringify({ type: 'patch', from: 1, version: 2, cohorts: { c: { members } } })
    expect(parseServerMessage(text)).toMatchObject({ ok: false, error: { path: `cohorts.c.${path}` } })
  })

  it('with a delta of a list that is not held do not fit', () => {
    const patch = patchOf(
      ruleset(1, {}, { c: { members: listed(['1', '2', '3']) } }),
      ruleset(2, {}, { c: { members: listed(['1', '2']) } }),
    )
    expect(patch.cohorts?.c?.members).toHaveProperty('from')
    expect(applyPatch(ruleset(1, {}, { c: { members: listed(['1', '2']) } }), patch)).toBeUndefined()
    expect(applyPatch(ruleset(1, {}, { c: { when: {} } }), patch)).toBeUndefined()
    expect(applyPatch(ruleset(1, {}), patch)).toBeUndefined()
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
