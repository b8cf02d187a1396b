import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ArmTick, Requests } from './evidence.ts'
import type { Judgement } from './judgement.ts'
import { lookAt, type Situation } from './situation.ts'

/** Every kind of metric, check and slice at once. */
const file = {
  guards: [
    { metric: 'error_rate', worseThan: { relative: 1.5, absolute: 0.01 }, never: { above: 0.2 }, action: 'revert' },
    { metric: 'error_rate_5xx', worseThan: { relative: 2 }, null: 'margin', action: 'pause' },
    { metric: 'success_rate', worseThan: { relative: 0.9 }, never: { below: 0.5 }, null: 'margin', action: 'alert' },
    { metric: 'latency_p99', worseThan: { relative: 2 }, never: { above: 800 }, action: 'revert' },
    { metric: 'throughput', worseThan: { relative: 0.5 }, action: 'pause' },
    { metric: 'purchase', worseThan: { relative: 0.9 }, action: 'pause' },
    { metric: 'revenue', worseThan: { relative: 0.9 }, action: 'pause' },
    { metric: 'order', never: { below: 5 }, action: 'alert' },
    { metric: 'queue', worseThan: { relative: 1.1 }, never: { above: 50 }, action: 'pause' },
  ],
  gates: [
    { metric: 'purchase', betterThan: { relative: 1.05 } },
    { metric: 'revenue', betterThan: { relative: 1 } },
  ],
  metrics: [
    { key: 'purchase', kind: 'conversion', event: 'purchase' },
    { key: 'revenue', kind: 'sum', event: 'purchase' },
    { key: 'order', kind: 'mean', event: 'purchase' },
    { key: 'queue', kind: 'external', better: 'lower' },
  ],
  slices: ['country'],
}

const size = fc.constantFrom(0, 1, 2, 29, 1000, 1e6, 1e9)
const share = fc.constantFrom(0, 1e-9, 0.001, 0.5, 1)

const requests: fc.Arbitrary<Requests> = fc.record({ n: size, bad: share, slow: share }).map(({ n, bad, slow }) => {
  const over = Math.floor(n * slow)
  return { n, failed: Math.floor(n * bad), timed: n, over: [over, over, Math.floor(over / 2)] }
})
const arm: fc.Arbitrary<ArmTick> = fc
  .record({ requests, exposed: size, converts: share, conflicts: fc.constantFrom(0, 3) })
  .map(({ requests: counts, exposed, converts, conflicts }) => ({
    ...counts,
    kinds: { '5xx': counts.failed },
    ...{ exposed, conflicts },
    conversions: { purchase: { atRisk: exposed, converted: Math.floor(exposed * converts) } },
  }))
const values = fc.record({ units: size, mean: fc.constantFrom(0, 1e-9, 10, 1e9, -5) })

const situation: fc.Arbitrary<Situation> = fc.record({
  file: fc.constant(file),
  weight: fc.constantFrom(0, 0.001, 1, 50, 99.999, 100),
  ticks: fc.constantFrom(0, 1, 2, 30, 130),
  elapsedS: fc.constantFrom(0, 60, 299, 300, 600, 1e6),
  canary: arm,
  stable: arm,
  limits: fc.constant(3),
  forced: fc.constantFrom(
    { n: 0, failed: 0, exposed: 0 },
    { n: 40, failed: 40, exposed: 3, timed: 40, over: [40, 0, 0] },
  ),
  slices: fc.record({ country: fc.record({ NZ: fc.record({ canary: requests, stable: requests }) }) }),
  external: fc.record({
    queue: fc.record({
      canary: fc.record({ sum: fc.constantFrom(0, -1, 1e9), count: fc.constantFrom(0, 1) }),
      stable: fc.record({ sum: fc.constantFrom(0, -1, 1e9), count: fc.constantFrom(0, 1) }),
    }),
  }),
  values: fc.record({
    revenue: fc.record({ canary: values, stable: values }),
    order: fc.record({ canary: values, stable: values }),
  }),
  lateS: fc.constantFrom(0, 1000),
})

/** Numbers anywhere that are none: JSON would make them null. */
function notNumbers(value: unknown, path = ''): string[] {
  if (typeof value === 'number') return Number.isFinite(value) ? [] : [`${path} = ${value}`]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => notNumbers(inner, `${path}.${key}`))
}

const plain = (judgement: Judgement): unknown => JSON.parse(JSON.stringify(judgement))

describe('whatever comes', () => {
  it('the judge answers with numbers and a sentence, and the same each time', () => {
    fc.assert(
      fc.property(situation, (given) => {
        const found = lookAt(given)
        expect(notNumbers(found)).toEqual([])
        expect(found.sentence).not.toMatch(/NaN|undefined|Infinity|null/)
        expect(plain(lookAt(given))).toEqual(plain(found))
      }),
      { numRuns: 1000, seed: 20_261_121 },
    )
  })

  it('more errors of the canary never make the evidence of harm less', () => {
    const rate = fc.integer({ min: 10, max: 60 })
    fc.assert(
      fc.property(rate, rate, fc.constantFrom(1, 5, 50), (a, b, weight) => {
        const n = weight * 20
        const log = (failed: number): number => {
          const canary = { n, failed: Math.min(n, failed), timed: 0, over: [], exposed: weight, conversions: {} }
          const stable = { ...canary, n: 2000 - n, failed: Math.round((2000 - n) / 100), exposed: 100 - weight }
          return lookAt({ weight, canary, stable }).logHarm
        }
        const [fewer, more] = [Math.min(a, b), Math.max(a, b)]
        expect(log(more)).toBeGreaterThanOrEqual(log(fewer) - 1e-9)
      }),
      { numRuns: 100, seed: 20_261_121 },
    )
  })
})
