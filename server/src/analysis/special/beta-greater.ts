import { beta, logBeta } from './beta.ts'

/** Nodes and weights of the 8-point Gauss-Legendre rule (Abramowitz & Stegun 25.4). */
const rule = [
  [0.1834346424956498, 0.362683783378362],
  [0.525532409916329, 0.3137066458778873],
  [0.7966664774136267, 0.2223810344533745],
  [0.9602898564975363, 0.1012285362903763],
] as const
const panels = 64
/** Standard deviations to either side of the mean that are integrated over. */
const reach = 16

/**
 * P(B₁ > B₀) of independent B₁ ~ Beta(a₁, b₁) and B₀ ~ Beta(a₀, b₀): ∫ f₁(x)·F₀(x) dx over x = sin²θ, where the density stays bounded for
 * parameters from ½. All parameters at least ½.
 */
export function betaGreater(
  one: { readonly a: number; readonly b: number },
  zero: { readonly a: number; readonly b: number },
): number {
  const { a, b } = one
  const mean = a / (a + b)
  const sd = Math.sqrt((a * b) / ((a + b) ** 2 * (a + b + 1)))
  const angle = (x: number): number => Math.asin(Math.sqrt(Math.min(1, Math.max(0, x))))
  const low = angle(mean - reach * sd)
  const width = (angle(mean + reach * sd) - low) / panels
  const logNorm = logBeta(a, b) - Math.LN2
  const at = (theta: number): number => {
    const sin = Math.sin(theta)
    const cos = Math.cos(theta)
    const log = (2 * a - 1) * Math.log(sin) + (2 * b - 1) * Math.log(cos) - logNorm
    return Math.exp(log) * beta(sin * sin, zero.a, zero.b, cos * cos).cdf
  }
  let sum = 0
  for (let i = 0; i < panels; i++) {
    const middle = low + (i + 0.5) * width
    for (const [node, weight] of rule) {
      sum += weight * (at(middle - (node * width) / 2) + at(middle + (node * width) / 2))
    }
  }
  return Math.min(1, (sum * width) / 2)
}
