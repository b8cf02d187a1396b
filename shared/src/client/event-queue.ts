import type { EventItem } from '../protocol/index.ts'

interface Waiting {
  readonly event: string
  readonly unit: string
  readonly at: number
  readonly value: number | undefined
  readonly id: string | undefined
}

/** Events on their way, bounded: beyond it the oldest are dropped and counted. */
export interface EventQueue {
  add(event: Waiting): void
  take(limit: number, now: number): EventItem[]
  readonly pending: number
  takeDropped(): number
}

export function createEventQueue(maxPending: number): EventQueue {
  let waiting: Waiting[] = []
  /** Start of the live part: shifting an array of thousands at each drop would cost its length. */
  let start = 0
  let dropped = 0

  return {
    add(event) {
      waiting.push(event)
      if (waiting.length - start <= maxPending) return
      start++
      dropped++
      if (start > maxPending) {
        waiting = waiting.slice(start)
        start = 0
      }
    },
    take(limit, now) {
      const taken = waiting.slice(start, start + limit)
      waiting = waiting.slice(start + limit)
      start = 0
      return taken.map(({ event, unit, at, value, id }) => ({
        event,
        unit,
        ageMs: Math.max(0, Math.round(now - at)),
        ...(value === undefined ? {} : { value }),
        ...(id === undefined ? {} : { id }),
      }))
    },
    get pending() {
      return waiting.length - start
    },
    takeDropped() {
      const count = dropped
      dropped = 0
      return count
    },
  }
}
