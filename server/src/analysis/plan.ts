import type { OutcomeKind } from '@pipit/shared/protocol'
import { edgeAbove, type LatencySketch } from '@pipit/shared/sketch'
import type { Guard, Limit, Margin, RolloutDefinition } from '../rollout/definition.ts'
import {
  errorKind,
  higherIsBetter,
  latencyQuantile,
  type MetricKind,
  metricKind,
  valueKinds,
} from '../rollout/metric.ts'
import type { HarmNull } from './harm-process.ts'

/** A metric as the judge works on it. */
export interface PlannedMetric {
  readonly key: string
  readonly kind: MetricKind
  /** The kind of failure an error rate is about; all of them when absent. */
  readonly errorKind: OutcomeKind | undefined
  readonly higherIsBetter: boolean
  /** True where less of what is counted is worse: a success rate counts failures. */
  readonly down: boolean
  readonly prior: number
  readonly guard: Guard | undefined
  /** Part of the rollout's error budget that a guard may spend; 0 for gates without a guard and for guards that only alert. */
  readonly weight: number
  /** What must be shown before a stage may advance; undefined where nothing is compared. */
  readonly margin: Margin | undefined
  /** True where a gate asks for the margin: then it always blocks. */
  readonly gated: boolean
  /** Superiority that a gate asks for, and its part of the error budget. */
  readonly goal: { readonly relative: number; readonly weight: number } | undefined
  /** What a guard's harm test takes for harmless: one process each, of which the smaller counts. */
  readonly nulls: readonly HarmNull[]
  /** A bound that holds without a comparison. */
  readonly never: Limit | undefined
  /** For latencies: which of the counted limits are whose. */
  readonly limits: LatencyLimits | undefined
}

/** Places in the list of counted limits; `fixed` limits are in milliseconds and stand first, so that they count from the first moment. */
export interface LatencyLimits {
  readonly quantile: number
  /** The quantile of stable, and the margin times it; undefined where nothing is compared. */
  readonly at: number | undefined
  readonly scaled: number | undefined
  /** The guard's own bound in milliseconds. */
  readonly never: number | undefined
  readonly fixed: number
  readonly of: number
}

/** Weights of the kinds in the error budget, STATISTICS 3.6: errors, latency, business. A goal counts as business. */
const groups = { errors: 0.7, latency: 0.2, business: 0.1 } as const
type Group = keyof typeof groups

const groupOf = (kind: MetricKind): Group =>
  kind === 'error_rate' || kind === 'success_rate' ? 'errors' : kind === 'latency' ? 'latency' : 'business'

/** Comparison stages of the plan: those in which both arms have users. */
export function comparisonStages(definition: RolloutDefinition): number {
  return definition.stages.filter((stage) => stage.weight > 0 && stage.weight < 100).length
}

/** A limit that SDKs count latencies above: milliseconds that a guard names, or `factor` times a quantile of stable. */
export type WantedLimit =
  | { readonly metric: string; readonly ms: number }
  | { readonly metric: string; readonly quantile: number; readonly factor: number; readonly ms?: undefined }

/** The limits that SDKs count latencies above, in order: guards' own bounds first, then for each quantile itself and the margin times it. */
export function thresholdsFor(definition: RolloutDefinition): readonly WantedLimit[] {
  const latencies = comparedKeys(definition).filter((metric) => latencyQuantile(metric) !== undefined)
  const fixed = latencies.flatMap((metric) => {
    const ms = guardOf(definition, metric)?.never?.above
    return ms === undefined ? [] : [{ metric, ms }]
  })
  const compared = latencies.flatMap((metric) => {
    const quantile = latencyQuantile(metric) ?? 0
    const margin = marginOf(definition, metric)
    if (margin === undefined) return []
    return [
      { metric, quantile, factor: 1 },
      { metric, quantile, factor: margin.relative ?? 1 },
    ]
  })
  return [...fixed, ...compared]
}

/**
 * Limits in ms from the latencies of stable so far (STATISTICS 4.4): each quantile at the upper edge of its bin. While the rarest quantile
 * rests on fewer than max(1000, 20/(1−q)) requests, only what is fixed in ms; undefined where that is nothing.
 */
export function proposeThresholds(definition: RolloutDefinition, stable: LatencySketch): number[] | undefined {
  const wanted = thresholdsFor(definition)
  const needed = Math.max(0, ...wanted.map((limit) => (limit.ms === undefined ? leastFor(limit.quantile) : 0)))
  const known = stable.count >= needed ? wanted : wanted.filter((limit) => limit.ms !== undefined)
  if (known.length === 0) return undefined
  return known.map((limit) => limit.ms ?? edgeAbove(stable.quantile(limit.quantile) ?? 0) * limit.factor)
}

const leastFor = (quantile: number): number => Math.max(1000, 20 / (1 - quantile))

function comparedKeys({ guards, gates }: RolloutDefinition): readonly string[] {
  return [...new Set([...guards.map((guard) => guard.metric), ...gates.map((gate) => gate.metric)])]
}

