import { count, Fault, type JsonRecord, list, own, record } from './check.ts'
import { type DroppedCounts, type Hello, type WireError, wireLimits } from './messages.ts'
import type { PageReport } from './page.ts'
import { attempt, type Parsed, parseJson, readHello, readSender } from './parse.ts'
import { readPageHello } from './parse-page.ts'
import { createPageFaults, type PageHappenings, readPageItems } from './parse-page-items.ts'
import { readDropped } from './parse-report.ts'

/** A report of a page, as far as it was understood. */
export interface UnpackedPageReport extends Pick<PageReport, 'seq' | 'user' | 'userHash' | 'cookies'>, PageHappenings {
  /** What was left out is in `invalid`. */
  readonly dropped: DroppedCounts
}

export interface ReadPageReport {
  readonly report: UnpackedPageReport
  /** Names the first item that was left out, and how many were. */
  readonly leftOut?: WireError
}

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
  const reports = list(source, 'reports', '', wireLimits.pageReports) ?? []
  const told = own(source, 'now')
  const now = Number.isFinite(told) ? (told as number) : undefined
  return { head, reports: reports.map((report, i) => parsePageReport(report, `reports[${i}]`, now)) }
}

function readHead(source: JsonRecord): ReadPagePost['head'] {
  const type = own(source, 'type')
  if (type === 'hello') return readHello(source)
  if (type === 'reports') return { type, ...readSender(source) }
  throw new Fault('type', 'must be hello or reports')
}

function parsePageReport(value: unknown, path: string, now: number | undefined): Parsed<ReadPageReport> {
  const isReport = typeof value === 'object' && value !== null && !Array.isArray(value)
  const read = (): ReadPageReport => readPageReport(record(value, path), path, now)
  return attempt(isReport ? (value as JsonRecord) : {}, read, 'bad-report')
}

function readPageReport(source: JsonRecord, path: string, now: number | undefined): ReadPageReport {
  const seq = count(source, 'seq', path, 1)
  const visitor = readPageHello(source, path)
  const faults = createPageFaults()
  const happenings = readPageItems(own(source, 'items'), `${path}.items`, now, faults)
  const droppedAt = `${path}.dropped`
  const told = own(source, 'dropped') ?? {}
  const dropped: DroppedCounts = faults.part(() => readDropped(record(told, droppedAt), droppedAt)) ?? {}
  const { first, total } = faults.found()
  const invalid = total === 0 ? {} : { invalid: total + (dropped.invalid ?? 0) }
  const report = { seq, ...visitor, ...happenings, dropped: { ...dropped, ...invalid } }
  if (first === undefined) return { report }
  const others = total === 1 ? '' : `, and ${total - 1} more`
  const message = `left out of report ${seq}: ${first.path} ${first.message}${others}; the rest of it is stored`
  return { report, leftOut: { type: 'error', code: 'bad-report', message, retry: false, path: first.path } }
}
