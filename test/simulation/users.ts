import { userBuckets } from '@pipit/server/analysis'
import type { Random } from '@pipit/shared/clock'
import { normal } from './draws.ts'

/** How the users of a simulated application differ from one another. */
export interface Crowd {
  readonly users: number
  /** Sigma of the log-normal activity; 1.5 puts a factor of 1000 between the 1st and the 99th percentile, 0 makes all alike. */
  readonly activity: number
  /** Sigma of the log-normal error rate of a user, and of a user's typical latency. */
  readonly errors: number
  readonly latency: number
}

/** Users' latencies differ in so many steps. */
export const latencySteps = 16

export interface Users {
  readonly count: number
  /** Position in the assignment, 0 to 100: canary below the weight. */
  readonly position: Float64Array
  readonly bucket: Uint8Array
  /** Error rate relative to the mean request's. */
  readonly errors: Float64Array
  /** Step of the typical latency, and by step its factor. */
  readonly step: Uint8Array
  readonly factors: Float64Array
  /** Draws the user behind a request. */
  readonly next: () => number
}

/** The crowd of one rollout, drawn anew for each seed. */
export function createUsers(crowd: Crowd, random: Random): Users {
  const count = crowd.users
  const position = new Float64Array(count)
  const bucket = new Uint8Array(count)
  for (let user = 0; user < count; user++) {
    position[user] = random() * 100
    bucket[user] = Math.floor(random() * userBuckets)
  }
  const activity = logNormals(count, crowd.activity, random)
  const errors = logNormals(count, crowd.errors, random)
  const step = new Uint8Array(count)
  if (crowd.latency > 0) for (let user = 0; user < count; user++) step[user] = Math.floor(random() * latencySteps)
  const factors = new Float64Array(latencySteps).fill(1)
  // Middles of equally likely parts of a uniform distribution with the wanted standard deviation on the log scale.
  if (crowd.latency > 0)
    for (let i = 0; i < latencySteps; i++)
      factors[i] = Math.exp(crowd.latency * Math.sqrt(12) * ((i + 0.5) / latencySteps - 0.5))
  scaleToMean(errors, activity)
  const next = crowd.activity > 0 ? alias(activity, random) : () => Math.floor(random() * count)
  return { count, position, bucket, errors, step, factors, next }
}

function logNormals(count: number, sigma: number, random: Random): Float64Array {
  const values = new Float64Array(count).fill(1)
  if (sigma > 0) for (let i = 0; i < count; i++) values[i] = Math.exp(sigma * normal(random))
  return values
}

/** Divides by the mean over requests. */
function scaleToMean(values: Float64Array, weights: Float64Array): void {
  let sum = 0
  let total = 0
  for (let i = 0; i < values.length; i++) {
    sum += (values[i] as number) * (weights[i] as number)
    total += weights[i] as number
  }
  for (let i = 0; i < values.length; i++) values[i] = ((values[i] as number) * total) / sum
}

/** Draws an index with probability proportional to its weight in constant time (Vose 1991). */
function alias(weights: Float64Array, random: Random): () => number {
  const n = weights.length
  let total = 0
  for (const weight of weights) total += weight
  const share = Float64Array.from(weights, (weight) => (weight * n) / total)
  const other = new Int32Array(n)
  const small: number[] = []
  const large: number[] = []
  for (let i = 0; i < n; i++) ((share[i] as number) < 1 ? small : large).push(i)
  while (small.length > 0 && large.length > 0) {
    const less = small.pop() as number
    const more = large.at(-1) as number
    other[less] = more
    share[more] = (share[more] as number) + (share[less] as number) - 1
    if ((share[more] as number) < 1) small.push(large.pop() as number)
  }
  // What is left is 1 but for rounding.
  for (const rest of [...small, ...large]) share[rest] = 1
  return () => {
    const at = random() * n
    const i = Math.floor(at)
    return at - i < (share[i] as number) ? i : (other[i] as number)
  }
}
