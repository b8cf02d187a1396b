import type { Cancel, Clock } from '../clock/index.ts'

export interface FakeClock extends Clock {
  /** Moves time on, running each timer at its moment and letting promises settle in between. */
  advance(ms: number): Promise<void>
  /** Moves the wall clock alone: what a correction by NTP or a person does. */
  jump(ms: number): void
  /** Runs timers until none is left, or `limitMs` of fake time have passed. */
  runUntilIdle(limitMs?: number): Promise<void>
  /** Number of timers that are set. */
  readonly timers: number
}

interface Timer {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** Lets everything that waits for resolved promises go on. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve()
}

/** A clock that stands still until told. `startMs` is the wall time it begins at; `settleWith` replaces the waiting for promises. */
export function createFakeClock(startMs = 1_700_000_000_000, settleWith: () => Promise<void> = settle): FakeClock {
  let elapsed = 0
  let offset = startMs
  let order = 0
  let timers: Timer[] = []

  function next(until: number): Timer | undefined {
    let first: Timer | undefined
    for (const timer of timers) {
      if (timer.at > until) continue
      if (first === undefined || timer.at < first.at || (timer.at === first.at && timer.order < first.order))
        first = timer
    }
    return first
  }

  async function runThrough(until: number): Promise<void> {
    await settleWith()
    for (let timer = next(until); timer !== undefined; timer = next(until)) {
      const due = timer
      timers = timers.filter((other) => other !== due)
      elapsed = Math.max(elapsed, due.at)
      due.run()
      await settleWith()
    }
  }

  return {
    now: () => Math.floor(offset + elapsed),
    monotonic: () => elapsed,
    setTimer(delayMs: number, run: () => void): Cancel {
      const timer: Timer = { at: elapsed + Math.max(0, delayMs), order: order++, run }
      timers.push(timer)
      return () => {
        timers = timers.filter((other) => other !== timer)
      }
    },
    async advance(ms) {
      const until = elapsed + ms
      await runThrough(until)
      elapsed = until
    },
    jump(ms) {
      offset += ms
    },
    async runUntilIdle(limitMs = 3_600_000) {
      await runThrough(elapsed + limitMs)
    },
    get timers() {
      return timers.length
    },
  }
}
