import { alternativeRates, logHarmEvalue } from '@pipit/shared/base'
import { type Dispersion, temper } from './dispersion.ts'
import { type Counts, logDifferenceLine, logLine, logSumExp, prefixRate } from './e-value.ts'

/** Effect sizes (odds ratios) with their weights, STATISTICS 3.2. */
export const effectGrid = {
  up: [
    [1.25, 0.06],
    [1.65, 0.32],
    [2.3, 0.38],
    [4, 0.11],
    [12, 0.13],
  ],
  down: [
    [0.95, 0.2],
    [0.9, 0.35],
    [0.8, 0.3],
    [0.5, 0.15],
  ],
} as const

const logWeights = {
  up: effectGrid.up.map(([, weight]) => Math.log(weight)),
  down: effectGrid.down.map(([, weight]) => Math.log(weight)),
} as const

/** Prior masses of start epochs, STATISTICS 3.3; they add up to at most 1. */
export const startMass = { start: 0.84, stages: 0.1, restarts: 0.06, zeta: 4.5951118258 } as const
export const restartTicks = 12
/** A start that adds less than this share and is older than ten minutes of ticks is forgotten. */
const negligible = Math.log(1e-9)
const forgetTicks = 120
const mostStarts = 48

/** A moment from which harm may have begun, with the sums at that moment. */
interface Start {
  readonly mass: number
  /** Which comparison epoch of the run it lies in, from 0. */
  readonly segment: number
  readonly logs: readonly number[]
  readonly information: number
  readonly tick: number
}

/** The e-process of one metric over a run, as prefix sums. Plain JSON. */
export interface HarmProcess {
  /** Σ log e-values by effect size. */
  readonly logs: readonly number[]
  /** Σ π(1−π)(x₁+x₀)(1−q): information on the log odds ratio, for the arm-noise floor. */
  readonly information: number
  /** Pooled counts of this epoch's earlier ticks. */
  readonly bad: number
  readonly total: number
  readonly segment: number
  /** Ticks of the present segment, and of the run. */
  readonly segmentTicks: number
  readonly ticks: number
  readonly created: number
  readonly starts: readonly Start[]
  /** Masses spent so far; what is left stays as cash. */
  readonly spent: number
}

/** What the canary is tested against. */
export type HarmNull =
  | { readonly kind: 'stable' }
  | { readonly kind: 'ratio'; readonly theta: number }
  /** The ratio is one of what does not happen: successes, where failures are counted. */
  | { readonly kind: 'complement'; readonly theta: number }
  | { readonly kind: 'difference'; readonly delta: number }
  /** The canary alone against a fixed rate. */
  | { readonly kind: 'limit'; readonly rate: number }

export interface HarmSettings {
  /** True where less is worse (conversions). */
  readonly down: boolean
  readonly prior: number
  readonly null: HarmNull
  /** Comparison epochs planned at the start of the run: later ones get no mass of their own. */
  readonly planned: number
}

const gridOf = (down: boolean): readonly (readonly [number, number])[] => (down ? effectGrid.down : effectGrid.up)

/** A process that has seen nothing. `segment` is the comparison epoch under way, for a metric that joins in the middle of one. */
export function newHarmProcess(down: boolean, segment = -1): HarmProcess {
  return {
    logs: gridOf(down).map(() => 0),
    information: 0,
    bad: 0,
    total: 0,
    segment,
    segmentTicks: 0,
    ticks: 0,
    created: 0,
    starts: [],
    spent: 0,
  }
}

/** A new comparison epoch begins: the pooled rate is learned anew, since limits and people change. */
export function startSegment(process: HarmProcess): HarmProcess {
  return { ...process, bad: 0, total: 0, segment: process.segment + 1, segmentTicks: 0 }
}

/** The first start has the mass of the rollout's start, wherever in the run the metric joined: so the masses add up to at most 1. */
function massOf(process: HarmProcess, planned: number): number {
  if (process.created === 0) return startMass.start + (planned <= 1 ? startMass.stages : 0)
  if (process.segmentTicks > 0) return (startMass.restarts * process.created ** -1.25) / startMass.zeta
  return process.segment > 0 && process.segment < planned ? startMass.stages / (planned - 1) : 0
}

/** Adds one time bucket. */
export function addTick(process: HarmProcess, counts: Counts, settings: HarmSettings): HarmProcess {
  const opened = process.segmentTicks % restartTicks === 0 ? open(process, settings.planned) : process
  const q = prefixRate(process.bad, process.total, settings.prior)
  const { n1, x1, n0, x0 } = counts
  const grid = gridOf(settings.down)
  const share = n1 + n0 > 0 ? n1 / (n1 + n0) : 0.5
  return {
    ...opened,
    logs: opened.logs.map(
      (log, j) => log + logOfTick(counts, q, (grid[j] as readonly [number, number])[0], settings.null),
    ),
    information: process.information + share * (1 - share) * (x1 + x0) * (1 - q),
    bad: process.bad + x1 + x0,
    total: process.total + n1 + n0,
    segmentTicks: process.segmentTicks + 1,
    ticks: process.ticks + 1,
  }
}

