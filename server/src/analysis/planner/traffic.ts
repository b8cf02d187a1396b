import type { PlannedMetric } from '../plan.ts'
import { normalCdf, normalQuantile } from '../special/normal.ts'

/** What a plan is made for: the traffic of both arms together, and what stable's figures are. */
export interface PlanTraffic {
  readonly requestsPerSecond: number
  /** Units (users) that come into the comparison per second, each once a stage. */
  readonly usersPerSecond?: number
  /** Share of requests that fail. */
  readonly errorRate?: number
  /** Share of units that convert, for every conversion that `metrics` does not name. */
  readonly conversionRate?: number
  /** Over-dispersion D ≥ 1 of request metrics: 1 where requests are independent of each other. */
  readonly dispersion?: number
  /** Quantiles of stable in ms. */
  readonly latency?: { readonly p50: number; readonly p99: number }
  /** By metric: its rate, or the mean and standard deviation per unit. */
  readonly metrics?: { readonly [metric: string]: BaseFigure }
}

export interface BaseFigure {
  readonly rate?: number
  readonly mean?: number
  readonly sd?: number
}

/** A metric as the planner counts it. */
export type Base = CountedBase | ValuedBase | { readonly kind: 'unplanned'; readonly why: string }

export interface CountedBase {
  readonly kind: 'counted'
  /** Requests or units per second, both arms together. */
  readonly perSecond: number
  /** What is counted of stable: failures, exceedances of its own quantile, conversions. */
  readonly rate: number
  /** Share above the margin times that quantile. */
  readonly scaledRate: number
  /** The rate of a canary whose figure is `factor` times stable's; for a success rate, whose failures are. */
  readonly changed: (factor: number) => number
  readonly dispersion: number
}

export interface ValuedBase {
  readonly kind: 'valued'
  readonly perSecond: number
  readonly mean: number
  readonly sd: number
}

/** Spread of latencies (sd of their logs) where none is given: p99 is about five times the median. */
export const assumedLatencySpread = 0.7

export function baseOf(metric: PlannedMetric, traffic: PlanTraffic): Base {
  switch (metric.kind) {
    case 'error_rate':
    case 'success_rate':
      return requestBase(metric, traffic)
    case 'latency':
      return latencyBase(metric, traffic)
    case 'conversion':
      return conversionBase(metric, traffic)
    case 'sum':
    case 'count':
      return valuedBase(metric, traffic)
    case 'mean':
    case 'ratio':
    case 'throughput':
    case 'external':
      return { kind: 'unplanned', why: `there is no formula yet for metrics of kind ${metric.kind}` }
  }
}

const missing = (what: string): Base => ({ kind: 'unplanned', why: `${what} is not given` })

function requestBase(metric: PlannedMetric, traffic: PlanTraffic): Base {
  const own = traffic.metrics?.[metric.key]?.rate
  const failures = own !== undefined && metric.kind === 'success_rate' ? 1 - own : own
  const rate = failures ?? (metric.errorKind === undefined ? traffic.errorRate : undefined)
  if (rate === undefined) {
    return missing(
      metric.errorKind === undefined ? 'errorRate' : `the rate of ${metric.key} (metrics.${metric.key}.rate)`,
    )
  }
  return counted(traffic.requestsPerSecond, rate, traffic.dispersion ?? 1)
}

function counted(perSecond: number, rate: number, dispersion: number): CountedBase {
  return {
    kind: 'counted',
    perSecond,
    rate,
    scaledRate: rate,
    changed: (factor) => Math.min(1, rate * factor),
    dispersion,
  }
}

/** Latencies are taken for log-normal between the median and the quantile: only how far a factor moves them matters. */
function latencyBase({ limits, margin }: PlannedMetric, traffic: PlanTraffic): Base {
  const rate = 1 - (limits?.quantile ?? 0.99)
  const z = normalQuantile(1 - rate)
  const spread = latencySpread(traffic)
  const above = (factor: number): number => normalCdf(-(z + Math.log(factor) / spread))
  return {
    kind: 'counted',
    perSecond: traffic.requestsPerSecond,
    rate,
    scaledRate: above(margin?.relative ?? 1),
    changed: (factor) => above(1 / factor),
    dispersion: traffic.dispersion ?? 1,
  }
}

function latencySpread({ latency }: PlanTraffic): number {
  if (latency === undefined) return assumedLatencySpread
  return Math.max(0.01, Math.log(latency.p99 / latency.p50) / normalQuantile(0.99))
}

/** Units are taken to convert soon after they come: the delay between the two is not planned. */
function conversionBase({ key }: PlannedMetric, traffic: PlanTraffic): Base {
  const rate = traffic.metrics?.[key]?.rate ?? traffic.conversionRate
  if (traffic.usersPerSecond === undefined) return missing('usersPerSecond')
  if (rate === undefined) return missing(`conversionRate (or metrics.${key}.rate)`)
  return counted(traffic.usersPerSecond, rate, 1)
}

function valuedBase({ key }: PlannedMetric, traffic: PlanTraffic): Base {
  const { mean, sd } = traffic.metrics?.[key] ?? {}
  if (traffic.usersPerSecond === undefined) return missing('usersPerSecond')
  if (mean === undefined || sd === undefined) return missing(`the mean and sd per user (metrics.${key}.mean and .sd)`)
  return { kind: 'valued', perSecond: traffic.usersPerSecond, mean, sd }
}
