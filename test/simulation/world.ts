import type { Random } from '@pipit/shared/clock'
import { normal } from './draws.ts'
import type { Latency } from './latency.ts'
import type { Crowd } from './users.ts'

/** What a harmful canary does, as factors; 1 is harmless. */
export interface Harm {
  /** First stage in which it shows. */
  readonly fromStage: number
  /** Ticks in which it grows to its full size, evenly on the log scale; 0 for at once. */
  readonly growsTicks: number
  readonly errors: number
  /** All latencies, and those beyond stable's 90th percentile. */
  readonly latency: number
  readonly tail: number
  readonly conversion: number
  /** Only users of the smallest slice are harmed (one in ten). */
  readonly isSliced: boolean
}

/** What the simulated application and its traffic are like. */
export interface World {
  readonly requestsPerTick: number
  readonly crowd: Crowd
  /** Error rate per request of stable, before what varies. */
  readonly errors: number
  /** Share of the errors that come in storms: one user failing again and again within a tick, 8 times on average. */
  readonly storms: number
  readonly latency: Latency
  /** Conversions per request of a user who has not converted; where delayed, minutes to hours after the decision. */
  readonly conversion: number
  readonly isDelayed: boolean
  /** Bursts of errors in both arms, eightfold for half a minute, and traffic that jumps from tick to tick. */
  readonly hasBursts: boolean
  /** `falling`: the base rate falls to a sixth while the ramp goes on; `daily`: traffic and errors go up and down once in 20 minutes. */
  readonly course: 'steady' | 'falling' | 'daily'
  /** Cold caches at the start of each stage: failures and latencies doubled, fading over half a minute. */
  readonly coldStart: 'none' | 'both' | 'canary'
  /** Sd of a shift of the canary's log odds, for errors and for latencies, one draw a rollout: instances differ. */
  readonly armNoise: number
  /** Of the canary's reports: share held back for a tick or more, lost, counted twice. */
  readonly reports: { readonly late: number; readonly lost: number; readonly doubled: number }
  readonly harm: Harm | undefined
}

/** What varies from tick to tick, as factors of traffic and base error rate; the same for both arms. */
export interface Weather {
  readonly requests: number
  readonly errors: number
}

/** The ramp of the published figures lasts so many ticks. */
const rampTicks = 480

export function createWeather(world: World, random: Random): (tick: number) => Weather {
  let burstLeft = 0
  return (tick) => {
    let requests = 1
    let errors = 1
    if (world.course === 'falling') errors *= Math.exp(-Math.log(6) * Math.min(1, tick / rampTicks))
    if (world.course === 'daily') {
      const phase = Math.sin((2 * Math.PI * tick) / 240)
      requests *= 1 + 0.6 * phase
      errors *= 1 - 0.5 * phase
    }
    if (world.hasBursts) {
      if (burstLeft === 0 && random() < 0.01) burstLeft = 6
      if (burstLeft > 0) {
        burstLeft--
        errors *= 8
      }
      requests *= Math.exp(0.3 * normal(random))
    }
    return { requests, errors }
  }
}

/** How much of the harm shows now, 0 to 1. `since` counts ticks from the start of the first harmful stage. */
export function harmStrength(harm: Harm, since: number): number {
  if (since < 0) return 0
  return harm.growsTicks === 0 ? 1 : Math.min(1, since / harm.growsTicks)
}
