import type { Clock } from '@pipit/shared/clock'

const longestTimerMs = 2 ** 31 - 1

/** The machine's time. A timer longer than Node can hold is cut short: whoever set it looks again. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(delayMs, run) {
    const timer = setTimeout(run, Math.min(Math.max(0, delayMs), longestTimerMs))
    timer.unref()
    return () => clearTimeout(timer)
  },
}
