import { describe, expect, it } from 'vitest'
import { fine, guard, lookAt, type Situation } from './situation.ts'

const purchase = [{ key: 'purchase', kind: 'conversion', event: 'purchase' }]
const sells = (converted: number) => ({ ...fine, conversions: { purchase: { atRisk: 100, converted } } })
const revenue = { key: 'revenue', kind: 'sum', event: 'purchase', cap: 500 }
const latency = (over: readonly number[]) => ({ ...fine, timed: 1000, over })
const alike = { canary: fine, stable: fine }
const internal = { name: 'part', weight: 0, cohorts: ['internal'], hold: '60s', maxHold: '10m' }
const inSlice = (canaryFailed: number) => ({
  country: {
    NZ: {
      canary: { n: 60, failed: canaryFailed, timed: 0, over: [] },
      stable: { n: 60, failed: 1, timed: 0, over: [] },
    },
    DE: {
      canary: { n: 940, failed: 9, timed: 0, over: [] },
      stable: { n: 940, failed: 9, timed: 0, over: [] },
    },
  },
})
const queue = (canary: number, stable: number) => ({
  'queue depth': { canary: { sum: canary, count: 1 }, stable: { sum: stable, count: 1 } },
})
const depth = { key: 'queue-depth', kind: 'external', better: 'lower' }

