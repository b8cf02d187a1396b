/** User-bucket sums of one epoch for one metric: arrays of the same length, canary 1, stable 0. */
export interface Segment {
  readonly n1: ArrayLike<number>
  readonly x1: ArrayLike<number>
  readonly n0: ArrayLike<number>
  readonly x0: ArrayLike<number>
}

export interface Dispersion {
  /** Factor D ≥ 1 by which correlated requests widen everything. */
  readonly factor: number
  /** Degrees of freedom ν of that factor; infinite while no factor is in use. */
  readonly degrees: number
}

/** A D counts only when it exceeds 1 + gate·√(2/B_eff): below that it is noise. */
const gate = 1.5

const none: Dispersion = { factor: 1, degrees: Number.POSITIVE_INFINITY }

const sum = (values: ArrayLike<number>): number => {
  let total = 0
  for (let i = 0; i < values.length; i++) total += values[i] as number
  return total
}

interface Scores {
  readonly canary: Float64Array
  readonly stable: Float64Array
  readonly stableRaw: Float64Array
  readonly weight1: Float64Array
  readonly weight0: Float64Array
  model1: number
  model0: number
  modelStable: number
}

function addSegment(scores: Scores, { n1, x1, n0, x0 }: Segment): void {
  const { canary, stable, stableRaw, weight1, weight0 } = scores
  let N1 = 0
  let N0 = 0
  let X1 = 0
  let X0 = 0
  for (let b = 0; b < canary.length; b++) {
    N1 += n1[b] as number
    N0 += n0[b] as number
    X1 += x1[b] as number
    X0 += x0[b] as number
  }
  const p1 = X1 / Math.max(N1, 1)
  const p0 = X0 / Math.max(N0, 1)
  const share = N1 / Math.max(N1 + N0, 1)
  for (let b = 0; b < canary.length; b++) {
    const requests1 = n1[b] as number
    const requests0 = n0[b] as number
    const r0 = (x0[b] as number) - p0 * requests0
    const r1 = (x1[b] as number) - p1 * requests1
    canary[b] = (canary[b] as number) + (1 - share) * r1
    stable[b] = (stable[b] as number) + share * r0
    stableRaw[b] = (stableRaw[b] as number) + r0
    weight1[b] = (weight1[b] as number) + requests1
    weight0[b] = (weight0[b] as number) + requests0
  }
  scores.model1 += (1 - share) ** 2 * X1 * (1 - p1)
  scores.model0 += share ** 2 * X0 * (1 - p0)
  scores.modelStable += X0 * (1 - p0)
}

/** Effective number of buckets (Σn)² / Σn². */
function effective(weights: Float64Array): number | undefined {
  let total = 0
  let squares = 0
  for (const weight of weights) {
    total += weight
    squares += weight * weight
  }
  return total > 0 ? (total * total) / squares : undefined
}

/**
 * Over-dispersion of a span of epochs (STATISTICS 3.4): how much more the user buckets differ than independent requests would, with
 * the degrees of freedom of that finding. Scores are added over epochs before squaring, so that persistently noisy users count fully.
 */
export function dispersion(segments: readonly Segment[]): Dispersion {
  return dispersionsUntilNow(segments)[0] ?? none
}

/** The over-dispersion from each of the segments until the last. Worked out backwards, so that each segment is gone through once. */
export function dispersionsUntilNow(segments: readonly (Segment | undefined)[]): readonly Dispersion[] {
  const size = segments.find((segment) => segment !== undefined)?.n1.length ?? 0
  const found = new Array<Dispersion>(segments.length).fill(none)
  if (size < 2) return found
  const scores: Scores = {
    canary: new Float64Array(size),
    stable: new Float64Array(size),
    stableRaw: new Float64Array(size),
    weight1: new Float64Array(size),
    weight0: new Float64Array(size),
    model1: 0,
    model0: 0,
    modelStable: 0,
  }
  for (let i = segments.length - 1; i >= 0; i--) {
    const segment = segments[i]
    if (segment !== undefined) addSegment(scores, segment)
    found[i] = segment === undefined ? (found[i + 1] ?? none) : ofScores(scores)
  }
  return found
}

function ofScores(scores: Scores): Dispersion {
  const { canary, stable, stableRaw } = scores
  const size = canary.length
  const correction = size / (size - 1)
  let squares = 0
  let fourths = 0
  let stableSquares = 0
  for (let b = 0; b < size; b++) {
    const c1 = canary[b] as number
    const c0 = stable[b] as number
    const raw = stableRaw[b] as number
    const square1 = c1 * c1
    const square0 = c0 * c0
    squares += square1 + square0
    fourths += square1 * square1 + square0 * square0
    stableSquares += raw * raw
  }
  const model = scores.model1 + scores.model0
  const scoreFactor = model > 0 ? (correction * squares) / model : 1
  const stableFactor = scores.modelStable > 0 ? (correction * stableSquares) / scores.modelStable : 1
  if (scoreFactor <= 1 && stableFactor <= 1) return none
  const B1 = effective(scores.weight1)
  const B0 = effective(scores.weight0)
  let effectiveBuckets = size
  if (model > 0 && B1 !== undefined && B0 !== undefined) {
    const w = scores.model1 / model
    effectiveBuckets = 1 / ((w * w) / B1 + (1 - w) ** 2 / B0)
  }
  const useScore = scoreFactor > 1 + gate * Math.sqrt(2 / effectiveBuckets)
  const useStable = stableFactor > 1 + gate * Math.sqrt(2 / (B0 ?? size))
  if (!useScore && !useStable) return none
  const degrees = degreesOf(squares, fourths)
  return { factor: Math.max(1, useScore ? scoreFactor : 1, useStable ? stableFactor : 1), degrees }
}

/** A log-likelihood ratio under over-dispersion: L/D, and for positive values the t-likelihood's (ν/2)·log(1 + 2y/ν). */
export function temper(log: number, factor: number, degrees: number): number {
  const y = log / factor
  return y > 0 && Number.isFinite(degrees) ? 0.5 * degrees * Math.log1p((2 * y) / degrees) : y
}

/** Over-dispersion of one arm by itself: how much more the rates of its user buckets differ than independent requests would. */
export function dispersionOfArm(n: ArrayLike<number>, x: ArrayLike<number>): Dispersion {
  const size = n.length
  const total = sum(n)
  const rate = sum(x) / Math.max(total, 1)
  const model = total * rate * (1 - rate)
  if (size < 2 || !(model > 0)) return none
  let squares = 0
  let fourths = 0
  let weights = 0
  for (let b = 0; b < size; b++) {
    const residual = (x[b] as number) - rate * (n[b] as number)
    squares += residual * residual
    fourths += residual ** 4
    weights += (n[b] as number) ** 2
  }
  const factor = ((size / (size - 1)) * squares) / model
  if (factor <= 1 + gate * Math.sqrt((2 * weights) / (total * total))) return none
  return {
    factor,
    degrees: degreesOf(squares, fourths),
  }
}

/** Degrees of freedom ν = 3(Σc²)²/Σc⁴ − 1 of a variance from clusters, at least 1; infinite where nothing varies (STATISTICS 3.4). */
export function degreesOf(squares: number, fourths: number): number {
  return fourths > 0 ? Math.max((3 * squares * squares) / fourths - 1, 1) : Number.POSITIVE_INFINITY
}
