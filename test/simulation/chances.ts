import type { Random } from '@pipit/shared/clock'
import { normal } from './draws.ts'
import { type Slowness, slowerThan } from './latency.ts'
import type { Moment } from './traffic.ts'
import { harmStrength, type World } from './world.ts'

/** The probabilities of one tick. Arrays are by step of the users' latency, then by limit in rising order. */
export interface Chances {
  /** Takes the moment and the weather's error factor in. */
  set(moment: Moment, errors: number): void
  readonly limits: number
  /** Place of each limit, in rising order of the limits. */
  readonly order: readonly number[]
  readonly stableErrors: number
  /** The canary's where it does no harm, and where it does. */
  readonly canaryErrors: number
  readonly harmedErrors: number
  /** Rate of errors in storms where everybody were on the canary, and stable's part of that. */
  readonly stormErrors: number
  readonly stableStorms: number
  readonly stableSlower: Float64Array
  readonly canarySlower: Float64Array
  readonly harmedSlower: Float64Array
  readonly conversion: number
  readonly harming: boolean
}

const harmless: Slowness = { scale: 1, tail: 1 }
/** Cold caches fade with this time constant, in ticks. */
const warming = 4

const shifted = (p: number, logOdds: number): number => {
  if (logOdds === 0) return p
  const odds = (p / (1 - p)) * Math.exp(logOdds)
  return p >= 1 ? 1 : odds / (1 + odds)
}

/** `factors`: the users' typical latencies by step. */
export function createChances(world: World, factors: Float64Array, random: Random): Chances {
  const noise = { errors: world.armNoise * normal(random), latency: world.armNoise * normal(random) }
  const { harm } = world
  let epoch = -1
  let epochStart = 0
  let harmStart = -1
  let known = ''
  const chances = {
    limits: 0,
    order: [] as readonly number[],
    stableErrors: 0,
    canaryErrors: 0,
    harmedErrors: 0,
    stormErrors: 0,
    stableStorms: 1,
    stableSlower: new Float64Array(0) as Float64Array,
    canarySlower: new Float64Array(0) as Float64Array,
    harmedSlower: new Float64Array(0) as Float64Array,
    conversion: 1,
    harming: false,
    set,
  }

  function tableOf(ms: readonly number[], slowness: Slowness, logOdds: number): Float64Array {
    const table = new Float64Array(factors.length * ms.length)
    factors.forEach((factor, step) => {
      chances.order.forEach((limit, i) => {
        const chance = slowerThan(world.latency, ms[limit] as number, factor, slowness)
        table[step * ms.length + i] = shifted(chance, logOdds)
      })
    })
    return table
  }

  function setLatency(ms: readonly number[], version: number, cold: number, strength: number): void {
    const key = `${version} ${ms.length} ${cold.toFixed(3)} ${strength}`
    if (key === known) return
    known = key
    chances.limits = ms.length
    chances.order = ms.map((_, i) => i).sort((a, b) => (ms[a] as number) - (ms[b] as number))
    const coldCanary = world.coldStart === 'none' ? 1 : 1 + cold
    const coldStable = world.coldStart === 'both' ? 1 + cold : 1
    const scale = (harm?.latency ?? 1) ** strength * coldCanary
    const tail = (harm?.tail ?? 1) ** strength
    chances.stableSlower = tableOf(ms, { ...harmless, scale: coldStable }, 0)
    chances.canarySlower = tableOf(ms, { ...harmless, scale: coldCanary }, noise.latency)
    chances.harmedSlower = tableOf(ms, { scale, tail }, noise.latency)
  }

  function set(moment: Moment, weather: number): void {
    if (moment.epoch !== epoch) {
      epoch = moment.epoch
      epochStart = moment.tick
    }
    if (harm !== undefined && harmStart < 0 && moment.stage >= harm.fromStage) harmStart = moment.tick
    const strength = harm === undefined || harmStart < 0 ? 0 : harmStrength(harm, moment.tick - harmStart)
    const elapsed = moment.tick - epochStart
    const cold = world.coldStart === 'none' || elapsed > 10 * warming ? 0 : Math.exp(-elapsed / warming)
    chances.harming = harm === undefined || harmStart >= 0
    const factor = (harm?.errors ?? 1) ** strength
    const base = world.errors * weather
    const alone = base * (1 - world.storms)
    chances.stableErrors = alone * (world.coldStart === 'both' ? 1 + cold : 1)
    chances.canaryErrors = shifted(Math.min(1, alone * (1 + cold)), noise.errors)
    chances.harmedErrors = shifted(Math.min(1, alone * (1 + cold) * factor), noise.errors)
    chances.stormErrors = base * world.storms * factor
    chances.stableStorms = 1 / factor
    chances.conversion = (harm?.conversion ?? 1) ** strength
    setLatency(moment.thresholds.ms, moment.thresholds.version, cold, strength)
  }

  return chances
}
