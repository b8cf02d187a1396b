const halfLogTwoPi = 0.5 * Math.log(2 * Math.PI)

/**
 * log Γ(x) for x > 0, to about 1e-14 relative: Stirling's series with Bernoulli terms (Abramowitz & Stegun 6.1.41) from x ≥ 10, below
 * that by Γ(x) = Γ(x + k) / (x(x + 1)…(x + k − 1)).
 */
export function logGamma(x: number): number {
  let shift = 0
  let z = x
  if (z < 10) {
    let product = 1
    while (z < 10) {
      product *= z
      z++
    }
    shift = Math.log(product)
  }
  return (z - 0.5) * Math.log(z) - z + halfLogTwoPi + stirlingRest(z) - shift
}

/** What Stirling's formula leaves: log Γ(x) − (x − ½)·log x + x − ½·log 2π, for x ≥ 10 (Abramowitz & Stegun 6.1.41). */
export function stirlingRest(x: number): number {
  const inverse = 1 / x
  const square = inverse * inverse
  return (
    inverse *
    (1 / 12 -
      square *
        (1 / 360 -
          square * (1 / 1260 - square * (1 / 1680 - square * (1 / 1188 - square * (691 / 360360 - square / 156))))))
  )
}
