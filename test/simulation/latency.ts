import { normalSf } from '@pipit/server/analysis'
import type { Random } from '@pipit/shared/clock'
import { normal } from './draws.ts'

/** Latencies of an application: log-normal, with `paretoShare` of the requests from a Pareto tail (index 1.3, from 100 ms) where given. */
export interface Latency {
  readonly medianMs: number
  readonly sigma: number
  readonly paretoShare?: number
}

/** What a canary does to latencies: all of them times `scale`, those beyond stable's 90th percentile times `tail`. */
export interface Slowness {
  readonly scale: number
  readonly tail: number
}

const pareto = { index: 1.3, from: 100 } as const
/** Standard normal quantile of 0.9. */
const z90 = 1.2815515655446004

/** P(latency > ms) of a user whose latencies are `factor` times the typical ones. */
export function slowerThan(latency: Latency, ms: number, factor: number, slowness: Slowness): number {
  const own = factor * slowness.scale
  if (slowness.tail === 1) return tailOf(latency, ms / own)
  // Between the 90th percentile and `tail` times it there is nothing left.
  const p90 = latency.medianMs * Math.exp(latency.sigma * z90)
  const at = ms / own
  if (at <= p90) return tailOf(latency, at)
  return tailOf(latency, Math.max(p90, at / slowness.tail))
}

function tailOf({ medianMs, sigma, paretoShare = 0 }: Latency, ms: number): number {
  const body = normalSf(Math.log(ms / medianMs) / sigma)
  if (paretoShare === 0) return body
  return (1 - paretoShare) * body + paretoShare * Math.min(1, (ms / pareto.from) ** -pareto.index)
}

/** One latency of stable. */
export function drawLatency({ medianMs, sigma, paretoShare = 0 }: Latency, factor: number, random: Random): number {
  if (paretoShare > 0 && random() < paretoShare) return factor * pareto.from * (1 - random()) ** (-1 / pareto.index)
  return factor * medianMs * Math.exp(sigma * normal(random))
}
