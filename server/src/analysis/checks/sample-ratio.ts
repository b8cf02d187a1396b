import { logSumExp } from '../e-value.ts'
import type { ExposedBy } from '../evidence.ts'
import { logGamma } from '../special/log-gamma.ts'

/** Log Bayes factor of Dirichlet(c·w)-multinomial against multinomial(w) (Lindon & Malek 2022, arXiv 2011.03567). */
function logBayesFactor(counts: readonly number[], weights: readonly number[], concentration: number): number {
  const n = counts.reduce((sum, count) => sum + count, 0)
  let log = logGamma(concentration) - logGamma(concentration + n)
  counts.forEach((count, i) => {
    const w = weights[i] as number
    log += logGamma(concentration * w + count) - logGamma(concentration * w)
    if (count > 0) log -= count * Math.log(w)
  })
  return log
}

/** Sequential evidence against the planned split of newly exposed units (STATISTICS 6): an even mixture of c = 100 and 10 000. */
export function logSampleRatio(counts: readonly number[], weights: readonly number[]): number {
  return logSumExp([100, 10_000].map((concentration) => Math.log(0.5) + logBayesFactor(counts, weights, concentration)))
}

/** Alarm at e ≥ K/0.001 for K comparison stages. */
export function sampleRatioNeeded(stages: number): number {
  return Math.log(Math.max(1, stages) / 0.001)
}

/** Where a mismatch is: one value of one attribute, without which the rest is as planned. */
export interface Culprit {
  readonly attribute: string
  readonly value: string
  readonly canary: number
  readonly units: number
  /** Canary units that the plan would give so many units. */
  readonly expected: number
}

/**
 * Looks for the mismatch in what units have in common: the value with most evidence of one, corrected for how many were looked at, whose
 * absence leaves no mismatch. Undefined where there is none such: then it is everywhere, or nowhere in particular.
 */
export function findCulprit(
  exposedBy: ExposedBy,
  all: { readonly canary: number; readonly stable: number },
  share: number,
  needed: number,
): Culprit | undefined {
  const weights = [share, 1 - share]
  const entries = Object.entries(exposedBy).flatMap(([attribute, values]) =>
    Object.entries(values).map(([value, arms]) => ({ attribute, value, ...arms })),
  )
  const scored = entries
    .map((entry) => ({ ...entry, log: logSampleRatio([entry.canary, entry.stable], weights) }))
    .filter(({ log }) => log - Math.log(entries.length) >= Math.log(1 / 0.001))
    .sort((a, b) => b.log - a.log)
  for (const { attribute, value, canary, stable } of scored) {
    const rest = [Math.max(0, all.canary - canary), Math.max(0, all.stable - stable)]
    const isAllThereIs = rest.every((count) => count === 0)
    if (isAllThereIs || logSampleRatio(rest, weights) >= needed) continue
    return { attribute, value, canary, units: canary + stable, expected: share * (canary + stable) }
  }
  return undefined
}