const situations: readonly (readonly [string, Situation])[] = [
  ['Everything is as it should be', alike],
  ['The hold is not over', { ...alike, ticks: 8 }],
  ['The warm-up is not over', { ...alike, ticks: 4, file: { stages: stagesOf({ hold: '0s' }) } }],
  ['Nobody has reported anything', { ticks: 0, elapsedS: 120 }],
  ['Nobody has reported anything by the longest hold', { ticks: 0, elapsedS: 600 }],
  ['Reports have stopped coming from both arms', { ...alike, lateS: 300, elapsedS: 420 }],
  ['Too few users', { canary: { ...fine, exposed: 1 }, stable: { ...fine, exposed: 1 } }],
  [
    'Too few users, and the file says pause',
    { canary: { ...fine, exposed: 1 }, stable: { ...fine, exposed: 1 }, file: { checks: { tooFewUnits: 'pause' } } },
  ],
  ['Twice the errors', { canary: { ...fine, failed: 20 }, stable: fine }],
  [
    'Twice the errors, and the guard only pauses',
    { canary: { ...fine, failed: 20 }, stable: fine, file: { guards: [guard({ action: 'pause' })] } },
  ],
  [
    'Twice the errors, and a person has dismissed the guard',
    { canary: { ...fine, failed: 20 }, stable: fine, dismissed: ['error_rate'] },
  ],
  ['A few more errors, not enough to say', { canary: { ...fine, failed: 13 }, stable: fine }],
  [
    'A few more errors at the end of the longest hold',
    { canary: { ...fine, failed: 15 }, stable: fine, ticks: 30, elapsedS: 600 },
  ],
  [
    'Errors of the server (5xx) alone',
    {
      canary: { ...fine, failed: 12, kinds: { '5xx': 8, '4xx': 4 } },
      stable: { ...fine, failed: 12, kinds: { '5xx': 2, '4xx': 10 } },
      file: { guards: [guard({ metric: 'error_rate_5xx' })] },
    },
  ],
  [
    'The share of successes has fallen',
    {
      canary: { ...fine, failed: 30 },
      stable: fine,
      file: { guards: [guard({ metric: 'success_rate', worseThan: { relative: 0.99 } })] },
    },
  ],
  [
    'The slowest requests are slower',
    {
      canary: latency([60, 20]),
      stable: latency([10, 4]),
      limits: 2,
      file: { guards: [guard({ metric: 'latency_p99' })] },
    },
  ],
  [
    'More than one request in a hundred takes longer than 800 ms',
    {
      canary: latency([40]),
      stable: latency([3]),
      limits: 1,
      file: { guards: [{ metric: 'latency_p99', never: { above: 800 }, action: 'revert' }] },
    },
  ],
  [
    'A canary of staff alone is above its limit of errors',
    {
      ...{ weight: 0, canary: { n: 0, failed: 0, exposed: 0 }, stable: { n: 0, failed: 0, exposed: 0 } },
      forced: { n: 40, failed: 8, exposed: 2 },
      file: {
        stages: [internal, { name: 'full', weight: 100 }],
        guards: [{ metric: 'error_rate', never: { above: 0.05 }, action: 'revert' }],
      },
    },
  ],
  [
    'Both arms are above the limit of errors',
    {
      ...{ canary: { ...fine, failed: 100 }, stable: { ...fine, failed: 100 } },
      file: { guards: [{ metric: 'error_rate', never: { above: 0.05 }, action: 'revert' }] },
    },
  ],
  [
    'Errors rise in both arms at once',
    {
      ...{ ...alike, ticks: 90, elapsedS: 450 },
      later: { from: 80, canary: { failed: 60 }, stable: { failed: 60 } },
    },
  ],
  [
    'Errors in one country only',
    { canary: { ...fine, failed: 15 }, stable: fine, slices: inSlice(6), file: { slices: ['country'] } },
  ],
  [
    'Half the conversions',
    {
      ...{ canary: sells(2), stable: sells(4), ticks: 60 },
      file: {
        guards: [guard({ metric: 'purchase', worseThan: { relative: 0.9 }, action: 'pause' })],
        metrics: purchase,
      },
    },
  ],
  [
    'Conversions must be better, and are not shown to be yet',
    {
      ...{ canary: sells(4), stable: sells(4) },
      file: { gates: [{ metric: 'purchase', betterThan: { relative: 1 } }], metrics: purchase },
    },
  ],
  [
    'Conversions must be better, and are',
    {
      ...{ canary: sells(12), stable: sells(4), ticks: 60 },
      file: { gates: [{ metric: 'purchase', betterThan: { relative: 1 } }], metrics: purchase },
    },
  ],
  [
    'Revenue per user has fallen by a fifth',
    {
      ...alike,
      values: { revenue: { canary: { units: 5000, mean: 8 }, stable: { units: 5000, mean: 10 } } },
      file: {
        guards: [guard(), guard({ metric: 'revenue', worseThan: { relative: 0.95 }, action: 'pause' })],
        metrics: [revenue],
      },
    },
  ],
  [
    'Revenue per user is kept, and a gate asks for it',
    {
      ...alike,
      values: { revenue: { canary: { units: 20_000, mean: 10 }, stable: { units: 20_000, mean: 10 } } },
      file: { gates: [{ metric: 'revenue', noWorseThan: { relative: 0.9 } }], metrics: [revenue] },
    },
  ],
  [
    'A queue that somebody else measures is longer on the canary',
    {
      ...{ ...alike, external: { 'queue-depth': queue(120, 80)['queue depth'] } },
      file: {
        guards: [guard(), guard({ metric: 'queue-depth', worseThan: { relative: 1.1 }, action: 'pause' })],
        metrics: [depth],
      },
    },
  ],
  ['Too many users reach the canary', { canary: { ...fine, exposed: 100 }, stable: { ...fine, exposed: 60 } }],
  [
    'Canary users are missing, all of them of one version of the SDK',
    {
      ...{ canary: { ...fine, exposed: 55 }, stable: { ...fine, exposed: 100 } },
      exposedBy: {
        sdk: {
          'pipit-node@1.3.0': { canary: 120, stable: 1200 },
          'pipit-node@1.4.0': { canary: 1200, stable: 1200 },
        },
      },
    },
  ],
  ['The canary is silent from the start', { canary: { ...fine, n: 0, failed: 0 }, stable: fine }],
  ['A third of the reports of the canary are missing', { canary: { ...fine, n: 670, failed: 7 }, stable: fine }],
  [
    'Reports of the canary are missing, and a person has dismissed that',
    { canary: { ...fine, n: 670, failed: 7 }, stable: fine, dismissed: ['missingReports'] },
  ],
  ['Users are served by both arms', { canary: { ...fine, conflicts: 2 }, stable: fine }],
  [
    'People use the canary less',
    {
      ...{ canary: { ...fine, n: 800, failed: 8 }, stable: fine },
      file: {
        guards: [guard({ metric: 'throughput', worseThan: { relative: 0.9 } })],
        checks: { missingReports: 'alert' },
      },
    },
  ],
  ['Half of a time bucket fails', { canary: { ...fine, n: 40, failed: 25 }, stable: fine, ticks: 2 }],
  ['Two of three instances have stopped serving the canary', { ...alike, breakers: { open: 2, instances: 3 } }],
]

function stagesOf(change: object): readonly object[] {
  return [
    { name: 'part', weight: 50, hold: '60s', maxHold: '10m', ...change },
    { name: 'full', weight: 100 },
  ]
}

describe('what the judge says', () => {
  it('makes sense read aloud, in every situation', async () => {
    const rows = situations.map(([what, situation], i) => {
      const { label, sentence, alerts } = lookAt(situation)
      const alarm = alerts.length === 0 ? '' : ` (alerts: ${alerts.join(', ')})`
      return `| ${i + 1} | ${what} | ${label}${alarm} | ${sentence} |`
    })
    const table = ['| | situation | verdict | sentence |', '|---|---|---|---|', ...rows, ''].join('\n')
    const intro = '# What the judge says\n\nWritten by `situations.test.ts`, read by people before it was kept.\n\n'
    await expect(`${intro}${table}`).toMatchFileSnapshot('./situations.md')
    expect(situations.length).toBeGreaterThanOrEqual(30)
  })

  it('is the same when it is stored and read again', () => {
    for (const [, situation] of situations) {
      const found = lookAt(situation)
      expect(JSON.parse(JSON.stringify(found))).toEqual(found)
    }
  })
})
