import { count, Fault, flag, type JsonRecord, list, optionalText, own, record, text } from './check.ts'
import { type Hello, outcomeKinds, type WireError } from './messages.ts'
import type { PageDecision, PageEvent, PageOutcomes, PageReport } from './page.ts'
import { attempt, type Parsed, parseJson, readHello, readSender } from './parse.ts'
import { readPageHello } from './parse-page.ts'
import { readDropped, readEventOfNobody } from './parse-report.ts'

/** A report of a page, as far as it was understood. */
export interface ReadPageReport {
  /** What was left out is in `dropped.invalid`. */
  readonly report: PageReport
  /** Names the first item that was left out, and how many were. */
  readonly leftOut?: WireError
}

/** Faults of one report that are looked at; behind so many every further item is left out unread, because a fault costs far more than an item. */
const mostFaults = 500

/** What a page posted. */
export interface ReadPagePost {
  readonly head: Hello | ({ readonly type: 'reports' } & Pick<Hello, 'sdk' | 'instance'>)
  /** In their order; an error of a report stands in its place. */
  readonly reports: readonly Parsed<ReadPageReport>[]
}

/** A post of a page before it is known whether its key is any good: `read` takes the trouble. */
export interface PagePostEnvelope {
  readonly key: string | undefined
  /** How many reports are in it. */
  readonly reports: number
  readonly read: () => Parsed<ReadPagePost>
}

/** Takes what a page posts apart. Never throws; what is wrong with one report, or an item of one, spares the others. */
export function parsePagePost(raw: string): Parsed<PagePostEnvelope> {
  const parsed = parseJson(raw)
  if (!parsed.ok) return parsed
  const source = parsed.message
  const key = own(source, 'key')
  const reports = own(source, 'reports')
  const read = (): Parsed<ReadPagePost> => attempt(source, readPost, 'bad-message')
  return {
    ok: true,
    message: {
      key: typeof key === 'string' ? key : undefined,
      reports: Array.isArray(reports) ? reports.length : 0,
      read,
    },
  }
}

function readPost(source: JsonRecord): ReadPagePost {
  const head = readHead(source)
  const reports = list(source, 'reports', '', Number.POSITIVE_INFINITY) ?? []
  return { head, reports: reports.map((report, i) => parsePageReport(report, `reports[${i}]`)) }
}

function readHead(source: JsonRecord): ReadPagePost['head'] {
  const type = own(source, 'type')
  if (type === 'hello') return readHello(source)
  if (type === 'reports') return { type, ...readSender(source) }
  throw new Fault('type', 'must be hello or reports')
}

function parsePageReport(value: unknown, path: string): Parsed<ReadPageReport> {
  const isReport = typeof value === 'object' && value !== null && !Array.isArray(value)
  return attempt(isReport ? (value as JsonRecord) : {}, () => readPageReport(record(value, path), path), 'bad-report')
}

function readPageReport(source: JsonRecord, path: string): ReadPageReport {
  const seq = count(source, 'seq', path, 1)
  const visitor = readPageHello(source, path)
  const faults = createFaults()
  const outcomes = faults.items(source, 'outcomes', path, (item, at) => readOutcomes(item, at, faults))
  const exposures = faults.items(source, 'exposures', path, (item, at) => readDecision(record(item, at), at))
  const events = faults.items(source, 'events', path, (item, at): PageEvent => readEventOfNobody(record(item, at), at))
  const dropped = faults.part(source, 'dropped', (value) =>
    readDropped(record(value, `${path}.dropped`), `${path}.dropped`),
  )
  const { first, total } = faults.found()
  const invalid = total + (dropped?.invalid ?? 0)
  const report: PageReport = {
    seq,
    ...visitor,
    ...(outcomes === undefined ? {} : { outcomes: outcomes.filter(({ ms }) => ms.length > 0) }),
    ...(exposures === undefined ? {} : { exposures }),
    ...(events === undefined ? {} : { events }),
    ...(dropped === undefined && total === 0 ? {} : { dropped: { ...dropped, ...(invalid === 0 ? {} : { invalid }) } }),
  }
  if (first === undefined) return { report }
  const others = total === 1 ? '' : `, and ${total - 1} more`
  const message = `left out of report ${seq}: ${first.path} ${first.message}${others}; the rest of it is stored`
  return { report, leftOut: { type: 'error', code: 'bad-report', message, retry: false, path: first.path } }
}

/** What was left out of a report. */
interface Faults {
  /** The items of a list that are any. */
  items<T>(source: JsonRecord, key: string, path: string, read: (item: unknown, at: string) => T): T[] | undefined
  /** A part that may be missing. */
  part<T>(source: JsonRecord, key: string, read: (value: unknown) => T): T | undefined
  found(): { readonly first: Fault | undefined; readonly total: number }
}

function createFaults(): Faults {
  let first: Fault | undefined
  let total = 0

  function tried<T>(read: () => T): T | undefined {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      first ??= error
      total++
      return undefined
    }
  }

  const faults: Faults = {
    items(source, key, path, read) {
      const all = tried(() => list(source, key, path, Number.POSITIVE_INFINITY))
      const at = `${path}.${key}`
      const found = all?.map((item, i) => {
        if (total < mostFaults) return tried(() => read(item, `${at}[${i}]`))
        total++
        return undefined
      })
      return found?.filter((item) => item !== undefined)
    },
    part(source, key, read) {
      const value = own(source, key)
      return value === undefined ? undefined : tried(() => read(value))
    },
    found: () => ({ first, total }),
  }
  return faults
}

function readDecision(source: JsonRecord, path: string): PageDecision {
  const rule = optionalText(source, 'rule', path)
  return {
    rollout: text(source, 'rollout', path),
    epoch: count(source, 'epoch', path),
    variant: text(source, 'variant', path),
    reason: text(source, 'reason', path, 32),
    ...(rule === undefined ? {} : { rule }),
    randomised: flag(source, 'randomised', path),
  }
}

function readOutcomes(value: unknown, path: string, faults: Faults): PageOutcomes {
  const source = record(value, path)
  const kind = own(source, 'kind')
  const known = outcomeKinds.find((one) => one === kind)
  if (kind !== undefined && known === undefined)
    throw new Fault(`${path}.kind`, `must be one of ${outcomeKinds.join(', ')}`)
  const outcome = {
    ...readDecision(source, path),
    ok: flag(source, 'ok', path),
    ...(known === undefined ? {} : { kind: known }),
  }
  if (own(source, 'ms') === undefined) throw new Fault(`${path}.ms`, 'must be a list of milliseconds, or null for none')
  const ms = faults.items(source, 'ms', path, readLatency)
  return { ...outcome, ms: ms ?? [] }
}

function readLatency(value: unknown, path: string): number | null {
  if (value === null || (typeof value === 'number' && value >= 0 && value <= 1e15)) return value
  throw new Fault(path, 'must be a number of milliseconds from 0 to 1e15, or null for none')
}
