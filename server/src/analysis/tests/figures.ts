import type { ArmFigures } from '../judgement.ts'

/** An arm's figure: `x` over `n`, without a rate where there is nothing. */
export function figures(n: number, x: number): ArmFigures {
  return n > 0 ? { n, x, rate: x / n } : { n: 0, x: 0 }
}
