import { type RivalName, rivalNames } from './rivals.ts'
import type { Detection, Outcome } from './simulate.ts'

/** Detections of one side. Medians count a run without one as endless. */
export interface Found {
  /** Share of the runs, without those reverted before the harm. */
  readonly share: number
  readonly falseShare: number
  readonly medianRequests: number
  readonly p90Requests: number
  readonly medianSeconds: number
}

export interface Summary {
  readonly runs: number
  readonly succeeded: number
  readonly reverted: number
  readonly undecided: number
  /** Reverts by the statistical test, and by anything else (the circuit breaker). */
  readonly reasons: { readonly [reason: string]: number }
  /** Upper 95 % bound of the share of reverts (Clopper and Pearson 1934). */
  readonly revertedAtMost: number
  readonly revertedAtLeast: number
  readonly succeededAtMost: number
  readonly judge: Found
  readonly rivals: { readonly [K in RivalName]: Found }
  readonly medianUsersHit: number
  /** Of the runs that completed. */
  readonly medianMinutes: number
  readonly p90Minutes: number
  /** Runs undecided or waved through, by stage. */
  readonly stuck: readonly number[]
  readonly blindAdvances: number
  /** Runs in which no interval ever missed. */
  readonly covered: number
  readonly uncovered: { readonly [metric: string]: number }
}

export function summarise(outcomes: readonly Outcome[]): Summary {
  const runs = outcomes.length
  const count = (end: Outcome['end']): number => outcomes.filter((outcome) => outcome.end === end).length
  const reverted = count('reverted')
  const finished = outcomes.filter(({ end }) => end === 'succeeded').map(({ ticks }) => ticks / 12)
  const ended = outcomes.filter(({ end }) => end !== 'succeeded')
  return {
    runs,
    succeeded: count('succeeded'),
    reverted,
    undecided: count('undecided'),
    reasons: tally(ended.map(({ end, reason }) => (end === 'reverted' ? `reverted: ${reason}` : reason))),
    revertedAtMost: upperBound(reverted, runs),
    revertedAtLeast: 1 - upperBound(runs - reverted, runs),
    succeededAtMost: upperBound(count('succeeded'), runs),
    judge: foundOf(outcomes.map(({ revert }) => revert)),
    rivals: Object.fromEntries(
      rivalNames.map((name) => [name, foundOf(outcomes.map(({ rivals }) => rivals[name]))]),
    ) as Summary['rivals'],
    medianUsersHit: quantile(
      outcomes.flatMap(({ revert }) => (revert === undefined ? [] : [revert.usersHit])),
      0.5,
    ),
    medianMinutes: quantile(finished, 0.5),
    p90Minutes: quantile(finished, 0.9),
    stuck: [0, 1, 2, 3].map(
      (stage) =>
        outcomes.filter(
          ({ end, waved, stage: last }) => waved.includes(stage) || (end === 'undecided' && last === stage),
        ).length,
    ),
    blindAdvances: outcomes.reduce((sum, { blindAdvances }) => sum + blindAdvances, 0),
    covered: outcomes.filter(({ uncovered }) => uncovered.length === 0).length,
    uncovered: tally(outcomes.flatMap(({ uncovered }) => uncovered)),
  }
}

function tally(names: readonly string[]): { [name: string]: number } {
  const counts: { [name: string]: number } = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

function foundOf(all: readonly (Detection | undefined)[]): Found {
  const judged = all.filter((found) => found?.isFalse !== true)
  const requests = judged.map((found) => found?.canaryRequests ?? Number.POSITIVE_INFINITY)
  const seconds = judged.map((found) => found?.seconds ?? Number.POSITIVE_INFINITY)
  return {
    share: judged.filter((found) => found !== undefined).length / judged.length,
    falseShare: 1 - judged.length / all.length,
    medianRequests: quantile(requests, 0.5),
    p90Requests: quantile(requests, 0.9),
    medianSeconds: quantile(seconds, 0.5),
  }
}

function quantile(values: readonly number[], q: number): number {
  return [...values].sort((a, b) => a - b)[Math.floor(q * (values.length - 1))] ?? Number.NaN
}

/** The largest rate at which `x` or fewer of `n` still have a chance of 5 %, by bisection of the binomial distribution. */
export function upperBound(x: number, n: number): number {
  if (x >= n) return 1
  let low = x / n
  let high = 1
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2
    if (atMost(x, n, middle) > 0.05) low = middle
    else high = middle
  }
  return high
}

/** P(X ≤ x) of a binomial number. */
function atMost(x: number, n: number, p: number): number {
  let log = n * Math.log1p(-p)
  let sum = Math.exp(log)
  for (let k = 1; k <= x; k++) {
    log += Math.log((n - k + 1) / k) + Math.log(p / (1 - p))
    sum += Math.exp(log)
  }
  return sum
}
