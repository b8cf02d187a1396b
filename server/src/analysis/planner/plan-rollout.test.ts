import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseRollout, type RolloutDefinition } from '../../rollout/index.ts'
import { planRollout } from './plan-rollout.ts'
import type { PlanTraffic } from './traffic.ts'

function rollout(weight = 5, more: object = {}): RolloutDefinition {
  const parsed = parseRollout({
    key: 'planned',
    stages: [
      { name: 'first', weight, maxHold: '40m' },
      { name: 'half', weight: 50, maxHold: '40m' },
      { name: 'all', weight: 100 },
    ],
    guards: [
      { metric: 'error_rate', worseThan: { relative: 1.5, absolute: 0.005 }, action: 'revert' },
      { metric: 'success_rate', worseThan: { relative: 0.99 }, action: 'revert', null: 'margin' },
      { metric: 'latency_p99', worseThan: { relative: 1.25 }, action: 'revert' },
      { metric: 'buy', worseThan: { relative: 0.9 }, action: 'revert' },
      { metric: 'revenue', worseThan: { relative: 0.9 }, action: 'revert' },
      { metric: 'external', worseThan: { relative: 0.9 }, action: 'revert' },
    ],
    metrics: [
      { key: 'buy', kind: 'conversion', event: 'buy' },
      { key: 'revenue', kind: 'sum', event: 'buy' },
      { key: 'external', kind: 'external' },
    ],
    ...more,
  })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues))
  return parsed.definition
}

const traffic: PlanTraffic = {
  requestsPerSecond: 400,
  usersPerSecond: 20,
  errorRate: 0.01,
  conversionRate: 0.05,
  latency: { p50: 80, p99: 400 },
  metrics: { revenue: { mean: 3, sd: 15 } },
}

/** Every number of a plan, with where it is. */
function numbers(value: unknown, path = ''): [path: string, value: number][] {
  if (typeof value === 'number') return [[path, value]]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => numbers(inner, `${path}/${key}`))
}

describe('a plan', () => {
  it('gives the margins of the published ladder: 1.86, then narrower with the weight', () => {
    const only = { guards: [{ metric: 'error_rate', worseThan: { relative: 1.1 }, action: 'revert' }], metrics: [] }
    const [first, half] = planRollout(rollout(1, only), traffic).stages
    expect(first?.metrics[0]?.inForce?.relative).toBeCloseTo(1.86, 2)
    expect(half?.metrics[0]?.inForce?.relative).toBeLessThan(1.2)
  })

  it('is of numbers at every traffic, rate and weight', () => {
    const rate = fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true }))
    const amount = fc.oneof(fc.constantFrom(0, 1e9), fc.double({ min: 0, max: 1e4, noNaN: true }))
    fc.assert(
      fc.property(
        fc.constantFrom(0.001, 5, 99.999),
        amount,
        amount,
        rate,
        rate,
        amount,
        (weight, rps, ups, p, c, sd) => {
          const plan = planRollout(rollout(Math.min(weight, 50)), {
            requestsPerSecond: rps,
            usersPerSecond: ups,
            errorRate: p,
            conversionRate: c,
            metrics: { revenue: { mean: 3, sd } },
          })
          for (const [path, number] of numbers(plan)) expect(number, path).toSatisfy(Number.isFinite)
          for (const { passes, effects } of plan.stages) {
            for (const chance of [passes, ...effects.map(({ detected }) => detected)]) {
              expect(chance).toBeGreaterThanOrEqual(0)
              expect(chance).toBeLessThanOrEqual(1)
            }
          }
          expect(plan.warnings.join()).toContain('Nothing is planned for external')
        },
      ),
      { seed: 20240601, numRuns: 25 },
    )
  })

  it('finds harm sooner and surer with more traffic, and later with dispersion', () => {
    const seconds = (more: Partial<PlanTraffic>) =>
      planRollout(rollout(), { ...traffic, ...more }, [{ metric: 'error_rate', factor: 2 }]).stages[0]?.effects[0]
    const usual = seconds({})
    const busy = seconds({ requestsPerSecond: 4000 })
    const clustered = seconds({ dispersion: 4 })
    expect(busy?.median?.seconds).toBeLessThan(usual?.median?.seconds ?? 0)
    expect(clustered?.median?.seconds).toBeGreaterThan(usual?.median?.seconds ?? 0)
    expect(busy?.detected).toBeGreaterThanOrEqual(usual?.detected ?? 1)
    expect(usual?.waldBound).toBeLessThan(usual?.median?.canary ?? 0)
  })

  it('says what it cannot plan', () => {
    expect(planRollout(rollout(), { requestsPerSecond: 0 }).stages[0]?.warnings).toEqual([
      'Stage first cannot show anything: there is no traffic.',
    ])
    const { warnings } = planRollout(rollout(), { requestsPerSecond: 10 }, [{ metric: 'nothing', factor: 2 }])
    expect(warnings).toEqual(
      expect.arrayContaining([
        expect.stringContaining('errorRate is not given'),
        expect.stringContaining('usersPerSecond is not given'),
        'No guard or gate of this rollout looks at nothing: an effect on it is not found.',
      ]),
    )
    const never = planRollout(rollout(), { ...traffic, errorRate: 0 })
    expect(never.warnings).toContain(
      'What error rate counts never happens on stable: it cannot be shown but by its absolute margin.',
    )
    // The absolute margin of 0.5 points is shown by log 40 / 0.005 = 740 canary requests without an error.
    expect(never.stages[0]?.metrics[0]?.passedAtHalf).toBeGreaterThan(0.99)
  })
})
