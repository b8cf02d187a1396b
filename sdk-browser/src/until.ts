import type { Page } from './page.ts'

/** Those who wait for something: each looks again when it is called, and leaves when it has seen it. */
export type Waiting = Set<() => void>

/** Resolves true as soon as `check` is true, false after a while. */
export function until(page: Page, waiting: Waiting, check: () => boolean, timeoutMs = 5000): Promise<boolean> {
  return new Promise((resolve) => {
    const look = (late?: boolean): void => {
      if (!late && !check()) return
      waiting.delete(look)
      resolve(check())
    }
    waiting.add(look)
    page.setTimeout(() => look(true), timeoutMs)
    look()
  })
}
