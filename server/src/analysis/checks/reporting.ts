import type { EpochBuckets, Tick } from '../evidence.ts'

/** Whether the canary goes on reporting, in one epoch. Only time buckets in which stable reported are counted. Plain JSON. */
export interface Reporting {
  readonly ticks: number
  /** Those in which the canary reported as well. */
  readonly both: number
  /** Since the canary's last outcome: time buckets, stable's outcomes, and newly exposed units by arm. */
  readonly silence: {
    readonly ticks: number
    readonly outcomes: number
    readonly canary: number
    readonly stable: number
  }
}

const noSilence: Reporting['silence'] = { ticks: 0, outcomes: 0, canary: 0, stable: 0 }

export const newReporting: Reporting = { ticks: 0, both: 0, silence: noSilence }

export function addReporting({ ticks, both, silence }: Reporting, { canary, stable }: Tick): Reporting {
  const heard = stable.n > 0 ? 1 : 0
  if (canary.n > 0) return { ticks: ticks + heard, both: both + heard, silence: noSilence }
  return {
    ticks: ticks + heard,
    both,
    silence: {
      ticks: silence.ticks + heard,
      outcomes: silence.outcomes + stable.n,
      canary: silence.canary + canary.exposed,
      stable: silence.stable + stable.exposed,
    },
  }
}

/** Canary outcomes, or time buckets with some, that must be missing. At independent traffic the chance of it is e^−30. */
const missing = 30
/** Fewer users than this may all be idle at once. */
const crowd = { newcomers: 10, everybody: 100 } as const
const shortest = 12

/**
 * True when a canary that had reported does so no more, while stable does: either units newly sent to it, of which ten should have reported
 * (`active` is the share of users who do), have left no outcome where 30 were due, or a crowd of at least 100 has been silent for 12 time buckets and more than 30 in which it used to be heard.
 */
export function fellSilent({ ticks, both, silence }: Reporting, canaryUnits: number, active: number): boolean {
  if (both === 0) return false
  const due = silence.stable > 0 ? (silence.outcomes * silence.canary) / silence.stable : 0
  if (silence.canary * active >= crowd.newcomers && due >= missing) return true
  const usual = both / (ticks - silence.ticks)
  return canaryUnits >= crowd.everybody && silence.ticks >= shortest && silence.ticks * usual >= missing
}

/** Users who have to be silent together before that says anything: the chance that ten who should have reported did not is e^−10. */
export const silentCrowd = 10

/**
 * The share of stable's users who have reported at all, from how many of its user buckets are occupied (the classical occupancy estimate); a
 * lower bound where all are. 1 where nothing is known.
 */
export function activeShare(buckets: EpochBuckets | undefined, stableUnits: number): number {
  if (buckets === undefined || stableUnits === 0) return 1
  const { n } = buckets.stable
  const empty = n.reduce((sum, requests) => sum + (requests === 0 ? 1 : 0), 0)
  const users = -n.length * Math.log(Math.max(empty, 0.5) / n.length)
  return Math.min(1, users / stableUnits)
}
