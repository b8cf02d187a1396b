import { edgeAbove, type LatencySketch } from '@pipit/shared/sketch'
import type { Guard, Margin, RolloutDefinition } from '../rollout/definition.ts'
import { latencyQuantile, metricKind } from '../rollout/metric.ts'
import type { HarmNull } from './harm-process.ts'

/** A metric as the judge works on it. */
export interface PlannedMetric {
  readonly key: string
  readonly kind: 'error_rate' | 'latency' | 'conversion'
  /** True where less is worse. */
  readonly down: boolean
  readonly prior: number
  readonly guard: Guard | undefined
  /** Part of the rollout's error budget; 0 for gates without a guard and for guards that only alert. */
  readonly weight: number
  /** What must be shown before a stage may advance. */
  readonly margin: Margin
  /** True where a gate asks for it: then it always blocks. */
  readonly gated: boolean
  /** What a guard's harm test takes for harmless: one process each, of which the smaller counts. */
  readonly nulls: readonly HarmNull[]
  /** For latencies: which of how many counted limits is the quantile of stable, and which the margin times it. */
  readonly limits:
    | { readonly quantile: number; readonly at: number; readonly scaled: number; readonly of: number }
    | undefined
}

/** Weights of the kinds in the error budget, STATISTICS 3.6. */
const groupWeight = { error_rate: 0.7, latency: 0.2, conversion: 0.1 } as const

/** Comparison stages of the plan: those in which both arms have users. */
export function comparisonStages(definition: RolloutDefinition): number {
  return definition.stages.filter((stage) => stage.weight > 0 && stage.weight < 100).length
}

/** The limits that SDKs count latencies above, in order: for each latency metric its quantile, and the margin times it. */
export function thresholdsFor(
  definition: RolloutDefinition,
): readonly { readonly metric: string; readonly quantile: number; readonly factor: number }[] {
  return comparedKeys(definition).flatMap((metric) => {
    const quantile = latencyQuantile(metric)
    if (quantile === undefined) return []
    const factor = marginOf(definition, metric).relative ?? 1
    return [
      { metric, quantile, factor: 1 },
      { metric, quantile, factor },
    ]
  })
}

/**
 * Limits in ms from the latencies of stable so far (STATISTICS 4.4): each quantile at the upper edge of its bin. Undefined while the rarest
 * quantile rests on fewer than max(1000, 20/(1−q)) requests.
 */
export function proposeThresholds(definition: RolloutDefinition, stable: LatencySketch): number[] | undefined {
  const wanted = thresholdsFor(definition)
  if (wanted.length === 0) return undefined
  const needed = Math.max(...wanted.map(({ quantile }) => Math.max(1000, 20 / (1 - quantile))))
  if (stable.count < needed) return undefined
  return wanted.map(({ quantile, factor }) => edgeAbove(stable.quantile(quantile) ?? 0) * factor)
}

function comparedKeys({ guards, gates }: RolloutDefinition): readonly string[] {
  return [...new Set([...guards.map((guard) => guard.metric), ...gates.map((gate) => gate.metric)])]
}

function marginOf({ guards, gates }: RolloutDefinition, metric: string): Margin {
  const gate = gates.find((candidate) => candidate.metric === metric)
  return gate?.noWorseThan ?? guards.find((candidate) => candidate.metric === metric)?.worseThan ?? {}
}

/** Every metric that a guard or a gate names. The metrics of the environment must be among `definition.metrics`. */
export function planMetrics(definition: RolloutDefinition): readonly PlannedMetric[] {
  const limits = thresholdsFor(definition)
  const planned = comparedKeys(definition).flatMap((key): PlannedMetric[] => {
    const kind = metricKind(key, definition.metrics)
    if (kind !== 'error_rate' && kind !== 'latency' && kind !== 'conversion') return []
    const guard = definition.guards.find((candidate) => candidate.metric === key)
    const at = limits.findIndex((limit) => limit.metric === key)
    const quantile = latencyQuantile(key) ?? 0
    return [
      {
        key,
        kind,
        down: kind === 'conversion',
        prior: kind === 'latency' ? 1 - quantile : kind === 'conversion' ? 0.002 : 0.01,
        guard,
        weight: guard === undefined || guard.action === 'alert' ? 0 : (guard.weight ?? budgetShare(definition, kind)),
        margin: marginOf(definition, key),
        gated: definition.gates.some((gate) => gate.metric === key),
        nulls: nullsOf(guard, kind),
        limits: kind === 'latency' ? { quantile, at, scaled: at + 1, of: limits.length } : undefined,
      },
    ]
  })
  const total = planned.reduce((sum, metric) => sum + metric.weight, 0)
  return planned.map((metric) => (total > 0 ? { ...metric, weight: metric.weight / total } : metric))
}

/** A kind's weight is divided among the guards of that kind. */
function budgetShare(definition: RolloutDefinition, kind: PlannedMetric['kind']): number {
  const same = definition.guards.filter(
    (guard) => guard.action !== 'alert' && metricKind(guard.metric, definition.metrics) === kind,
  )
  return groupWeight[kind] / Math.max(1, same.length)
}

function nullsOf(guard: Guard | undefined, kind: PlannedMetric['kind']): readonly HarmNull[] {
  // A latency margin is in milliseconds, not in exceedances: there the harm test is always against stable.
  if (guard === undefined || guard.null === 'stable' || kind === 'latency') return [{ kind: 'stable' }]
  const { relative, absolute } = guard.worseThan ?? {}
  const nulls: HarmNull[] = []
  if (relative !== undefined) nulls.push({ kind: 'ratio', theta: relative })
  if (absolute !== undefined) nulls.push({ kind: 'difference', delta: absolute })
  return nulls
}
