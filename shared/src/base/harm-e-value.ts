/**
 * Rates of the two arms with odds ratio `psi` whose traffic-weighted mean is `q`; `share` is the canary's part of the traffic.
 * STATISTICS 3.1: b = 1 + πa − qa, p₀ = 2q / (b + √(b² + 4(1−π)aq)), p₁ = ψp₀ / (1 + ap₀), a = ψ − 1.
 */
export function alternativeRates(
  q: number,
  share: number,
  psi: number,
): { readonly stable: number; readonly canary: number } {
  const a = psi - 1
  const b = 1 + share * a - q * a
  const stable = (2 * q) / (b + Math.sqrt(b * b + 4 * (1 - share) * a * q))
  return { stable, canary: (psi * stable) / (1 + a * stable) }
}

/**
 * Log e-value of one time bucket against "the canary is no worse than stable": `x1` of `n1` canary and `x0` of `n0` stable
 * requests are bad, `q` is the pooled rate known before the bucket. Its expectation is at most 1 whenever the canary's true rate is
 * not above stable's, for any traffic and base rate (Turner, Ly, Grünwald 2024, arXiv 2106.02693). 0 where an arm is empty.
 */
export function logHarmEvalue(n1: number, x1: number, n0: number, x0: number, q: number, psi: number): number {
  if (n1 === 0 || n0 === 0) return 0
  const { stable, canary } = alternativeRates(q, n1 / (n1 + n0), psi)
  return (
    x1 * Math.log1p((canary - q) / q) +
    (n1 - x1) * Math.log1p((q - canary) / (1 - q)) +
    x0 * Math.log1p((stable - q) / q) +
    (n0 - x0) * Math.log1p((q - stable) / (1 - q))
  )
}
