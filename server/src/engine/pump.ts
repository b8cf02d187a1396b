import type { Cancel, Clock, Random } from '@pipit/shared/clock'

/** Where the engine says what whoever runs it should know: once when a trouble begins, once when it is over. */
export interface EngineLog {
  warn(message: string): void
  error(message: string): void
}

/** Does what is due, sleeps until something will be, and keeps going whatever happens. */
export interface Pump {
  start(): void
  /** Finishes the round under way. */
  stop(): Promise<void>
  /** Something may be due now. */
  wake(): void
  /** Resolves when nothing is due; while rounds fail, after one failure. */
  idle(): Promise<void>
}

export interface PumpParts {
  readonly clock: Clock
  /** Spreads retries, so that what failed together does not come back together; without it they come at fixed times. */
  readonly random?: Random
  readonly log: EngineLog
}

export interface PumpWork {
  readonly name: string
  /** Does some of what is due; resolves to the time when something will be due (now, if there was more), undefined for never. */
  readonly round: () => Promise<number | undefined>
}

/** No sleep is longer: whatever made the computed time wrong is noticed by then. */
const longestSleepMs = 60_000
const firstRetryMs = 250
const longestRetryMs = 30_000

/** Doubles from a quarter of a second with each failure; the upper half is drawn. */
export function backoffMs(failures: number, random: Random | undefined, longestMs: number = longestRetryMs): number {
  const full = Math.min(longestMs, firstRetryMs * 2 ** Math.min(failures - 1, 20))
  return random === undefined ? full : full / 2 + (random() * full) / 2
}

/**
 * Level-triggered: a round reads from storage what is due, so that a wake-up too many, too early or lost in a crash does no harm. A round
 * that fails is repeated with backoff until it works.
 */
export function createPump({ clock, random, log }: PumpParts, { name, round }: PumpWork): Pump {
  let started = false
  let running: Promise<void> | undefined
  let cancel: Cancel | undefined
  let woken = false
  let failures = 0
  let nextAt: number | undefined

  const isDue = (): boolean => woken || (nextAt !== undefined && nextAt <= clock.now())

  async function turn(): Promise<void> {
    woken = false
    try {
      nextAt = await round()
      if (failures > 0) log.warn(`${name} works again`)
      failures = 0
    } catch (error) {
      failures += 1
      nextAt = clock.now() + backoffMs(failures, random)
      if (failures === 1) log.error(`${name} failed and is tried again until it works: ${String(error)}`)
    }
  }

  function sleep(): void {
    cancel?.()
    cancel = undefined
    if (!started) return
    const delayMs = woken ? 0 : nextAt === undefined ? longestSleepMs : Math.max(0, nextAt - clock.now())
    // Even what is due at once lets sockets and requests have their turn first.
    cancel = clock.setTimer(Math.min(delayMs, longestSleepMs), () => void run())
  }

  function run(): Promise<void> {
    cancel?.()
    cancel = undefined
    running ??= turn().then(() => {
      running = undefined
      sleep()
    })
    return running
  }

  return {
    start() {
      if (started) return
      started = true
      void run()
    },
    async stop() {
      started = false
      cancel?.()
      cancel = undefined
      await running
    },
    wake() {
      woken = true
      if (started && running === undefined) void run()
    },
    async idle() {
      while (started) {
        if (running !== undefined) await running
        else if (failures === 0 && isDue()) await run()
        else return
        if (failures > 0) return
      }
    },
  }
}
