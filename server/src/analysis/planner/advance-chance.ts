import { feasibleErrors, finalZ, logShown } from '../non-inferiority.ts'
import { normalCdf } from '../special/normal.ts'
import { crossedBy } from './first-passage.ts'

/** Information on the log risk ratio of two arms that both have rate p: 1 / [D((1−p)/(n₁p) + (1−p)/(n₀p))]; 0 where nothing is known. */
export function informationOf(n1: number, n0: number, p: number, dispersion = 1): number {
  if (!(n1 > 0 && n0 > 0 && p > 0)) return 0
  return 1 / (dispersion * ((1 - p) / (n1 * p) + (1 - p) / (n0 * p)))
}

/** The narrowest ratio that this information can show: exp(4.3/√I) (STATISTICS 5.3); infinite without information. */
export function feasibleMargin(information: number): number {
  return information > 0 ? Math.exp(feasibleErrors / Math.sqrt(information)) : Number.POSITIVE_INFINITY
}

/**
 * Chance that an equal canary has shown its margin by evidence, when the margin is `distance` standard errors away: the log e-value then
 * has mean d²/2 and variance d² and has to reach log 40.
 */
export function passedByEvidence(distance: number): number {
  if (!(distance > 0)) return 0
  return crossedBy(1, logShown, { mean: distance ** 2 / 2, variance: distance ** 2 })
}

/** Steps of the integral over what the first look saw. */
const steps = 400

/** Where the scores of an equal canary lie at the two final looks, in standard errors of the test. */
export interface FinalScores {
  readonly first: number
  readonly second: number
  /** Standard error under the margin over that of the truth: how much narrower the scores scatter than 1. */
  readonly sharpness: number
}

export function passedFirstLook({ first, sharpness }: FinalScores): number {
  return normalCdf(sharpness * (first - finalZ[0]))
}

/**
 * Chance of passing the first or the second final look. The second looks at all the first has seen and more: the two scores correlate by
 * the ratio of their distances.
 */
export function passedEitherLook({ first, second, sharpness }: FinalScores): number {
  const correlation = second > 0 ? Math.min(1, Math.max(0, first / second)) : Math.SQRT1_2
  const rest = Math.sqrt(1 - correlation ** 2)
  const end = Math.min(9, sharpness * (finalZ[0] - first))
  const last = sharpness * (finalZ[1] - second)
  if (rest < 1e-9) return normalCdf(-Math.min(end, last))
  const start = Math.min(-9, end - 9)
  const width = (end - start) / steps
  let missed = 0
  for (let i = 0; i <= steps; i++) {
    const seen = start + i * width
    const both = Math.exp((-seen * seen) / 2) * normalCdf((last - correlation * seen) / rest)
    missed += both * (i === 0 || i === steps ? 1 : i % 2 === 1 ? 4 : 2)
  }
  return Math.min(1, Math.max(0, 1 - (missed * width) / 3 / Math.sqrt(2 * Math.PI)))
}
