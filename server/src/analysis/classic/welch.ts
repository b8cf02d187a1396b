import { studentT, studentTQuantile } from '../special/beta.ts'
import { chiSquare } from '../special/gamma.ts'
import { mustBeFinite, mustBeFiniteList } from './check.ts'

/** Mean, standard deviation (n − 1) and size of an arm. */
export interface Sample {
  readonly mean: number
  readonly sd: number
  readonly n: number
}

/** Welch's t test (1947) of canary against stable with Satterthwaite's degrees of freedom; undefined where nothing varies or n < 2. */
export function welch(
  canary: Sample,
  stable: Sample,
  alpha = 0.05,
):
  | {
      readonly t: number
      readonly df: number
      readonly pTwoSided: number
      readonly interval: readonly [number, number]
    }
  | undefined {
  mustBeFinite({ mean1: canary.mean, sd1: canary.sd, n1: canary.n, mean0: stable.mean, sd0: stable.sd, n0: stable.n })
  const v1 = canary.sd ** 2 / canary.n
  const v0 = stable.sd ** 2 / stable.n
  if (canary.n < 2 || stable.n < 2 || !(v1 + v0 > 0)) return undefined
  const error = Math.sqrt(v1 + v0)
  const difference = canary.mean - stable.mean
  const t = difference / error
  const df = (v1 + v0) ** 2 / (v1 ** 2 / (canary.n - 1) + v0 ** 2 / (stable.n - 1))
  const half = studentTQuantile(1 - alpha / 2, df) * error
  return { t, df, pTwoSided: 2 * studentT(Math.abs(t), df).sf, interval: [difference - half, difference + half] }
}

/** Variance of ΣY/ΣN over units, by linearisation (delta method, n − 1): V = n/(n − 1)·Σ(d − d̄)²/(ΣN)², d = Y − R·N. */
export function ratioVariance(
  y: readonly number[],
  n: readonly number[],
): { readonly ratio: number; readonly variance: number } | undefined {
  mustBeFiniteList('y', y)
  mustBeFiniteList('n', n)
  const units = y.length
  const total = n.reduce((sum, value) => sum + value, 0)
  if (units < 2 || total === 0) return undefined
  const ratio = y.reduce((sum, value) => sum + value, 0) / total
  const residuals = y.map((value, i) => value - ratio * (n[i] as number))
  const mean = residuals.reduce((sum, value) => sum + value, 0) / units
  const squares = residuals.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { ratio, variance: ((units / (units - 1)) * squares) / total ** 2 }
}

/** Pearson's chi-square of counts against planned shares: the classic sample-ratio check, a report only. Undefined of no counts. */
export function chiSquareSplit(
  counts: readonly number[],
  shares: readonly number[],
): { readonly chiSquare: number; readonly p: number } | undefined {
  mustBeFiniteList('counts', counts)
  mustBeFiniteList('shares', shares)
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (!(total > 0)) return undefined
  const statistic = counts.reduce((sum, count, i) => {
    const expected = total * (shares[i] as number)
    return sum + (count - expected) ** 2 / expected
  }, 0)
  return { chiSquare: statistic, p: chiSquare(statistic, counts.length - 1).sf }
}
