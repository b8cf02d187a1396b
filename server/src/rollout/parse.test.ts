import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toFile, toMetricFile } from './file.ts'
import { parseCohort, parseMetric, parseRollout } from './parse.ts'

const full = { name: 'full', weight: 100 }
const small = { key: 'checkout-v2', stages: [full] }
const guard = { metric: 'error_rate', worseThan: { relative: 1.5 }, action: 'revert' }

function issuesOf(changes: object): readonly { readonly path: string; readonly message: string }[] {
  const parsed = parseRollout({ ...small, ...changes }, { cohorts: ['beta', 'internal'], metrics: [] })
  return parsed.ok ? [] : parsed.issues
}

describe('parseRollout', () => {
  it('fills in every default', () => {
    const parsed = parseRollout({
      key: 'checkout-v2',
      stages: [{ name: 'internal', weight: 0, cohorts: ['internal'], hold: '10m' }, { name: 'five', weight: 5 }, full],
      guards: [guard],
      metrics: [{ key: 'purchase', kind: 'conversion', better: 'higher', event: 'purchase' }],
    })
    expect(parsed).toEqual({
      ok: true,
      definition: {
        key: 'checkout-v2',
        variants: [{ name: 'stable' }, { name: 'canary' }],
        rules: [],
        stages: [
          {
            name: 'internal',
            weight: 0,
            cohorts: ['internal'],
            holdMs: 600_000,
            maxHoldMs: 2_400_000,
            approval: false,
            minUnits: 1,
          },
          { name: 'five', weight: 5, cohorts: [], holdMs: 0, maxHoldMs: 1_200_000, approval: false, minUnits: 30 },
          { name: 'full', weight: 100, cohorts: [], holdMs: 0, maxHoldMs: 1_200_000, approval: false, minUnits: 30 },
        ],
        guards: [{ ...guard, null: 'stable' }],
        gates: [],
        metrics: [{ key: 'purchase', kind: 'conversion', better: 'higher', event: 'purchase', windowMs: 604_800_000 }],
        revertTo: 'zero',
        onInconclusive: 'pause',
        breaker: true,
        unitSample: 1,
        slices: [],
        checks: {
          sampleRatio: 'pause',
          missingReports: 'pause',
          bothArms: 'pause',
          tooFewUnits: 'hold',
          staleEvidence: 'hold',
          noData: 'hold',
          sharedIncident: 'hold',
        },
        analysis: { tickMs: 5000, alpha: 0.01, warmupMs: 30_000, armNoise: 0.02, maxMargin: 3 },
      },
    })
  })

  const faults: readonly [what: string, changes: object, path: string, message: string | RegExp][] = [
    ['a key in capitals', { key: 'Checkout' }, 'key', /lower-case/],
    ['a missing key', { key: undefined }, 'key', 'is missing; it must be a string'],
    ['no stages', { stages: [] }, 'stages', 'must have at least one stage'],
    ['stages that are no list', { stages: full }, 'stages', 'must be a list'],
    ['a misspelt field', { gaurds: [] }, 'gaurds', 'is not known here; did you mean guards?'],
    [
      'a misspelt field of a stage',
      { stages: [{ ...full, wieght: 3 }] },
      'stages[0].wieght',
      'is not known here; did you mean weight?',
    ],
    ['a weight beyond 100', { stages: [{ name: 'a', weight: 101 }, full] }, 'stages[0].weight', 'must be at most 100'],
    [
      'a weight between the steps',
      { stages: [{ name: 'a', weight: 0.0005 }, full] },
      'stages[0].weight',
      'must be in steps of 0.001',
    ],
    [
      'falling weights',
      { stages: [{ name: 'a', weight: 50 }, { name: 'b', weight: 5 }, full] },
      'stages[1].weight',
      /fall/,
    ],
    ['a last stage below 100', { stages: [{ name: 'a', weight: 50 }] }, 'stages[0].weight', /must be 100/],
    ['two stages of one name', { stages: [{ name: 'full', weight: 5 }, full] }, 'stages[1].name', /twice/],
    ['a wrong duration', { stages: [{ ...full, hold: 'soon' }] }, 'stages[0].hold', /must be a duration/],
    ['a duration that is a list', { stages: [{ ...full, hold: [] }] }, 'stages[0].hold', /must be a duration/],
    ['a hold beyond its maximum', { stages: [{ ...full, hold: '2h', maxHold: '1h' }] }, 'stages[0].maxHold', /as long/],
    ['an unknown cohort', { stages: [{ ...full, cohorts: ['bata'] }] }, 'stages[0].cohorts[0]', /did you mean "beta"/],
    ['an unknown metric', { guards: [{ ...guard, metric: 'latency_q99' }] }, 'guards[0].metric', /there is no metric/],
    ['two guards on one metric', { guards: [guard, guard] }, 'guards[1].metric', /twice/],
    ['an empty margin', { guards: [{ ...guard, worseThan: {} }] }, 'guards[0].worseThan', /relative, absolute/],
    [
      'a margin that tolerates nothing',
      { guards: [{ ...guard, worseThan: { relative: 0.9 } }] },
      'guards[0].worseThan.relative',
      /above 1/,
    ],
    [
      'a margin of a conversion above 1',
      {
        metrics: [{ key: 'purchase', kind: 'conversion', better: 'higher', event: 'purchase' }],
        gates: [{ metric: 'purchase', noWorseThan: { relative: 1.1 } }],
      },
      'gates[0].noWorseThan.relative',
      /below 1/,
    ],
    ['an unknown action', { guards: [{ ...guard, action: 'explode' }] }, 'guards[0].action', /"revert" or "pause"/],
    [
      'a metric that is built in',
      { metrics: [{ key: 'latency_p50', kind: 'conversion', event: 'e' }] },
      'metrics[0].key',
      /built in/,
    ],
    [
      'a canary listed before stable',
      { variants: [{ name: 'canary' }, { name: 'stable' }] },
      'variants[0].name',
      /stable/,
    ],
    [
      'a rule that serves nobody known',
      { rules: [{ name: 'qa', header: 'X-Canary', serve: 'canari' }] },
      'rules[0].serve',
      /canari/,
    ],
    [
      'a rule with a wrong condition',
      { rules: [{ name: 'qa', when: { plan: { $inn: ['a'] } }, serve: 'canary' }] },
      'rules[0].when.plan.$inn',
      /\$in/,
    ],
    [
      'a time zone that is none',
      { rules: [{ name: 'qa', cohort: 'beta', time: { zone: 'Europe/Amsterdm', to: '06:00' }, serve: 'canary' }] },
      'rules[0].time.zone',
      /did you mean "Europe\/Amsterdam"/,
    ],
    [
      'too many stages',
      { stages: Array.from({ length: 51 }, (_, i) => ({ name: `${i}`, weight: 100 })) },
      'stages',
      /50/,
    ],
    ['ticks of a blink', { analysis: { tick: '1ms' } }, 'analysis.tick', /200ms/],
  ]
  for (const [what, changes, path, message] of faults) {
    it(`refuses ${what}, with its path and what to do`, () => {
      const issues = issuesOf(changes)
      expect(issues.map((issue) => issue.path)).toEqual([path])
      expect(issues[0]?.message).toMatch(message)
    })
  }

  it('accepts metrics of the environment', () => {
    const environment = [
      { key: 'purchase', kind: 'conversion', better: 'higher', event: 'purchase', windowMs: 1000 },
    ] as const
    const guards = [{ metric: 'purchase', worseThan: { relative: 0.9 }, action: 'pause' }]
    expect(parseRollout({ ...small, guards }, { metrics: environment })).toMatchObject({ ok: true })
    expect(parseRollout({ ...small, guards }, { metrics: [] })).toMatchObject({ ok: false })
  })

  it('leaves to others what it was not told: metrics and cohorts of the environment', () => {
    const guards = [{ metric: 'purchase', worseThan: { relative: 0.9 }, action: 'pause' }]
    expect(parseRollout({ ...small, guards, stages: [{ ...full, cohorts: ['beta'] }] })).toMatchObject({ ok: true })
  })

  it('answers whatever it is given with issues, and never throws', () => {
    let deep: unknown = []
    for (let i = 0; i < 50_000; i++) deep = [deep]
    for (const input of [undefined, null, 1, 'text', [], deep, { ...small, variants: deep }]) {
      const parsed = parseRollout(input)
      expect(parsed.ok).toBe(false)
    }
    fc.assert(
      fc.property(fc.anything(), (input) => {
        expect(parseRollout(input).ok).toBe(false)
        expect(parseCohort(input).ok).toBe(false)
        expect(parseMetric(input).ok).toBe(false)
      }),
    )
    fc.assert(
      fc.property(
        fc.constantFrom('rules', 'stages', 'guards', 'gates', 'metrics', 'analysis'),
        fc.jsonValue(),
        (field, value) => {
          expect(() => parseRollout({ ...small, [field]: value })).not.toThrow()
          expect(() => parseRollout({ ...small, [field]: [value] })).not.toThrow()
        },
      ),
    )
  })
})

