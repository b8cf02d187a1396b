import type { Issue } from '@pipit/shared/base'
import type { Margin, MetricDefinition, RolloutDefinition } from './definition.ts'

/** True for 0 to 100 in steps of 0.001. */
export function isWeight(value: number): boolean {
  return value >= 0 && value <= 100 && isStep(value)
}

/** A multiple of 0.001, give or take the error of a double. */
export function isStep(value: number): boolean {
  return Math.abs(value * 1000 - Math.round(value * 1000)) < 1e-6
}

/** Kind of a metric by its key: built in, or of a definition. */
export function metricKind(
  key: string,
  metrics: readonly MetricDefinition[],
): 'error_rate' | 'latency' | 'conversion' | undefined {
  if (key === 'error_rate') return 'error_rate'
  if (latencyQuantile(key) !== undefined) return 'latency'
  return metrics.find((metric) => metric.key === key)?.kind
}

/** The quantile that `latency_pNN` names (`latency_p99.9` → 0.999), or undefined. */
export function latencyQuantile(key: string): number | undefined {
  const match = /^latency_p(\d{1,2}(?:\.\d{1,2})?)$/.exec(key)
  const percent = match === null ? Number.NaN : Number(match[1])
  return percent >= 1 && percent <= 99.99 ? percent / 100 : undefined
}

/** Faults that need more than one field of a rollout to see. */
export function checkRollout(
  definition: RolloutDefinition,
  environmentMetrics: readonly MetricDefinition[] | undefined,
): Issue[] {
  return [
    ...checkStages(definition),
    ...checkVariants(definition),
    ...checkMetrics(definition, environmentMetrics),
    ...checkAnalysis(definition),
  ]
}

function duplicates(names: readonly string[], path: (i: number) => string, what: string): Issue[] {
  return names.flatMap((name, i) =>
    names.indexOf(name) < i ? [{ path: path(i), message: `"${name}" is ${what} twice; give each its own` }] : [],
  )
}

function checkStages({ stages }: RolloutDefinition): Issue[] {
  const issues = duplicates(
    stages.map((stage) => stage.name),
    (i) => `stages[${i}].name`,
    'the name of a stage',
  )
  stages.forEach((stage, i) => {
    const before = stages[i - 1]
    if (before !== undefined && stage.weight < before.weight) {
      issues.push({
        path: `stages[${i}].weight`,
        message: `is ${stage.weight}, less than the ${before.weight} of the stage before; weights do not fall`,
      })
    }
    if (stage.maxHoldMs < stage.holdMs)
      issues.push({ path: `stages[${i}].maxHold`, message: 'must be at least as long as hold' })
  })
  const last = stages.at(-1)
  if (last !== undefined && last.weight !== 100) {
    issues.push({
      path: `stages[${stages.length - 1}].weight`,
      message: 'must be 100: the last stage gives everybody the canary',
    })
  }
  return issues
}

function checkVariants({ variants }: RolloutDefinition): Issue[] {
  const names = variants.map((variant) => variant.name)
  const issues = duplicates(names, (i) => `variants[${i}].name`, 'the name of a variant')
  if (names[0] !== 'stable')
    issues.push({
      path: 'variants[0].name',
      message: 'must be "stable": the first variant is the one everybody has now',
    })
  return issues
}

function checkMetrics(
  definition: RolloutDefinition,
  environmentMetrics: readonly MetricDefinition[] | undefined,
): Issue[] {
  const { guards, gates, metrics } = definition
  const known = { all: environmentMetrics !== undefined, metrics: [...metrics, ...(environmentMetrics ?? [])] }
  const issues = [
    ...duplicates(
      metrics.map((metric) => metric.key),
      (i) => `metrics[${i}].key`,
      'the key of a metric',
    ),
    ...duplicates(
      guards.map((guard) => guard.metric),
      (i) => `guards[${i}].metric`,
      'guarded',
    ),
    ...duplicates(
      gates.map((gate) => gate.metric),
      (i) => `gates[${i}].metric`,
      'a gate',
    ),
  ]
  metrics.forEach((metric, i) => {
    issues.push(...checkMetricKey(metric.key, `metrics[${i}].key`))
  })
  guards.forEach((guard, i) => {
    issues.push(...checkMargin(guard.metric, guard.worseThan, `guards[${i}]`, 'worseThan', known))
  })
  gates.forEach((gate, i) => {
    issues.push(...checkMargin(gate.metric, gate.noWorseThan, `gates[${i}]`, 'noWorseThan', known))
  })
  return issues
}

/** Keys of built-in metrics are taken, whatever an environment defines. */
export function checkMetricKey(key: string, path: string): Issue[] {
  if (key !== 'error_rate' && latencyQuantile(key) === undefined) return []
  return [{ path, message: `"${key}" is built in; choose another key` }]
}

function checkMargin(
  metric: string,
  margin: Margin,
  path: string,
  field: string,
  known: { readonly all: boolean; readonly metrics: readonly MetricDefinition[] },
): Issue[] {
  const kind = metricKind(metric, known.metrics)
  // It may be a metric of the environment; whoever knows those checks again.
  if (kind === undefined && !known.all) return []
  if (kind === undefined) {
    const names = ['error_rate', 'latency_p99', ...known.metrics.map((definition) => definition.key)]
    return [
      {
        path: `${path}.metric`,
        message: `there is no metric "${metric}"; there are ${names.join(', ')} (and other latency_pNN)`,
      },
    ]
  }
  const { relative, absolute } = margin
  if (relative === undefined && absolute === undefined) {
    return [{ path: `${path}.${field}`, message: 'must have relative, absolute, or both' }]
  }
  const issues: Issue[] = []
  if (relative !== undefined && kind === 'conversion' && !(relative < 1)) {
    issues.push({
      path: `${path}.${field}.relative`,
      message: 'must be below 1 for a conversion: 0.9 tolerates a tenth less',
    })
  }
  if (relative !== undefined && kind !== 'conversion' && !(relative > 1)) {
    issues.push({
      path: `${path}.${field}.relative`,
      message: `must be above 1 for ${metric}: 1.5 tolerates half as much again`,
    })
  }
  if (absolute !== undefined && kind === 'conversion') {
    issues.push({ path: `${path}.${field}.absolute`, message: 'is not for conversions; give relative, such as 0.9' })
  }
  if (absolute !== undefined && kind === 'latency') {
    issues.push({
      path: `${path}.${field}.absolute`,
      message: 'is not for latencies; give relative, a ratio of milliseconds',
    })
  }
  return issues
}

function checkAnalysis({ analysis }: RolloutDefinition): Issue[] {
  if (analysis.tickMs >= 200 && analysis.tickMs <= 60_000) return []
  return [{ path: 'analysis.tick', message: 'must be from 200ms to 1m' }]
}