function open(process: HarmProcess, planned: number): HarmProcess {
  const part = massOf(process, planned)
  if (part <= 0) return process
  const start = {
    mass: part,
    segment: process.segment,
    logs: process.logs,
    information: process.information,
    tick: process.ticks,
  }
  return { ...process, starts: [...process.starts, start], created: process.created + 1, spent: process.spent + part }
}

/** Log e-value of one time bucket against what is taken for harmless, looking for odds ratio ψ; linear in the counts. */
export function logOfTick(counts: Counts, q: number, psi: number, null_: HarmNull): number {
  const { n1, x1, n0, x0 } = counts
  if (null_.kind === 'limit') return logAbove(n1, x1, null_.rate, psi)
  if (null_.kind === 'stable') return logHarmEvalue(n1, x1, n0, x0, q, psi)
  if (n1 === 0 || n0 === 0) return 0
  const share = n1 / (n1 + n0)
  if (null_.kind === 'ratio') {
    // The grid of effects begins at the margin instead of at "equal".
    const { stable, canary } = alternativeRates(q, share, psi * null_.theta)
    const outside = null_.theta > 1 ? canary > null_.theta * stable : canary < null_.theta * stable
    return outside ? logLine(counts, { p1: canary, p0: stable }, null_.theta) : 0
  }
  const { stable, canary } = alternativeRates(q, share, psi)
  if (null_.kind === 'complement') {
    const others = { n1, x1: n1 - x1, n0, x0: n0 - x0 }
    const outside = 1 - canary < null_.theta * (1 - stable)
    return outside ? logLine(others, { p1: 1 - canary, p0: 1 - stable }, null_.theta) : 0
  }
  return canary - stable > null_.delta && stable > 0
    ? logDifferenceLine(counts, { p1: canary, p0: stable }, null_.delta)
    : 0
}

/**
 * Log e-value of "x of n are bad at odds ψ times those of `rate`" against "at most `rate`": a binomial likelihood ratio, whose expectation is
 * at most 1 for any mixture of rates below.
 */
function logAbove(n: number, x: number, rate: number, psi: number): number {
  const above = (psi * rate) / (1 - rate + psi * rate)
  return x * Math.log(above / rate) + (n - x) * Math.log((1 - above) / (1 - rate))
}

/** Terms this far below the largest one change nothing in a double. */
const beneath = 40

/**
 * log M: the mixture over start epochs and effect sizes, tempered by the over-dispersion of each span and by the arm-noise floor
 * D ← D + σ²·V (STATISTICS 3.3 to 3.5). `spread(segment)` is the over-dispersion from that comparison epoch until now.
 */
export function logEvidence(
  process: HarmProcess,
  down: boolean,
  armNoise: number,
  spread: (segment: number) => Dispersion,
): number {
  const { starts, logs, information } = process
  const weights = down ? logWeights.down : logWeights.up
  const size = weights.length
  const terms = new Float64Array(starts.length * size + 1)
  let top = process.spent < 1 ? Math.log(1 - process.spent) : Number.NEGATIVE_INFINITY
  terms[starts.length * size] = top
  for (let i = 0; i < starts.length; i++) {
    const start = starts[i] as Start
    const { factor, degrees } = spread(start.segment)
    const widened = factor + armNoise * armNoise * (information - start.information)
    const logMass = Math.log(start.mass)
    for (let j = 0; j < size; j++) {
      const log = (logs[j] as number) - (start.logs[j] as number)
      const term = logMass + (weights[j] as number) + temper(log, widened, degrees)
      terms[i * size + j] = term
      if (term > top) top = term
    }
  }
  return logSumExpBelow(terms, top)
}

/** log Σ exp(vᵢ) of values whose largest is `top`. */
function logSumExpBelow(values: Float64Array, top: number): number {
  if (top === Number.NEGATIVE_INFINITY) return top
  let sum = 0
  for (let i = 0; i < values.length; i++) {
    const below = (values[i] as number) - top
    if (below > -beneath) sum += Math.exp(below)
  }
  return top + Math.log(sum)
}

/**
 * Forgets starts that have nothing to say any more, and beyond `mostStarts` those that say least, so that memory and the cost of a look
 * stay the same after any time. Dropping one only lowers M. The youngest ten minutes are always kept.
 */
export function prune(process: HarmProcess, down: boolean): HarmProcess {
  // Only a tick that opened a start has made the list longer.
  if (process.starts.length < 24 || process.segmentTicks % restartTicks !== 1) return process
  const weights = down ? logWeights.down : logWeights.up
  const logs = process.starts.map((start) => {
    const terms = new Float64Array(weights.length)
    let top = Number.NEGATIVE_INFINITY
    for (let j = 0; j < terms.length; j++) {
      const term =
        Math.log(start.mass) + (weights[j] as number) + (process.logs[j] as number) - (start.logs[j] as number)
      terms[j] = term
      if (term > top) top = term
    }
    return logSumExpBelow(terms, top)
  })
  const total = logSumExp([...logs, Math.log(Math.max(1 - process.spent, 1e-12))])
  const ranked = [...logs].sort((a, b) => b - a)
  const least = Math.max(total + negligible, ranked[mostStarts] ?? Number.NEGATIVE_INFINITY)
  const starts = process.starts.filter(
    (start, i) => (logs[i] as number) > least || process.ticks - start.tick < forgetTicks,
  )
  return starts.length === process.starts.length ? process : { ...process, starts }
}
