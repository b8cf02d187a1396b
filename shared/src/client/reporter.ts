import type { Cancel, Clock, Random } from '../clock/index.ts'
import type { OutcomeAggregator } from '../counting/index.ts'
import { type BreakerState, type DroppedCounts, encodeMessage, type Report, wireLimits } from '../protocol/index.ts'
import type { EventQueue } from './event-queue.ts'
import type { ExposureLog } from './exposure-log.ts'

/** Without an answer for so long a sealed report is sent again, unchanged. */
const resendMs = 10_000
/** Per report: cells are the largest part; 40 full ones with five thresholds stay below the wire's limit. */
const cellsPerReport = 40
const unitsPerReport = 4000
const eventsPerReport = 2000

export interface DroppedTotals {
  outcomes: number
  exposures: number
  events: number
  invalid: number
}

export interface ReporterParts {
  readonly clock: Clock
  readonly random: Random
  readonly outcomes: OutcomeAggregator
  readonly exposures: ExposureLog
  readonly events: EventQueue
  readonly breakers: () => readonly BreakerState[]
  readonly unknownOperators: () => number
  /** Hands a text to whatever is connected; false when nothing is. */
  readonly send: (text: string) => boolean
  readonly trouble: (code: string, message: string) => void
}

/**
 * One report at a time: sealed, sent, repeated unchanged until acknowledged. What happens meanwhile is added up for the next, so
 * the server needs to know only the last sequence of an instance to count everything once.
 */
export interface Reporter {
  start(flushMs: number): void
  setFlushMs(flushMs: number): void
  /** A connection came up: what waits is sent (again). */
  reconnected(): void
  acknowledged(seq: number): void
  /** The server cannot take reports for so long; what happens meanwhile is added up. */
  postpone(ms: number): void
  /** The server refused the report for good: it is dropped and counted. */
  refused(seq: number): void
  /** Something was given in a wrong form by the application. */
  countInvalid(): void
  /** The breakers changed: tell with the next report even when it is empty otherwise. */
  breakersChanged(): void
  flush(timeoutMs: number): Promise<boolean>
  stop(): void
  readonly sealed: boolean
  readonly dropped: Readonly<DroppedTotals>
}

interface Sealed {
  readonly seq: number
  readonly text: string
  readonly counts: { readonly outcomes: number; readonly exposures: number; readonly events: number }
  sentAt: number | undefined
}

