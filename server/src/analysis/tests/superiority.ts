import { alternativeRates, logHarmEvalue } from '@pipit/shared/base'
import { type Dispersion, temper } from '../dispersion.ts'
import { type Counts, logLine, logSumExp } from '../e-value.ts'

/** Odds ratios of "better" with their weights: where more is better, and (inverted) where less is. */
const effects = [
  [1.025, 0.15],
  [1.05, 0.2],
  [1.1, 0.25],
  [1.25, 0.25],
  [2, 0.15],
] as const

/** "Must be better": e-values of one stage against "the canary is not better than θ times stable", by effect size. Plain JSON. */
export interface SuperiorityTest {
  readonly logs: readonly number[]
  readonly information: number
}

export const newSuperiority: SuperiorityTest = { logs: effects.map(() => 0), information: 0 }

/**
 * Adds a time bucket. `counts` are of the good or bad thing that the ratio is about, `q` its pooled rate known before, `up` whether more of
 * it is better.
 */
export function addSuperiorityTick(
  test: SuperiorityTest,
  counts: Counts,
  q: number,
  { theta, up }: { readonly theta: number; readonly up: boolean },
): SuperiorityTest {
  const { n1, x1, n0, x0 } = counts
  if (n1 === 0 || n0 === 0) return test
  const share = n1 / (n1 + n0)
  const one = (psi: number): number => {
    if (theta === 1) return logHarmEvalue(n1, x1, n0, x0, q, psi)
    const { stable, canary } = alternativeRates(q, share, psi * theta)
    const isBeyond = up ? canary > theta * stable : canary < theta * stable
    return isBeyond ? logLine(counts, { p1: canary, p0: stable }, theta) : 0
  }
  return {
    logs: test.logs.map((log, j) => {
      const psi = (effects[j] as readonly [number, number])[0]
      return log + one(up ? psi : 1 / psi)
    }),
    information: test.information + share * (1 - share) * (x1 + x0) * (1 - q),
  }
}

export function superiorityEvidence(test: SuperiorityTest, spread: Dispersion, armNoise: number): number {
  const factor = spread.factor + armNoise * armNoise * test.information
  return logSumExp(
    test.logs.map(
      (log, j) => Math.log((effects[j] as readonly [number, number])[1]) + temper(log, factor, spread.degrees),
    ),
  )
}