describe('parseCohort', () => {
  it('keeps each member once', () => {
    expect(parseCohort({ key: 'beta', members: ['a', 'b', 'a'] })).toEqual({
      ok: true,
      definition: { key: 'beta', members: ['a', 'b'] },
    })
  })

  it('names the path of a fault in the condition', () => {
    expect(parseCohort({ key: 'beta', when: { plan: { $inn: [] } } })).toMatchObject({
      ok: false,
      issues: [{ path: 'when.plan.$inn' }],
    })
  })
})

describe('toFile', () => {
  const durations = fc.integer({ min: 0, max: 86_400_000 })
  const names = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/)
  const stages = fc
    .uniqueArray(
      fc.record({ name: names, steps: fc.integer({ min: 0, max: 100_000 }), hold: durations, approval: fc.boolean() }),
      { selector: ({ name }) => name, maxLength: 10 },
    )
    .map((list) => [
      ...list
        .sort((a, b) => a.steps - b.steps)
        .map(({ steps, ...stage }) => ({ ...stage, name: `s-${stage.name}`, weight: steps / 1000 })),
      full,
    ])
  /** A JSON value as it comes off the wire: JSON has no -0. */
  const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown)

  const files = fc.record(
    {
      key: fc.constant('checkout-v2'),
      stages,
      description: fc.string({ maxLength: 50 }),
      unit: names,
      deadman: durations,
      unitSample: fc.double({ min: 0.001, max: 1, noNaN: true }),
      breaker: fc.boolean(),
      browser: fc.boolean(),
      revertTo: fc.constantFrom('zero', 'previous-stage'),
      onInconclusive: fc.constantFrom('pause', 'advance', 'revert'),
      variants: json.map((payload) => [{ name: 'stable' }, { name: 'canary', payload }]),
      guards: fc.constant([{ ...guard, weight: 0.5, null: 'margin' }]),
      gates: fc.constant([{ metric: 'purchase', noWorseThan: { relative: 0.98 } }]),
      metrics: durations.map((window) => [
        { key: 'purchase', kind: 'conversion', better: 'higher', event: 'purchase', window },
      ]),
      rules: fc.constant([
        { name: 'qa', header: 'X-Canary', values: ['true'], serve: { canary: 10, stable: 90 } },
        {
          name: 'nights',
          cohort: 'beta',
          when: { ip: { $inCidr: ['10.0.0.0/8'] } },
          time: { zone: 'UTC', days: ['sat'], from: '22:00', to: '06:00' },
          userAgent: { mobile: true },
          serve: 'canary',
        },
      ]),
      analysis: fc.record({ tick: fc.integer({ min: 200, max: 60_000 }), warmup: durations }),
    },
    { requiredKeys: ['key', 'stages', 'metrics'] },
  )

  it('gives back what was parsed', () => {
    fc.assert(
      fc.property(files, (file) => {
        const parsed = parseRollout(file)
        if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues))
        expect(parseRollout(toFile(parsed.definition))).toEqual(parsed)
        expect(parseRollout(JSON.parse(JSON.stringify(toFile(parsed.definition))))).toEqual(parsed)
      }),
    )
  })

  it('gives back metrics', () => {
    const metric = parseMetric({ key: 'purchase', kind: 'conversion', better: 'higher', event: 'buy', window: '90m' })
    if (!metric.ok) throw new Error('metric')
    expect(parseMetric(toMetricFile(metric.definition))).toEqual(metric)
  })
})

