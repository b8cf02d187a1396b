import { degreesOf, temper } from './dispersion.ts'
import { logSumExp } from './e-value.ts'

/** Sums by user bucket of one arm: what is counted, and what it is divided by. */
export interface ArmSums {
  readonly y: ArrayLike<number>
  readonly d: ArrayLike<number>
}

/** The contrast R₁ − θR₀ of two means per unit (or ratios) with its variance from the buckets of users. */
export interface MeanContrast {
  /** R = Σy / Σd of each arm. */
  readonly canary: number
  readonly stable: number
  /** Σd of each arm. */
  readonly canaryUnits: number
  readonly stableUnits: number
  readonly difference: number
  /** Variance of R₁ and R₀ by themselves, and the worst-of-three variance of the contrast (STATISTICS 4.3). */
  readonly canaryVariance: number
  readonly stableVariance: number
  readonly variance: number
  /** ν = 3(Σr²)²/Σr⁴ − 1, at least 1. */
  readonly degrees: number
}

/** Relative effect sizes with their weights (STATISTICS 4.3). */
export const meanEffects = [
  [0.02, 0.1],
  [0.05, 0.25],
  [0.1, 0.35],
  [0.2, 0.2],
  [0.5, 0.1],
] as const

interface Spread {
  readonly mean: number
  readonly total: number
  readonly squares: number
  readonly fourths: number
}

function spreadOf({ y, d }: ArmSums): Spread {
  let total = 0
  let sum = 0
  for (let b = 0; b < y.length; b++) {
    total += d[b] as number
    sum += y[b] as number
  }
  const mean = total > 0 ? sum / total : 0
  let squares = 0
  let fourths = 0
  for (let b = 0; total > 0 && b < y.length; b++) {
    const r = ((y[b] as number) - mean * (d[b] as number)) / total
    squares += r * r
    fourths += r ** 4
  }
  return { mean, total, squares, fourths }
}

/**
 * Delta method with users clustered in buckets: r = (y − R·d)/Σd, V = B/(B−1)·Σr². The variance is the largest of V₁ + θ²V₀, that of pooled
 * users, and that of stable's users alone: where no large value has come to a small canary yet, its own variance is too small.
 * Undefined where an arm is empty.
 */
export function meanContrast(canary: ArmSums, stable: ArmSums, theta = 1): MeanContrast | undefined {
  const one = spreadOf(canary)
  const zero = spreadOf(stable)
  if (!(one.total > 0 && zero.total > 0)) return undefined
  const correction = canary.y.length / (canary.y.length - 1)
  const v1 = correction * one.squares
  const v0 = correction * zero.squares
  const n1 = one.total
  const n0 = zero.total
  const pooled = (n1 * n1 * v1 + n0 * n0 * v0) / (n1 + n0)
  const square = theta * theta
  const squares = one.squares + zero.squares
  const fourths = one.fourths + zero.fourths
  return {
    canary: one.mean,
    stable: zero.mean,
    canaryUnits: n1,
    stableUnits: n0,
    difference: one.mean - theta * zero.mean,
    canaryVariance: v1,
    stableVariance: v0,
    variance: Math.max(v1 + square * v0, pooled * (1 / n1 + square / n0), (n0 * v0) / n1 + square * v0),
    degrees: fourths > 0 ? degreesOf(squares, fourths) : 1,
  }
}

/** One alternative: log e = T((dΔ − d²/2)/V; 1, ν) against "the contrast is 0", 0 where nothing varies. */
export function contrastEvidence({ difference, variance, degrees }: MeanContrast, effect: number): number {
  return variance > 0 ? temper((effect * difference - (effect * effect) / 2) / variance, 1, degrees) : 0
}

/** The mixture over effect sizes of stable's mean, in the direction of `down` (the canary has less) or up (STATISTICS 4.3). */
export function meanEvidence(contrast: MeanContrast, down: boolean): number {
  const scale = (down ? -1 : 1) * Math.abs(contrast.stable)
  return logSumExp(meanEffects.map(([effect, weight]) => Math.log(weight) + contrastEvidence(contrast, effect * scale)))
}
