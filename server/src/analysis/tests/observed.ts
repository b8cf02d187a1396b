import { logSumExp } from '../e-value.ts'
import type { Tick } from '../evidence.ts'
import type { PlannedMetric } from '../plan.ts'

/** How often the canary's figure is on one side, if it is: alternatives to "as often as not", with their weights. */
const shares = [
  [0.6, 0.4],
  [0.75, 0.4],
  [0.9, 0.2],
] as const

/**
 * Figures that somebody else measures, one of each arm per time bucket, are compared by their order alone: under "no worse than stable" the
 * canary's is the worse one at most as often as not. A sign test of a mixture of Bernoulli alternatives, valid at every look as long as the
 * signs of successive differences are not correlated; ties say nothing. One stage; plain JSON.
 */
export interface SignTest {
  readonly logs: readonly number[]
}

const newSigns: SignTest = { logs: shares.map(() => 0) }

function addSign({ logs }: SignTest, isSo: boolean): SignTest {
  return {
    logs: logs.map((log, j) => {
      const share = (shares[j] as readonly [number, number])[0]
      return log + Math.log(2 * (isSo ? share : 1 - share))
    }),
  }
}

const evidenceOf = ({ logs }: SignTest): number =>
  logSumExp(logs.map((log, j) => Math.log((shares[j] as readonly [number, number])[1]) + log))

/** What is remembered of an external metric. Sums and counts are of time buckets in which the arm had a figure. */
export interface ObservedMemory {
  readonly harm: SignTest
  readonly within: SignTest
  readonly beyond: SignTest
  readonly canary: { readonly sum: number; readonly count: number }
  readonly stable: { readonly sum: number; readonly count: number }
  /** log e of the harm and limit tests of comparison stages that are over. */
  readonly ended: { readonly harm: readonly number[]; readonly beyond: readonly number[] }
}

export const newObserved: ObservedMemory = {
  harm: newSigns,
  within: newSigns,
  beyond: newSigns,
  canary: { sum: 0, count: 0 },
  stable: { sum: 0, count: 0 },
  ended: { harm: [], beyond: [] },
}

export function addObservedTick(
  memory: ObservedMemory,
  metric: PlannedMetric,
  tick: Tick,
  warm: boolean,
): ObservedMemory {
  const figures = tick.external?.[metric.key]
  if (figures === undefined) return memory
  const canary = meanOf(figures.canary)
  const stable = meanOf(figures.stable)
  const after = { ...memory, canary: addTo(memory.canary, canary), stable: addTo(memory.stable, stable) }
  return withLimit(withComparison(after, metric, canary, stable, warm), metric, canary)
}

const meanOf = ({ sum, count }: { readonly sum: number; readonly count: number }): number | undefined =>
  count > 0 ? sum / count : undefined

const addTo = (total: ObservedMemory['canary'], value: number | undefined): ObservedMemory['canary'] =>
  value === undefined ? total : { sum: total.sum + value, count: total.count + 1 }

function withComparison(
  memory: ObservedMemory,
  metric: PlannedMetric,
  canary: number | undefined,
  stable: number | undefined,
  warm: boolean,
): ObservedMemory {
  if (canary === undefined || stable === undefined || metric.margin === undefined) return memory
  const sign = metric.higherIsBetter ? 1 : -1
  const tolerated = stable * (metric.guard?.null === 'margin' ? (metric.margin.relative ?? 1) : 1)
  const bound = stable * (metric.margin.relative ?? 1)
  const harm = canary === tolerated ? memory.harm : addSign(memory.harm, sign * (canary - tolerated) < 0)
  const within = !warm || canary === bound ? memory.within : addSign(memory.within, sign * (canary - bound) > 0)
  return { ...memory, harm, within }
}

function withLimit(memory: ObservedMemory, { never }: PlannedMetric, canary: number | undefined): ObservedMemory {
  if (never === undefined || canary === undefined) return memory
  const isBeyond = never.above === undefined ? canary < (never.below ?? 0) : canary > never.above
  return { ...memory, beyond: addSign(memory.beyond, isBeyond) }
}

/** A comparison stage is over: its evidence stays, the next begins with none. */
export function endObservedStage(memory: ObservedMemory): ObservedMemory {
  const { harm, beyond } = memory.ended
  return {
    ...memory,
    harm: newSigns,
    within: newSigns,
    beyond: newSigns,
    ended: { harm: [...harm, evidenceOf(memory.harm)], beyond: [...beyond, evidenceOf(memory.beyond)] },
  }
}

/** log e-values of harm and of being beyond the limit by comparison stage, and of this stage being within the margin. */
export function lookAtObserved(memory: ObservedMemory): {
  readonly harm: readonly number[]
  readonly beyond: readonly number[]
  readonly within: number
} {
  return {
    harm: [...memory.ended.harm, evidenceOf(memory.harm)],
    beyond: [...memory.ended.beyond, evidenceOf(memory.beyond)],
    within: evidenceOf(memory.within),
  }
}