describe('metrics, guards and gates', () => {
  const stages = [
    { name: 'half', weight: 50 },
    { name: 'full', weight: 100 },
  ]
  const faults = (file: object): string[] => {
    const parsed = parseRollout({ key: 'r', stages, ...file }, { metrics: [] })
    return parsed.ok ? [] : parsed.issues.map(({ path, message }) => `${path}: ${message}`)
  }
  const revenue = { key: 'revenue', kind: 'sum', event: 'purchase', cap: 500 }
  const refunds = { key: 'refunds', kind: 'count', event: 'refund', better: 'lower' }
  const rate = {
    ...{ key: 'per-search', kind: 'ratio' },
    numerator: { event: 'purchase', of: 'value' },
    denominator: { event: 'search', of: 'count' },
  }
  const external = { key: 'queue-depth', kind: 'external', better: 'lower' }
  const query = { prometheus: 'http://127.0.0.1:9090', canary: 'a', stable: 'b', every: '15s' }

  it('takes every kind of metric, limits without a comparison and superiority', () => {
    const metrics = [revenue, refunds, rate, external, { key: 'order', kind: 'mean', event: 'purchase' }]
    expect(
      faults({
        metrics,
        guards: [
          { metric: 'error_rate', worseThan: { relative: 1.5 }, never: { above: 0.05 }, action: 'revert' },
          { metric: 'error_rate_5xx', never: { above: 0.01 }, action: 'revert' },
          { metric: 'success_rate', worseThan: { relative: 0.99 }, action: 'pause' },
          { metric: 'throughput', worseThan: { relative: 0.9 }, action: 'pause' },
          { metric: 'latency_p99', never: { above: 800 }, action: 'alert' },
          { metric: 'revenue', worseThan: { relative: 0.95 }, action: 'pause' },
          { metric: 'refunds', worseThan: { relative: 1.2 }, action: 'pause' },
          { metric: 'queue-depth', never: { above: 1000 }, action: 'pause' },
          { metric: 'order', never: { below: 10 }, action: 'alert' },
        ],
        gates: [{ metric: 'revenue', betterThan: { relative: 1 }, weight: 0.2 }],
        slices: ['country', 'sdk'],
        checks: { sampleRatio: 'alert' },
      }),
    ).toEqual([])
  })

  it.each([
    [{ guards: [{ metric: 'error_rate', action: 'revert' }] }, 'guards[0]: must have worseThan'],
    [
      { guards: [{ metric: 'latency_p99', worseThan: { relative: 2 }, null: 'margin', action: 'revert' }] },
      'guards[0].null: margin is not for latencies',
    ],
    [
      { guards: [{ metric: 'error_rate', never: { above: 0.1 }, null: 'margin', action: 'revert' }] },
      'guards[0].null: margin is that of worseThan',
    ],
    [{ guards: [{ metric: 'error_rate', never: {}, action: 'revert' }] }, 'guards[0].never: must have either'],
    [{ guards: [{ metric: 'error_rate', never: { below: 0.1 }, action: 'revert' }] }, 'is the good side of error_rate'],
    [{ guards: [{ metric: 'error_rate', never: { above: 5 }, action: 'revert' }] }, 'must be a rate between 0 and 1'],
    [
      { metrics: [revenue], guards: [{ metric: 'revenue', never: { below: 5 }, action: 'pause' }] },
      'grows while users',
    ],
    [{ metrics: [revenue], gates: [{ metric: 'revenue' }] }, 'gates[0]: must have noWorseThan'],
    [{ metrics: [revenue], gates: [{ metric: 'revenue', betterThan: { relative: 0.9 } }] }, 'must be at least 1'],
    [{ gates: [{ metric: 'error_rate', betterThan: { relative: 1.1 } }] }, 'must be at most 1'],
    [{ gates: [{ metric: 'latency_p99', betterThan: { relative: 1 } }] }, 'is not for latency_p99'],
    [{ gates: [{ metric: 'error_rate', noWorseThan: { relative: 1.5 }, weight: 1 }] }, 'it needs betterThan'],
    [{ metrics: [refunds], guards: [{ metric: 'refunds', worseThan: { relative: 0.9 }, action: 'pause' }] }, 'above 1'],
    [
      { metrics: [external], guards: [{ metric: 'queue-depth', worseThan: { absolute: 0.1 }, action: 'pause' }] },
      'not for',
    ],
    [{ guards: [{ metric: 'error_rate_6xx', worseThan: { relative: 2 }, action: 'pause' }] }, 'there is no metric'],
    [{ metrics: [{ key: 'throughput', kind: 'external' }] }, '"throughput" is built in'],
    [{ metrics: [{ ...external, query: { ...query, every: '10ms' } }] }, 'metrics[0].query.every: must be at least 1s'],
    [{ metrics: [{ ...external, query: { ...query, prometheus: 'ftp://x' } }] }, 'must be an http or https address'],
    [{ metrics: [{ key: 'x', kind: 'median', event: 'e' }] }, 'must have kind conversion'],
    [{ slices: ['country', 'country'] }, 'slices[1]: "country" is a slice twice'],
  ])('tells what is wrong with %j', (file, message) => {
    expect(faults(file).join('\n')).toContain(message)
  })

  it.each([revenue, refunds, rate, external, { ...external, query }])(
    'writes a metric as it was read: %j',
    (metric) => {
      const parsed = parseMetric(metric)
      expect(parsed.ok).toBe(true)
      if (parsed.ok) expect(parseMetric(toMetricFile(parsed.definition))).toEqual(parsed)
    },
  )
})
