import { formatDuration } from '@pipit/shared/clock'
import type { MetricDefinition, RolloutDefinition } from './definition.ts'

type File = { readonly [field: string]: unknown }

function metricFile(metric: MetricDefinition): File {
  if (metric.kind === 'external') {
    const { query, ...rest } = metric
    if (query === undefined) return rest
    const { everyMs, ...asked } = query
    return { ...rest, query: { ...asked, every: formatDuration(everyMs) } }
  }
  const { windowMs, ...rest } = metric
  return { ...rest, window: formatDuration(windowMs) }
}

/** A definition as people write it; `parseRollout(toFile(definition))` gives the definition back. */
export function toFile(definition: RolloutDefinition): File {
  const { stages, metrics, analysis, deadmanMs, ...rest } = definition
  const { tickMs, warmupMs, ...numbers } = analysis
  return {
    ...rest,
    stages: stages.map(({ holdMs, maxHoldMs, ...stage }) => ({
      ...stage,
      hold: formatDuration(holdMs),
      maxHold: formatDuration(maxHoldMs),
    })),
    metrics: metrics.map(metricFile),
    ...(deadmanMs === undefined ? {} : { deadman: formatDuration(deadmanMs) }),
    analysis: { tick: formatDuration(tickMs), warmup: formatDuration(warmupMs), ...numbers },
  }
}

export function toMetricFile(metric: MetricDefinition): File {
  return metricFile(metric)
}
