import { count, Fault, finite, flag, type JsonRecord, optionalText, own, record, text } from './check.ts'
import { type EventItem, outcomeKinds } from './messages.ts'
import type { PageDecision, PageOutcome } from './page.ts'
import { readEventOfNobody } from './parse-report.ts'

/** Faults of one report that are looked at; behind so many every further item is left out unread, because a fault costs far more than an item. */
const mostFaults = 500
/** Characters of an item that a fault quotes. */
const quoted = 80
/** How long ago an event may have been, in milliseconds. */
const oldestMs = 1e12

/** Outcomes of the same decision that ended alike. */
export interface PageOutcomes extends PageOutcome {
  /** Of each its latency in milliseconds, null where there is none. */
  readonly ms: readonly (number | null)[]
}

/** Something that happened so long before the page told of it. */
export type PastPageEvent = Omit<EventItem, 'unit'>

/** What happened in a page. */
export interface PageHappenings {
  readonly outcomes: readonly PageOutcomes[]
  readonly exposures: readonly PageDecision[]
  /** Once for each time it happened. */
  readonly events: readonly PastPageEvent[]
}

/** What was left out of a report. */
export interface PageFaults {
  /** A part of it; undefined where it is none. */
  part<T>(read: () => T): T | undefined
  /** One of many: undefined as well where there were so many faults that it is not looked at. */
  item<T>(read: () => T): T | undefined
  found(): { readonly first: Fault | undefined; readonly total: number }
}

export function createPageFaults(): PageFaults {
  let first: Fault | undefined
  let total = 0
  const faults: PageFaults = {
    part(read) {
      try {
        return read()
      } catch (error) {
        if (!(error instanceof Fault)) throw error
        first ??= error
        total++
        return undefined
      }
    },
    item(read) {
      if (total < mostFaults) return faults.part(read)
      total++
      return undefined
    },
    found: () => ({ first, total }),
  }
  return faults
}

/** The items of a report; what is none goes to the faults. `now`: by the clock of the events, undefined where it is not known. */
export function readPageItems(
  value: unknown,
  path: string,
  now: number | undefined,
  faults: PageFaults,
): PageHappenings {
  const outcomes: PageOutcomes[] = []
  const exposures: PageDecision[] = []
  const events: PastPageEvent[] = []
  const items = value === undefined ? {} : (faults.part(() => record(value, path)) ?? {})
  for (const [item, entries] of Object.entries(items)) {
    faults.item(() => {
      try {
        readItem(item, entries)
      } catch (error) {
        throw error instanceof Fault ? quoting(error, item) : error
      }
    })
  }
  return { outcomes, exposures, events }

  function quoting(fault: Fault, item: string): Fault {
    const short = item.length > quoted ? `${item.slice(0, quoted)}…` : item
    return new Fault(`${path}: ${short}`, `${fault.path === '' ? '' : `whose ${fault.path} `}${fault.message}`)
  }

  function readItem(item: string, entries: unknown): void {
    const source = record(jsonOf(item), '')
    if (!Array.isArray(entries)) throw new Fault('value', 'must be a list with an entry for each time')
    if (own(source, 'ok') !== undefined) {
      const outcome = readOutcome(source)
      const ms = entries.map((entry, i) =>
        faults.item(() => {
          if (isLatency(entry)) return entry
          throw quoting(
            new Fault(`entry ${i}`, 'must be a number of milliseconds from 0 to 1e15, or null for none'),
            item,
          )
        }),
      )
      const known = ms.filter((entry) => entry !== undefined)
      if (known.length > 0) outcomes.push({ ...outcome, ms: known })
    } else if (own(source, 'event') !== undefined) {
      const event = readEvent(source, now)
      for (const _time of entries) events.push(event)
    } else {
      const exposure = readDecision(source)
      // Who was seen twice was seen.
      if (entries.length > 0) exposures.push(exposure)
    }
  }
}

function jsonOf(item: string): unknown {
  try {
    return JSON.parse(item)
  } catch {
    throw new Fault('', 'must be JSON')
  }
}

function readDecision(source: JsonRecord): PageDecision {
  const rule = optionalText(source, 'rule', '')
  return {
    rollout: text(source, 'rollout', ''),
    epoch: count(source, 'epoch', ''),
    variant: text(source, 'variant', ''),
    reason: text(source, 'reason', '', 32),
    ...(rule === undefined ? {} : { rule }),
    randomised: flag(source, 'randomised', ''),
  }
}

function readOutcome(source: JsonRecord): PageOutcome {
  const kind = own(source, 'kind')
  const known = outcomeKinds.find((one) => one === kind)
  if (kind !== undefined && known === undefined) throw new Fault('kind', `must be one of ${outcomeKinds.join(', ')}`)
  return {
    ...readDecision(source),
    ok: flag(source, 'ok', ''),
    ...(known === undefined ? {} : { kind: known }),
  }
}

function readEvent(source: JsonRecord, now: number | undefined): PastPageEvent {
  const at = finite(source, 'at', '', -Number.MAX_VALUE, Number.MAX_VALUE)
  const ageMs = now === undefined ? 0 : Math.max(0, now - at)
  if (ageMs > oldestMs) throw new Fault('at', `must be at most ${oldestMs} milliseconds before now`)
  return readEventOfNobody({ ...source, ageMs }, '')
}

const isLatency = (entry: unknown): entry is number | null =>
  entry === null || (typeof entry === 'number' && entry >= 0 && entry <= 1e15)
