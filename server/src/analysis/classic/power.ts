import { bisect } from '../special/bisect.ts'
import { normalCdf, normalQuantile, normalSf } from '../special/normal.ts'
import { mustBeFinite, mustBeProbability } from './check.ts'
import { cohenH } from './two-proportions.ts'

/** Where the canary is looked for: anywhere, above stable, below it. */
export type Alternative = 'two-sided' | 'larger' | 'smaller'

/** Two proportions, the error of either kind, and how stable is sized. */
export interface PowerQuestion {
  readonly p1: number
  readonly p0: number
  readonly alpha: number
  readonly alternative: Alternative
}

const tail = ({ alpha, alternative }: PowerQuestion): number => (alternative === 'two-sided' ? alpha / 2 : alpha)

/** Power of the arcsine test (Cohen's h) with n₁ canary and `ratio`·n₁ stable samples (Cohen 1988). */
export function powerByH(question: PowerQuestion, n1: number, ratio: number): number {
  const { p1, p0, alternative } = question
  mustBeProbability({ p1, p0, alpha: question.alpha })
  mustBeFinite({ n1, ratio })
  const shift = cohenH(p1, p0) * Math.sqrt(n1 / (1 + 1 / ratio))
  const critical = -normalQuantile(tail(question))
  const above = alternative === 'smaller' ? 0 : normalSf(critical - shift)
  const below = alternative === 'larger' ? 0 : normalCdf(-critical - shift)
  return above + below
}

/** Canary samples for a power by the arcsine test; undefined where no number reaches it. */
export function sizeByH(question: PowerQuestion, power: number, ratio: number): number | undefined {
  mustBeProbability({ power })
  mustBeFinite({ ratio })
  const most = 1e15
  if (powerByH(question, most, ratio) < power) return undefined
  return Math.exp(bisect((log) => powerByH(question, Math.exp(log), ratio) - power, Math.log(1e-6), Math.log(most)))
}

/** Power of two equal arms, pooled error under H₀ and unpooled under H₁: R's `power.prop.test`, not strict. */
export function powerOfEqualArms(question: PowerQuestion, n: number): number {
  const { p1, p0, alpha } = question
  mustBeProbability({ p1, p0, alpha })
  mustBeFinite({ n })
  const critical = -normalQuantile(tail(question))
  const pooled = (p1 + p0) * (1 - (p1 + p0) / 2)
  const apart = p1 * (1 - p1) + p0 * (1 - p0)
  return normalCdf((Math.sqrt(n) * Math.abs(p1 - p0) - critical * Math.sqrt(pooled)) / Math.sqrt(apart))
}

/** Samples in each of two equal arms: n = [z_{α/2}√(2p̄q̄) + z_β√(p₁q₁ + p₀q₀)]²/(p₁ − p₀)². */
export function sizeOfEqualArms(question: PowerQuestion, power: number): number | undefined {
  const { p1, p0, alpha } = question
  mustBeProbability({ p1, p0, alpha, power })
  if (p1 === p0) return undefined
  const pooled = (p1 + p0) * (1 - (p1 + p0) / 2)
  const apart = p1 * (1 - p1) + p0 * (1 - p0)
  const root = -normalQuantile(tail(question)) * Math.sqrt(pooled) + normalQuantile(power) * Math.sqrt(apart)
  return (root / (p1 - p0)) ** 2
}
