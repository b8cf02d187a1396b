import { describe, expect, it } from 'vitest'
import type { Decision } from '../decide/index.ts'
import { encodeMessage, parseSdkMessage } from '../protocol/index.ts'
import type { Ruleset } from '../rules/index.ts'
import { createFakeClock, createFakeServer, seededRandom } from '../testing/index.ts'
import type { Outcome } from './api.ts'
import { createClientCore } from './core.ts'

const ruleset: Ruleset = {
  version: 1,
  environment: 'production',
  unitSalt: 'unit-salt-012345',
  rollouts: {
    checkout: {
      ...{ phase: 'running', salt: '0123456789abcdef', hash: 1, epoch: 1, stage: 'half', weight: 100 },
      variants: [{ name: 'stable' }, { name: 'canary' }],
      thresholds: { version: 1, ms: [10] },
      slices: ['country', 'plan.tier'],
    },
  },
  cohorts: {},
}

async function setup() {
  const clock = createFakeClock()
  const random = seededRandom(1)
  const server = createFakeServer(clock, random, ruleset)
  const warnings: string[] = []
  const sdk = createClientCore(
    {
      ...{ sdk: { name: 'test', version: '1' }, clock, random },
      ...{ connect: server.connect, request: server.request },
      log: { warn: (message) => warnings.push(message) },
    },
    { url: 'http://127.0.0.1:4400', key: 'srv_x', rollout: 'checkout' },
  )
  await clock.advance(10)
  const report = async () => {
    await clock.advance(3000)
    return server.accepted.at(-1)
  }
  return { sdk, report, warnings }
}

describe('kinds of failures and slices', () => {
  it('tells failures by kind, and no kind of what went well', async () => {
    const { sdk, report } = await setup()
    const decision = sdk.decide('ada')
    sdk.outcome(decision, { ok: false, kind: '5xx' })
    sdk.outcome(decision, { ok: false, kind: '5xx' })
    sdk.outcome(decision, { ok: false, kind: 'dependency' })
    sdk.outcome(decision, { ok: false })
    sdk.outcome(decision, { ok: true, kind: '4xx' })
    const [cell] = (await report())?.outcomes ?? []
    const [bucket, n, failed] = cell?.buckets ?? []
    expect([n, failed]).toEqual([5, 4])
    expect(cell?.kinds).toEqual({ '5xx': [bucket, 2], dependency: [bucket, 1] })
  })

  it('counts an outcome of an unknown kind without it, and says so once', async () => {
    const { sdk, report, warnings } = await setup()
    for (let i = 0; i < 3; i++) sdk.outcome(sdk.decide('ada'), { ok: false, kind: '6xx' } as unknown as Outcome)
    const sent = await report()
    expect(sent?.outcomes?.[0]?.buckets[2]).toBe(3)
    expect(sent?.outcomes?.[0]?.kinds).toBeUndefined()
    expect(sent?.dropped).toEqual({ invalid: 3 })
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain('kind must be one of 4xx, 5xx, application, dependency, not 6xx')
  })

  it('asks the application for the kind of what its path threw', async () => {
    const { sdk, report } = await setup()
    const paths = {
      stable: () => 'old',
      canary: () => {
        throw new Error('timeout')
      },
    }
    const kindOf = (error: unknown) => (error instanceof Error ? ('dependency' as const) : undefined)
    await expect(sdk.run('ada', paths, { kindOf })).rejects.toThrow('timeout')
    expect(Object.keys((await report())?.outcomes?.[0]?.kinds ?? {})).toEqual(['dependency'])
  })

  it('adds outcomes up by the values of slices and groups exposures by them', async () => {
    const { sdk, report } = await setup()
    const use = (id: string, attributes: object, outcome: Outcome): Decision => {
      const decision = sdk.decide({ id, ...attributes })
      sdk.outcome(decision, outcome)
      return decision
    }
    const ada = use('ada', { country: 'NZ', plan: { tier: 3 } }, { ok: true, latencyMs: 50 })
    use('bob', { country: 'NZ', plan: { tier: 3 } }, { ok: false, latencyMs: 5 })
    use('eve', { country: 'DE' }, { ok: true })
    use('kim', { country: ['no', 'text'] }, { ok: true })
    expect(ada.slice).toEqual({ country: 'NZ', 'plan.tier': '3' })
    const sent = await report()
    expect(sent?.outcomes?.[0]?.slices).toEqual({
      country: { NZ: [2, 1, 2, 1], DE: [1, 0, 0, 0] },
      'plan.tier': { '3': [2, 1, 2, 1] },
    })
    const units = sent?.exposures?.map(({ slice, units: { length } }) => [slice, length])
    expect(units).toEqual([
      [{ country: 'NZ', 'plan.tier': '3' }, 2],
      [{ country: 'DE' }, 1],
      [{}, 1],
    ])
  })

  it('keeps sixteen values of a slice apart, whatever users bring', async () => {
    const { sdk, report } = await setup()
    for (let i = 0; i < 500; i++) sdk.outcome(sdk.decide({ id: `u${i}`, country: `c${i}` }), { ok: true })
    const values = (await report())?.outcomes?.[0]?.slices?.country ?? {}
    expect(Object.keys(values)).toHaveLength(17)
    expect(values['(other)']?.[0]).toBe(484)
  })
})

