import { logSumExp } from './e-value.ts'
import { logGamma } from './log-gamma.ts'

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
