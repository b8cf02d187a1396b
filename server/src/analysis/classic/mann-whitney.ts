import { normalSf } from '../special/normal.ts'
import { mustBeFiniteList } from './check.ts'

/** Mann and Whitney's U of canary against stable. p-values are undefined where all values are alike or an arm is empty. */
export interface MannWhitney {
  /** Pairs in which the canary's value is the larger, ties counting half. */
  readonly u: number
  /** Rank-biserial correlation 2U/(n₁n₀) − 1. */
  readonly rankBiserial: number
  /** The chance that a canary value is above a stable one, ties counting half. */
  readonly cles: number
  readonly z: number | undefined
  readonly pTwoSided: number | undefined
  readonly pGreater: number | undefined
  readonly pLess: number | undefined
}

/**
 * From histograms of the same bins, exact for binned values (STATISTICS 11): var = n₁n₀/12·[(N + 1) − Σ(t³ − t)/(N(N − 1))], with a
 * continuity correction of ½ unless told otherwise. `z` has the correction of the two-sided test. Undefined where an arm is empty. Throws `RangeError`.
 */
export function mannWhitney(
  canary: ArrayLike<number>,
  stable: ArrayLike<number>,
  continuity = true,
): MannWhitney | undefined {
  mustBeFiniteList('canary', canary)
  mustBeFiniteList('stable', stable)
  let n1 = 0
  let n0 = 0
  let u = 0
  let ties = 0
  for (let k = 0; k < Math.max(canary.length, stable.length); k++) {
    const a = canary[k] ?? 0
    const b = stable[k] ?? 0
    u += a * (n0 + b / 2)
    n1 += a
    n0 += b
    const tied = a + b
    ties += tied * (tied * tied - 1)
  }
  if (!(n1 > 0 && n0 > 0)) return undefined
  const total = n1 + n0
  const effect = { u, rankBiserial: (2 * u) / (n1 * n0) - 1, cles: u / (n1 * n0) }
  const variance = ((n1 * n0) / 12) * (total + 1 - ties / (total * (total - 1)))
  const centred = u - (n1 * n0) / 2
  if (!(variance > 0)) return { ...effect, z: undefined, pTwoSided: undefined, pGreater: undefined, pLess: undefined }
  const half = continuity ? 0.5 : 0
  const root = Math.sqrt(variance)
  const towards = Math.max(0, Math.abs(centred) - half) / root
  return {
    ...effect,
    z: Math.sign(centred) * towards,
    pTwoSided: Math.min(1, 2 * normalSf((Math.abs(centred) - half) / root)),
    pGreater: normalSf((centred - half) / root),
    pLess: normalSf((-centred - half) / root),
  }
}

/** The same from values. */
export function mannWhitneyOf(
  canary: readonly number[],
  stable: readonly number[],
  continuity = true,
): MannWhitney | undefined {
  mustBeFiniteList('canary', canary)
  mustBeFiniteList('stable', stable)
  const bins = new Map([...new Set([...canary, ...stable])].sort((a, b) => a - b).map((value, i) => [value, i]))
  const count = (values: readonly number[]): number[] => {
    const counts = new Array<number>(bins.size).fill(0)
    for (const value of values) counts[bins.get(value) ?? 0] = (counts[bins.get(value) ?? 0] ?? 0) + 1
    return counts
  }
  return mannWhitney(count(canary), count(stable), continuity)
}