export function createReporter(parts: ReporterParts): Reporter {
  const { clock, outcomes, exposures, events } = parts
  const dropped: DroppedTotals = { outcomes: 0, exposures: 0, events: 0, invalid: 0 }
  let told: DroppedTotals & { unknownOperators: number } = { ...dropped, unknownOperators: 0 }
  let seq = 0
  let sealed: Sealed | undefined
  let tellBreakers = false
  let flushMs = 0
  let cancel: Cancel | undefined
  /** Nothing is sent before: the server has asked for it. */
  let notBefore = 0
  let waiters: ((done: boolean) => void)[] = []

  const isEmpty = (): boolean =>
    outcomes.cells === 0 && exposures.pending === 0 && events.pending === 0 && !tellBreakers

  function droppedSince(): DroppedCounts | undefined {
    dropped.outcomes += outcomes.takeDropped()
    dropped.exposures += exposures.takeDropped()
    dropped.events += events.takeDropped()
    const now = { ...dropped, unknownOperators: parts.unknownOperators() }
    const since: { [kind: string]: number } = {}
    for (const kind of ['outcomes', 'exposures', 'events', 'invalid', 'unknownOperators'] as const) {
      if (now[kind] > told[kind]) since[kind] = now[kind] - told[kind]
    }
    told = now
    return Object.keys(since).length > 0 ? since : undefined
  }

  function seal(): Sealed {
    const cells = outcomes.take(cellsPerReport)
    const seen = exposures.take(unitsPerReport)
    const happened = events.take(Math.min(eventsPerReport, wireLimits.events), clock.monotonic())
    const lost = droppedSince()
    const states = parts.breakers()
    const report: Report = {
      type: 'report',
      seq: ++seq,
      ...(cells.length > 0 ? { outcomes: cells } : {}),
      ...(seen.length > 0 ? { exposures: seen } : {}),
      ...(happened.length > 0 ? { events: happened } : {}),
      ...(tellBreakers || states.length > 0 ? { breakers: states } : {}),
      ...(lost === undefined ? {} : { dropped: lost }),
    }
    tellBreakers = false
    const n = cells.reduce((sum, cell) => sum + countOutcomes(cell.buckets, cell.columns), 0)
    const units = seen.reduce((sum, cell) => sum + cell.units.length, 0)
    return {
      seq,
      text: encodeMessage(report),
      counts: { outcomes: n, exposures: units, events: happened.length },
      sentAt: undefined,
    }
  }

  function pump(): void {
    const now = clock.monotonic()
    if (now < notBefore) return
    if (sealed === undefined) {
      if (isEmpty()) {
        // Nothing is in them: lets go of the cells of traffic that has ended.
        outcomes.take(0)
        return settle()
      }
      sealed = seal()
    }
    if (sealed.sentAt !== undefined && now - sealed.sentAt < resendMs) return
    if (parts.send(sealed.text)) sealed.sentAt = now
  }

  function settle(): void {
    const done = waiters
    waiters = []
    for (const waiter of done) waiter(true)
  }

  function schedule(delayMs: number): void {
    cancel?.()
    cancel = clock.setTimer(delayMs, () => {
      pump()
      schedule(flushMs)
    })
  }

  /** The report is over; a waiting flush, or more than fits into one report, goes on at once. */
  function next(): void {
    sealed = undefined
    if (
      waiters.length > 0 ||
      outcomes.cells > cellsPerReport ||
      exposures.pending > unitsPerReport ||
      events.pending > eventsPerReport
    ) {
      pump()
    }
  }

  return {
    start(first) {
      flushMs = first
      // A random phase keeps the instances of one deployment from reporting in step.
      schedule(flushMs * parts.random())
    },
    setFlushMs(told) {
      if (told === flushMs) return
      flushMs = told
      schedule(flushMs * parts.random())
    },
    reconnected() {
      if (sealed === undefined) return
      sealed.sentAt = undefined
      pump()
    },
    acknowledged(acked) {
      if (sealed?.seq === acked) next()
    },
    postpone(ms) {
      // Half as long again at random: all that were told the same do not come back at once.
      const waitMs = ms * (1 + parts.random() / 2)
      notBefore = clock.monotonic() + waitMs
      if (sealed !== undefined) sealed.sentAt = undefined
      schedule(waitMs)
    },
    refused(refused) {
      if (sealed?.seq !== refused) return
      dropped.outcomes += sealed.counts.outcomes
      dropped.exposures += sealed.counts.exposures
      dropped.events += sealed.counts.events
      parts.trouble(
        'report-refused',
        `the server refused report ${refused} for good; ${sealed.counts.outcomes} outcomes in it are lost`,
      )
      next()
    },
    countInvalid() {
      dropped.invalid++
    },
    breakersChanged() {
      tellBreakers = true
    },
    flush(timeoutMs) {
      if (sealed === undefined && isEmpty()) return Promise.resolve(true)
      return new Promise((resolve) => {
        let over = false
        const finish = (done: boolean): void => {
          if (over) return
          over = true
          stop()
          waiters = waiters.filter((waiter) => waiter !== finish)
          resolve(done)
        }
        const stop = clock.setTimer(timeoutMs, () => finish(false))
        waiters.push(finish)
        pump()
      })
    },
    stop() {
      cancel?.()
      cancel = undefined
    },
    get sealed() {
      return sealed !== undefined
    },
    dropped,
  }
}

function countOutcomes(rows: readonly number[], columns: number): number {
  let n = 0
  for (let i = 1; i < rows.length; i += columns) n += rows[i] as number
  return n
}
