import { type BucketTable, userBuckets } from '../evidence.ts'
import type { PlannedMetric } from '../plan.ts'

export interface Column {
  readonly n: Float64Array
  readonly x: Float64Array
}

/**
 * What a metric counts, by user bucket: requests and bad ones. For a latency, those above the limit at place `at`. Undefined where the table
 * does not count it.
 */
export function columnOf(metric: PlannedMetric, table: BucketTable, at = metric.limits?.at): Column | undefined {
  if (metric.kind === 'latency') {
    const over = at === undefined ? undefined : table.over[at]
    return over === undefined ? undefined : { n: table.timed, x: over }
  }
  if (metric.kind !== 'error_rate' && metric.kind !== 'success_rate') return undefined
  if (metric.errorKind === undefined) return { n: table.n, x: table.failed }
  return { n: table.n, x: table.kinds?.[metric.errorKind] ?? none }
}

/** A kind of failure that nobody has reported. */
const none = new Float64Array(userBuckets)
