import type { RunResult } from './run-rollout.ts'

export interface Summary {
  readonly runs: number
  readonly reverted: number
  readonly succeeded: number
  readonly undecided: number
  readonly wavedThrough: number
  readonly medianCanaryRequests: number
  readonly p90CanaryRequests: number
  readonly medianSeconds: number
}

export function summarise(results: readonly RunResult[]): Summary {
  const count = (end: RunResult['end']): number => results.filter((result) => result.end === end).length
  const quantile = (values: readonly number[], q: number): number =>
    [...values].sort((a, b) => a - b)[Math.floor(q * (values.length - 1))] ?? Number.NaN
  const requests = results.map((result) => result.canaryRequests)
  return {
    runs: results.length,
    reverted: count('reverted'),
    succeeded: count('succeeded'),
    undecided: count('undecided'),
    wavedThrough: results.reduce((sum, result) => sum + result.wavedThrough, 0),
    medianCanaryRequests: quantile(requests, 0.5),
    p90CanaryRequests: quantile(requests, 0.9),
    medianSeconds: quantile(
      results.map((result) => result.ticks * 5),
      0.5,
    ),
  }
}
