import type { Clock } from '@pipit/shared/clock'

/** A clock whose `now` never goes back, and which can be told that a time is over already. */
export interface SteadyClock extends Clock {
  /** `now` is at least this from here on: what storage holds was written then. */
  notBefore(ms: number): void
}

/** How much faster or slower than real time `now` may run while it catches up with a wall clock that jumped. */
const fastest = 2
const slowest = 0.5

/**
 * Wall time that a jump of the wall clock cannot disturb. Where the wall clock is set forward or back, `now` runs at twice or half the
 * speed until both agree: a hold is never cut to less than half, a time bucket that was closed never opens again, and schedules are met once
 * the clocks agree. The engine and ingest must share one, for they meet in the time buckets.
 */
export function createSteadyClock(clock: Clock): SteadyClock {
  let last = clock.now()
  let measured = clock.monotonic()

  function now(): number {
    const monotonic = clock.monotonic()
    const elapsed = Math.max(0, monotonic - measured)
    measured = monotonic
    last = Math.min(Math.max(clock.now(), last + elapsed * slowest), last + elapsed * fastest)
    return Math.floor(last)
  }

  return {
    now,
    monotonic: () => clock.monotonic(),
    setTimer: (delayMs, run) => clock.setTimer(delayMs, run),
    notBefore(ms) {
      last = Math.max(last, ms)
    },
  }
}

/** The clock itself where it is steady already. */
export function asSteadyClock(clock: Clock): SteadyClock {
  return 'notBefore' in clock ? (clock as SteadyClock) : createSteadyClock(clock)
}
