import { parseRollout, type RolloutDefinition } from '@pipit/server/rollout'

export interface PlanOptions {
  /** Weights of the stages in percent; the last stage, everybody, comes by itself. */
  readonly weights: readonly number[]
  readonly hold: string
  /** One for all, or one for each stage. */
  readonly maxHold: string | readonly string[]
  readonly armNoise?: number
  readonly action?: 'revert' | 'alert'
}

const metrics = [
  { metric: 'error_rate', worseThan: { relative: 1.5 }, weight: 0.7 },
  { metric: 'latency_p50', worseThan: { relative: 1.5 }, weight: 0.07 },
  { metric: 'latency_p90', worseThan: { relative: 1.5 }, weight: 0.06 },
  { metric: 'latency_p99', worseThan: { relative: 1.5 }, weight: 0.07 },
  { metric: 'purchase', worseThan: { relative: 0.9 }, weight: 0.1 },
] as const

/** A rollout guarded by the five metrics of the published figures, at their weights. */
export function guardedRollout({
  weights,
  hold,
  maxHold,
  armNoise,
  action = 'revert',
}: PlanOptions): RolloutDefinition {
  return parsed({
    key: 'simulated',
    stages: [
      ...weights.map((weight, i) => ({
        name: `at-${weight}`,
        weight,
        hold,
        maxHold: typeof maxHold === 'string' ? maxHold : maxHold[i],
      })),
      { name: 'full', weight: 100 },
    ],
    guards: metrics.map((guard) => ({ ...guard, action })),
    metrics: [{ key: 'purchase', kind: 'conversion', event: 'purchase' }],
    ...(armNoise === undefined ? {} : { analysis: { armNoise } }),
  })
}

/** One stage with one gate and no guard: whether the gate can be passed. */
export function gatedStage(metric: string, margin: object, weight: number): RolloutDefinition {
  return parsed({
    key: 'gated',
    stages: [
      { name: `at-${weight}`, weight, hold: '1m', maxHold: '20m' },
      { name: 'full', weight: 100 },
    ],
    gates: [{ metric, noWorseThan: margin }],
    metrics: [{ key: 'purchase', kind: 'conversion', event: 'purchase' }],
  })
}

function parsed(input: unknown): RolloutDefinition {
  const result = parseRollout(input)
  if (!result.ok) throw new Error(result.issues.map(({ path, message }) => `${path} ${message}`).join('; '))
  return result.definition
}

/** The ramp of the published figures: 1, 5, 25, 50 % and ten minutes a stage, whatever the evidence of being well. */
export const fixedRamp: PlanOptions = { weights: [1, 5, 25, 50], hold: '10m', maxHold: '10m' }
