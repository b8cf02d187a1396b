import { logHarmEvalue } from '@pipit/shared/base'
import { type Dispersion, temper } from '../dispersion.ts'
import { type Counts, logSumExp, prefixRate } from '../e-value.ts'
import type { Requests, Tick } from '../evidence.ts'
import { effectGrid } from '../harm-process.ts'
import type { PlannedMetric } from '../plan.ts'
import { sliceLimits } from '../slice-limits.ts'

/** Part of a guard's weight that is given to its slices, where the rollout declares any; divided evenly among all values there may be. */
const sliceShare = 0.3

/** One value of one attribute: the harm test of STATISTICS 3 with one start for each stage. Plain JSON. */
export interface SliceTest {
  /** Σ log e-values by effect size, in this stage. */
  readonly logs: readonly number[]
  readonly information: number
  readonly counts: Counts
  /** Of all stages, for people. */
  readonly totals: Counts
  /** log e of this stage at the last look, log Σ e of the stages before (0 where there were none), and how many they were. */
  readonly latest: number
  readonly ended: number
  readonly stages: number
}

export type SliceMemory = { readonly [attribute: string]: { readonly [value: string]: SliceTest } }

/** What was found in a slice. */
export interface SliceFinding {
  readonly attribute: string
  readonly value: string
  readonly counts: Counts
  /** log of its own e-process. */
  readonly log: number
}

const none: Counts = { n1: 0, x1: 0, n0: 0, x0: 0 }
const grid = effectGrid.up
const newTest: SliceTest = {
  logs: grid.map(() => 0),
  information: 0,
  counts: none,
  totals: none,
  latest: 0,
  ended: 0,
  stages: 0,
}

const plus = (a: Counts, b: Counts): Counts => ({
  n1: a.n1 + b.n1,
  x1: a.x1 + b.x1,
  n0: a.n0 + b.n0,
  x0: a.x0 + b.x0,
})

/** Slices count requests: rates of all failures, and latencies. */
export function isSliced({ kind, errorKind, guard }: PlannedMetric): boolean {
  const counts = kind === 'success_rate' || kind === 'latency' || (kind === 'error_rate' && errorKind === undefined)
  return counts && guard?.worseThan !== undefined
}

export function addSliceTick(
  memory: SliceMemory,
  metric: PlannedMetric,
  slices: NonNullable<Tick['slices']>,
): SliceMemory {
  const after: { [attribute: string]: SliceMemory[string] } = { ...memory }
  for (const [attribute, values] of Object.entries(slices)) {
    const known: { [value: string]: SliceTest } = { ...after[attribute] }
    for (const [value, { canary, stable }] of Object.entries(values)) {
      known[value] = addCounts(known[value] ?? newTest, countsOf(metric, canary, stable), metric.prior)
    }
    after[attribute] = known
  }
  return after
}

function countsOf({ limits }: PlannedMetric, canary: Requests, stable: Requests): Counts {
  if (limits === undefined) return { n1: canary.n, x1: canary.failed, n0: stable.n, x0: stable.failed }
  const { at, of } = limits
  const isCounted = (side: Requests): boolean => at !== undefined && side.over.length === of
  return {
    n1: isCounted(canary) ? canary.timed : 0,
    x1: isCounted(canary) ? (canary.over[at ?? 0] ?? 0) : 0,
    n0: isCounted(stable) ? stable.timed : 0,
    x0: isCounted(stable) ? (stable.over[at ?? 0] ?? 0) : 0,
  }
}

function addCounts(test: SliceTest, counts: Counts, prior: number): SliceTest {
  const { n1, x1, n0, x0 } = counts
  const before = test.counts
  const q = prefixRate(before.x1 + before.x0, before.n1 + before.n0, prior)
  const share = n1 + n0 > 0 ? n1 / (n1 + n0) : 0.5
  return {
    ...test,
    logs: test.logs.map((log, j) => log + logHarmEvalue(n1, x1, n0, x0, q, (grid[j] as readonly [number, number])[0])),
    information: test.information + share * (1 - share) * (x1 + x0) * (1 - q),
    counts: plus(before, counts),
    totals: plus(test.totals, counts),
  }
}

/** A comparison stage is over: its evidence is frozen. */
export function endSliceStage(memory: SliceMemory): SliceMemory {
  return mapTests(memory, (test) => ({
    ...newTest,
    totals: test.totals,
    ended: test.stages === 0 ? test.latest : logSumExp([test.ended, test.latest]),
    stages: test.stages + 1,
  }))
}

function mapTests(memory: SliceMemory, change: (test: SliceTest) => SliceTest): SliceMemory {
  return Object.fromEntries(
    Object.entries(memory).map(([attribute, values]) => [
      attribute,
      Object.fromEntries(Object.entries(values).map(([value, test]) => [value, change(test)])),
    ]),
  )
}

/**
 * All slices of a metric together with the whole: log of (1 − λ)·M + Σ λ/(17A)·M_slice, an e-process as M is. `attributes`: how many the
 * rollout declares (A); values that never came count 1. The over-dispersion is that of the whole.
 */
export function lookAtSlices(
  memory: SliceMemory,
  logHarm: number,
  {
    attributes,
    planned,
    spread,
    armNoise,
  }: {
    readonly attributes: number
    readonly planned: number
    readonly spread: Dispersion
    readonly armNoise: number
  },
): {
  readonly memory: SliceMemory
  readonly log: number
  readonly found: readonly SliceFinding[]
  readonly loudest: number
} {
  const one = Math.log(sliceShare / (attributes * (sliceLimits.values + 1)))
  const after = mapTests(memory, (test) => ({ ...test, latest: stageEvidence(test, spread, armNoise) }))
  const found = Object.entries(after).flatMap(([attribute, values]) =>
    Object.entries(values).map(([value, test]) => ({
      attribute,
      value,
      counts: test.totals,
      log: overAll(test, Math.max(1, planned)),
    })),
  )
  const unused = sliceShare - found.length * Math.exp(one)
  const parts = [Math.log(1 - sliceShare) + logHarm, ...found.map(({ log }) => one + log)]
  if (unused > 0) parts.push(Math.log(unused))
  found.sort((a, b) => b.log - a.log)
  return {
    memory: after,
    log: logSumExp(parts),
    found,
    loudest: found[0] === undefined ? Number.NEGATIVE_INFINITY : one + found[0].log,
  }
}

function stageEvidence({ logs, information }: SliceTest, spread: Dispersion, armNoise: number): number {
  const factor = spread.factor + armNoise * armNoise * information
  return logSumExp(
    logs.map((log, j) => Math.log((grid[j] as readonly [number, number])[1]) + temper(log, factor, spread.degrees)),
  )
}

/** (1/K)·Σ e over the stages; those that have not begun count 1. */
function overAll({ latest, ended, stages }: SliceTest, planned: number): number {
  if (stages >= planned) return ended - Math.log(planned)
  const waiting = planned - stages - 1
  const parts = [latest, ...(stages > 0 ? [ended] : []), ...(waiting > 0 ? [Math.log(waiting)] : [])]
  return logSumExp(parts) - Math.log(planned)
}
