import type { Cancel, Clock } from '@pipit/shared/clock'
import type { HubLimits } from './limits.ts'

/** How often the line moves. */
const stepMs = 20

/** Lets in so many a second, and has the others wait in line: to refuse one costs nearly as much as to take it, and it would come again. */
export interface Gate {
  /** Calls back at once or later, in the order they came. False where the line is full. */
  enter(go: () => void): boolean
  readonly waiting: number
  stop(): void
}

export function createGate(
  clock: Clock,
  { joinsPerSecond, joinsWaiting }: Pick<HubLimits, 'joinsPerSecond' | 'joinsWaiting'>,
): Gate {
  const most = Math.max(1, (joinsPerSecond * stepMs) / 1000)
  let line: (() => void)[] = []
  let free = most
  let filledAt = clock.monotonic()
  let cancel: Cancel | undefined

  function fill(): void {
    const now = clock.monotonic()
    free = Math.min(most, free + ((now - filledAt) * joinsPerSecond) / 1000)
    filledAt = now
  }

  function move(): void {
    cancel = undefined
    fill()
    const first = line.splice(0, Math.floor(free))
    free -= first.length
    if (line.length > 0) cancel = clock.setTimer(stepMs, move)
    for (const go of first) go()
  }

  return {
    enter(go) {
      fill()
      if (line.length === 0 && free >= 1) {
        free--
        go()
        return true
      }
      if (line.length >= joinsWaiting) return false
      line.push(go)
      cancel ??= clock.setTimer(stepMs, move)
      return true
    },
    get waiting() {
      return line.length
    },
    stop() {
      cancel?.()
      line = []
    },
  }
}
