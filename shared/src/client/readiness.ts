import type { Clock } from '../clock/index.ts'

/** Those who wait for the first ruleset. */
export interface Readiness {
  /** True once it is there, false after `timeoutMs`. */
  wait(timeoutMs: number): Promise<boolean>
  arrived(): void
}

export function createReadiness(clock: Clock): Readiness {
  const waiters = new Set<() => void>()
  return {
    wait: (timeoutMs) =>
      new Promise((resolve) => {
        const arrive = (): void => {
          cancel()
          resolve(true)
        }
        const cancel = clock.setTimer(timeoutMs, () => {
          waiters.delete(arrive)
          resolve(false)
        })
        waiters.add(arrive)
      }),
    arrived() {
      for (const waiter of waiters) waiter()
      waiters.clear()
    },
  }
}