describe('a report with kinds and slices', () => {
  const cell = {
    ...{ rollout: 'checkout', epoch: 1, variant: 'canary', stratum: 'split', thresholds: 0, columns: 4 },
    buckets: [3, 10, 2, 0],
    kinds: { '5xx': [3, 2] },
    slices: { country: { NZ: [10, 2, 0] } },
  }
  const parse = (changes: object, exposure: object = {}) => {
    const units = ['0123456789abcdef']
    const { columns: _columns, buckets: _b, kinds: _k, slices: _s, thresholds: _t, ...head } = cell
    const exposures = [{ ...head, reason: 'split', units, ...exposure }]
    const { outcomes } = JSON.parse(encodeMessage({ type: 'report', seq: 1, outcomes: [cell] })) as {
      outcomes: [object]
    }
    return parseSdkMessage(
      JSON.stringify({ type: 'report', seq: 1, outcomes: [{ ...outcomes[0], ...changes }], exposures }),
    )
  }

  it('arrives as it was sent', () => {
    const parsed = parse({}, { slice: { country: 'NZ' } })
    expect(parsed.ok).toBe(true)
    if (parsed.ok) expect(parseSdkMessage(encodeMessage(parsed.message))).toEqual(parsed)
  })

  const many = Object.fromEntries(Array.from({ length: 18 }, (_, i) => [`v${i}`, [1, 0, 0]]))
  it.each<[string, object, object, string]>([
    ['an unknown kind', { kinds: { '6xx': 'AB' } }, {}, 'outcomes[0].kinds.6xx'],
    ['half a pair', { kinds: { '5xx': 'A' } }, {}, 'outcomes[0].kinds.5xx'],
    ['more of a kind than failures', { kinds: { '5xx': 'AD' } }, {}, 'outcomes[0].kinds.5xx'],
    ['a kind in a row without failures', { kinds: { '5xx': 'BB' } }, {}, 'outcomes[0].kinds.5xx'],
    ['a kind with nothing', { kinds: { '5xx': '' } }, {}, 'outcomes[0].kinds.5xx'],
    ['none of a kind', { kinds: { '5xx': 'AA' } }, {}, 'outcomes[0].kinds.5xx'],
    ['pairs of a kind', { kinds: { '5xx': [3, 2] } }, {}, 'outcomes[0].kinds.5xx'],
    ['a slice without sums', { slices: { country: { NZ: [] } } }, {}, 'outcomes[0].slices.country.NZ'],
    ['more failures than requests', { slices: { country: { NZ: [1, 2, 0] } } }, {}, 'outcomes[0].slices.country.NZ'],
    ['half a request', { slices: { country: { NZ: [1.5, 0, 0] } } }, {}, 'outcomes[0].slices.country.NZ[0]'],
    ['too many values', { slices: { country: many } }, {}, 'outcomes[0].slices.country'],
    ['too many slices', { slices: { a: {}, b: {}, c: {}, d: {}, e: {} } }, {}, 'outcomes[0].slices'],
    ['a slice that is a number', {}, { slice: { country: 4 } }, 'exposures[0].slice.country'],
    ['a slice of a long value', {}, { slice: { country: 'x'.repeat(65) } }, 'exposures[0].slice.country'],
  ])('is refused with %s', (_, outcome, exposure, path) => {
    const parsed = parse(outcome, exposure)
    expect(parsed.ok ? 'taken' : parsed.error.path).toBe(path)
  })
})
