import type { Clock } from '@pipit/shared/client'

/** The process's own time. Timers do not keep the process alive. */
export const nodeClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(delayMs, run) {
    const timer = setTimeout(run, delayMs)
    timer.unref()
    return () => clearTimeout(timer)
  },
}

export const nodeRandom = (): number => Math.random()
