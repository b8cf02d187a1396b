import type { Tick } from '@pipit/server/analysis'

/** How others decide, on the same traffic: each looks at error rates alone, in the stage under way. */
export const rivalNames = ['twice', 'minute', 'z', 'kayenta', 'matched', 'oracle'] as const
export type RivalName = (typeof rivalNames)[number]

/** What Wald's test is told: rates of the harmed metric in both arms, and which count of a tick it is. */
export interface Truth {
  readonly stable: number
  readonly canary: number
  /** Place of a latency limit; requests that failed where absent. */
  readonly limit?: number
  /** Share of the error budget of the harmed metric. */
  readonly weight: number
}

interface Pair {
  readonly n1: number
  readonly x1: number
  readonly n0: number
  readonly x0: number
}

/** Looks at a tick and says whether it would take the canary back; `since` counts ticks of the stage, from 1. */
export type Rival = (tick: Tick, stage: number) => boolean

const zOfOnePercent = 2.3263478740408408

/** Sums of the stage, begun anew with each. */
function stageSums(): (tick: Tick, stage: number) => Pair {
  let current = -1
  let sums: Pair = { n1: 0, x1: 0, n0: 0, x0: 0 }
  return ({ canary, stable }, stage) => {
    if (stage !== current) sums = { n1: 0, x1: 0, n0: 0, x0: 0 }
    current = stage
    sums = {
      n1: sums.n1 + canary.n,
      x1: sums.x1 + canary.failed,
      n0: sums.n0 + stable.n,
      x0: sums.x0 + stable.failed,
    }
    return sums
  }
}

/** "More than twice the baseline", of all requests of the stage, from 100 canary requests on. */
function twice(): Rival {
  const sums = stageSums()
  return (tick, stage) => {
    const { n1, x1, n0, x0 } = sums(tick, stage)
    return n1 >= 100 && n0 > 0 && x1 / n1 > (2 * x0) / n0
  }
}

/** The same of the last minute, from 30 canary requests on. */
function minute(): Rival {
  const window: Pair[] = []
  let current = -1
  return ({ canary, stable }, stage) => {
    if (stage !== current) window.length = 0
    current = stage
    window.push({ n1: canary.n, x1: canary.failed, n0: stable.n, x0: stable.failed })
    if (window.length > 12) window.shift()
    const sum = (field: keyof Pair): number => window.reduce((total, entry) => total + entry[field], 0)
    const n1 = sum('n1')
    const n0 = sum('n0')
    return n1 >= 30 && n0 > 0 && sum('x1') / n1 > (2 * sum('x0')) / n0
  }
}

/** A one-sided two-proportion z test at 1 %, repeated at every look, from 30 canary requests on. */
function peekingZ(): Rival {
  const sums = stageSums()
  return (tick, stage) => {
    const { n1, x1, n0, x0 } = sums(tick, stage)
    const pooled = (x1 + x0) / (n1 + n0)
    if (n1 < 30 || n0 < 30 || pooled <= 0 || pooled >= 1) return false
    return (x1 / n1 - x0 / n0) / Math.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n0)) > zOfOnePercent
  }
}

/**
 * Kayenta's judge (spinnaker/kayenta, MannWhitneyClassifier): error rates of 30 s each, every minute; high when the lower end of the 98 %
 * Mann-Whitney interval of the shift is above a quarter of the Hodges-Lehmann estimate.
 */
function kayenta(): Rival {
  const points = { canary: [] as number[], stable: [] as number[] }
  let part: Pair = { n1: 0, x1: 0, n0: 0, x0: 0 }
  let current = -1
  let ticks = 0
  return ({ canary, stable }, stage) => {
    if (stage !== current) {
      points.canary.length = 0
      points.stable.length = 0
      ticks = 0
      part = { n1: 0, x1: 0, n0: 0, x0: 0 }
    }
    current = stage
    ticks++
    part = {
      n1: part.n1 + canary.n,
      x1: part.x1 + canary.failed,
      n0: part.n0 + stable.n,
      x0: part.x0 + stable.failed,
    }
    if (ticks % 6 === 0) {
      if (part.n1 > 0) points.canary.push(part.x1 / part.n1)
      if (part.n0 > 0) points.stable.push(part.x0 / part.n0)
      part = { n1: 0, x1: 0, n0: 0, x0: 0 }
    }
    return ticks % 12 === 0 && isShifted(points.canary, points.stable)
  }
}

function isShifted(canary: readonly number[], stable: readonly number[]): boolean {
  const pairs = canary.length * stable.length
  const spread = Math.sqrt((pairs * (canary.length + stable.length + 1)) / 12)
  const rank = Math.round(pairs / 2 - zOfOnePercent * spread)
  if (rank < 1) return false
  const shifts = Float64Array.from({ length: pairs }, (_, i) => {
    const one = canary[i % canary.length] as number
    return one - (stable[Math.floor(i / canary.length)] as number)
  }).sort()
  const middle = pairs / 2
  const estimate = 0.5 * ((shifts[Math.ceil(middle) - 1] as number) + (shifts[Math.floor(middle)] as number))
  return (shifts[rank - 1] as number) > 0.25 * Math.abs(estimate)
}

/**
 * Wald's test of "both arms at the traffic-weighted mean" against the truth: it knows base rate, effect, metric and start. β = 1 %;
 * once it has decided for "no harm" it stays there.
 */
function wald(truth: () => Truth | undefined, alpha: (weight: number) => number): Rival {
  const beta = 0.01
  let log = 0
  let isOver = false
  return ({ canary, stable }) => {
    const known = truth()
    if (known === undefined || isOver) return false
    const { limit, weight } = known
    const [n1, n0] = limit === undefined ? [canary.n, stable.n] : [canary.timed, stable.timed]
    const [x1, x0] =
      limit === undefined ? [canary.failed, stable.failed] : [canary.over[limit] ?? 0, stable.over[limit] ?? 0]
    if (n1 === 0 || n0 === 0) return false
    const mean = (n1 * known.canary + n0 * known.stable) / (n1 + n0)
    log +=
      x1 * Math.log(known.canary / mean) +
      (n1 - x1) * Math.log((1 - known.canary) / (1 - mean)) +
      x0 * Math.log(known.stable / mean) +
      (n0 - x0) * Math.log((1 - known.stable) / (1 - mean))
    isOver = log <= Math.log(beta / (1 - alpha(weight)))
    return log >= Math.log((1 - beta) / alpha(weight))
  }
}

export function createRivals(truth: () => Truth | undefined): { readonly [K in RivalName]: Rival } {
  return {
    twice: twice(),
    minute: minute(),
    z: peekingZ(),
    kayenta: kayenta(),
    matched: wald(truth, (weight) => 0.01 * weight),
    oracle: wald(truth, () => 0.01),
  }
}