const guardOf = ({ guards }: RolloutDefinition, key: string): Guard | undefined =>
  guards.find((guard) => guard.metric === key)

function marginOf(definition: RolloutDefinition, metric: string): Margin | undefined {
  const gate = definition.gates.find((candidate) => candidate.metric === metric)
  return gate?.noWorseThan ?? guardOf(definition, metric)?.worseThan
}

const plans = new WeakMap<RolloutDefinition, readonly PlannedMetric[]>()

/** Every metric that a guard or a gate names. The metrics of the environment must be among `definition.metrics`. */
export function planMetrics(definition: RolloutDefinition): readonly PlannedMetric[] {
  let plan = plans.get(definition)
  if (plan === undefined) {
    plan = makePlan(definition)
    plans.set(definition, plan)
  }
  return plan
}

function makePlan(definition: RolloutDefinition): readonly PlannedMetric[] {
  const limits = thresholdsFor(definition)
  const planned = comparedKeys(definition).flatMap((key) => planMetric(definition, key, limits))
  const total = planned.reduce((sum, { weight, goal }) => sum + weight + (goal?.weight ?? 0), 0)
  if (total === 0) return planned
  return planned.map((metric) => ({
    ...metric,
    weight: metric.weight / total,
    goal: metric.goal === undefined ? undefined : { ...metric.goal, weight: metric.goal.weight / total },
  }))
}

function planMetric(definition: RolloutDefinition, key: string, limits: readonly WantedLimit[]): PlannedMetric[] {
  const kind = metricKind(key, definition.metrics)
  if (kind === undefined) return []
  const guard = guardOf(definition, key)
  const gate = definition.gates.find((candidate) => candidate.metric === key)
  const higher = higherIsBetter(key, definition.metrics)
  const acts = guard !== undefined && guard.action !== 'alert'
  const goal = gate?.betterThan
  return [
    {
      key,
      kind,
      errorKind: errorKind(key),
      higherIsBetter: higher,
      down: higher && kind !== 'success_rate',
      prior: priorOf(kind, key),
      guard,
      weight: acts ? (guard.weight ?? budgetShare(definition, groupOf(kind))) : 0,
      margin: marginOf(definition, key),
      gated: gate?.noWorseThan !== undefined,
      goal: goal === undefined ? undefined : { relative: goal.relative, weight: gate?.weight ?? groups.business },
      nulls: nullsOf(guard, kind),
      never: guard?.never,
      limits: kind === 'latency' ? limitsOf(key, limits) : undefined,
    },
  ]
}

/** A guess at the rate before anything was seen; it only costs or gains power (STATISTICS 3.1). */
function priorOf(kind: MetricKind, key: string): number {
  if (kind === 'latency') return 1 - (latencyQuantile(key) ?? 0)
  return kind === 'conversion' ? 0.002 : 0.01
}

function limitsOf(key: string, limits: readonly WantedLimit[]): LatencyLimits {
  const fixed = limits.filter((limit) => limit.ms !== undefined).length
  const never = limits.findIndex((limit) => limit.metric === key && limit.ms !== undefined)
  const at = limits.findIndex((limit) => limit.metric === key && limit.ms === undefined)
  return {
    quantile: latencyQuantile(key) ?? 0,
    at: at < 0 ? undefined : at,
    scaled: at < 0 ? undefined : at + 1,
    never: never < 0 ? undefined : never,
    fixed,
    of: limits.length,
  }
}

/** A group's weight is divided among its guards. */
function budgetShare(definition: RolloutDefinition, group: Group): number {
  const same = definition.guards.filter(({ action, metric }) => {
    const kind = metricKind(metric, definition.metrics)
    return action !== 'alert' && kind !== undefined && groupOf(kind) === group
  })
  return groups[group] / Math.max(1, same.length)
}

/** What the counting processes test against; values and observed figures have their own. */
function nullsOf(guard: Guard | undefined, kind: MetricKind): readonly HarmNull[] {
  if (!isCounted(kind)) return []
  // A gate alone still shows how much speaks for harm.
  if (guard === undefined) return [{ kind: 'stable' }]
  const margin = guard.worseThan
  if (margin === undefined) return []
  // A latency margin is in milliseconds, not in exceedances: there the harm test is always against stable.
  if (guard.null === 'stable' || kind === 'latency') return [{ kind: 'stable' }]
  const { relative, absolute } = margin
  const nulls: HarmNull[] = []
  if (relative !== undefined && kind === 'success_rate') nulls.push({ kind: 'complement', theta: relative })
  else if (relative !== undefined) nulls.push({ kind: 'ratio', theta: relative })
  if (absolute !== undefined) nulls.push({ kind: 'difference', delta: absolute })
  return nulls
}

/** Kinds that are tested as events out of requests or units. */
export function isCounted(kind: MetricKind): boolean {
  return kind === 'error_rate' || kind === 'success_rate' || kind === 'latency' || kind === 'conversion'
}

export function isValued(kind: MetricKind): boolean {
  return valueKinds.has(kind)
}
