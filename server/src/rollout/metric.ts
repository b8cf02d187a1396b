import { type OutcomeKind, outcomeKinds } from '@pipit/shared/protocol'
import type { EventSum, MetricDefinition } from './definition.ts'

export type BuiltInKind = 'error_rate' | 'success_rate' | 'latency' | 'throughput'
export type MetricKind = BuiltInKind | MetricDefinition['kind']

/** Kinds whose figure is a number per unit, per event, or per something else that users do: compared by the buckets of users. */
export type ValueKind = 'sum' | 'count' | 'mean' | 'ratio'
export const valueKinds: ReadonlySet<MetricKind> = new Set<ValueKind>(['sum', 'count', 'mean', 'ratio'])

/** Kind of a metric by its key: built in, or of a definition. */
export function metricKind(key: string, metrics: readonly MetricDefinition[]): MetricKind | undefined {
  return builtInKind(key) ?? metrics.find((metric) => metric.key === key)?.kind
}

export function builtInKind(key: string): BuiltInKind | undefined {
  if (key === 'success_rate' || key === 'throughput') return key
  if (key === 'error_rate' || errorKind(key) !== undefined) return 'error_rate'
  return latencyQuantile(key) === undefined ? undefined : 'latency'
}

/** The kind of failure that `error_rate_<kind>` counts, or undefined (`error_rate` itself counts all). */
export function errorKind(key: string): OutcomeKind | undefined {
  return outcomeKinds.find((kind) => key === `error_rate_${kind}`)
}

/** The quantile that `latency_pNN` names (`latency_p99.9` → 0.999), or undefined. */
export function latencyQuantile(key: string): number | undefined {
  const match = /^latency_p(\d{1,2}(?:\.\d{1,2})?)$/.exec(key)
  const percent = match === null ? Number.NaN : Number(match[1])
  return percent >= 1 && percent <= 99.99 ? percent / 100 : undefined
}

/** True where a larger figure is the better one. */
export function higherIsBetter(key: string, metrics: readonly MetricDefinition[]): boolean {
  const kind = builtInKind(key)
  if (kind !== undefined) return kind === 'success_rate' || kind === 'throughput'
  return metrics.find((metric) => metric.key === key)?.better !== 'lower'
}

/** What a metric adds up: one sum, two for a ratio (numerator first), none for an external one. */
export function eventSums(metric: MetricDefinition): readonly EventSum[] {
  switch (metric.kind) {
    case 'conversion':
    case 'count':
      return [{ event: metric.event, of: 'count' }]
    case 'sum':
      return [{ event: metric.event, of: 'value' }]
    case 'mean':
      return [
        { event: metric.event, of: 'value' },
        { event: metric.event, of: 'count' },
      ]
    case 'ratio':
      return [metric.numerator, metric.denominator]
    case 'external':
      return []
  }
}

/** True where two definitions count the same: evidence for one is evidence for the other. */
export function countsTheSame(a: MetricDefinition, b: MetricDefinition): boolean {
  const counted = ({ description: _, better: __, ...rest }: MetricDefinition): string =>
    JSON.stringify(Object.entries(rest).sort(([left], [right]) => (left < right ? -1 : 1)))
  return counted(a) === counted(b)
}
