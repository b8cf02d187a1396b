import { setImmediate } from 'node:timers/promises'
import type { Clock } from '@pipit/shared/clock'

/**
 * For how long sockets are written to before others get their turn. What comes meanwhile waits so long; and each turn of the others is one in which
 * thousands of receipts may come before the rest of the sockets have the change.
 */
const turnMs = 50

/** Does something for each, with pauses in which everything else goes on. */
export async function inTurns<T>(
  clock: Pick<Clock, 'monotonic'>,
  all: readonly T[],
  each: (one: T) => void,
): Promise<void> {
  let turnEnds = clock.monotonic() + turnMs
  for (const one of all) {
    if (clock.monotonic() >= turnEnds) {
      await setImmediate()
      turnEnds = clock.monotonic() + turnMs
    }
    each(one)
  }
}
