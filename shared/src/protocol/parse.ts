import {
  count,
  Fault,
  finite,
  type JsonRecord,
  list,
  named,
  optionalCount,
  optionalText,
  own,
  record,
  text,
} from './check.ts'
import {
  type Hello,
  type PatchMessage,
  type RolloutPatch,
  type SdkMessage,
  type ServerMessage,
  type WireError,
  type WireErrorCode,
  wireErrorCodes,
  wireLimits,
} from './messages.ts'
import { encodeCell } from './outcome-text.ts'
import { readCohortPatch } from './parse-cohort.ts'
import { readPageHello } from './parse-page.ts'
import { readReport } from './parse-report.ts'
import { readRuleset } from './parse-ruleset.ts'

export type Parsed<M> = { readonly ok: true; readonly message: M } | { readonly ok: false; readonly error: WireError }

/** A message of an SDK, or the error to answer it with. Unknown fields are left out: an older server understands a newer SDK. */
export function parseSdkMessage(raw: string): Parsed<SdkMessage> {
  return parse(raw, readSdkMessage)
}

/** A message of the server, or the error that an SDK counts. */
export function parseServerMessage(raw: string): Parsed<ServerMessage> {
  return parse(raw, readServerMessage)
}

export function encodeMessage(message: SdkMessage | ServerMessage): string {
  if (message.type !== 'report' || message.outcomes === undefined) return JSON.stringify(message)
  return JSON.stringify({ ...message, outcomes: message.outcomes.map(encodeCell) })
}

function parse<M>(raw: string, read: (source: JsonRecord) => M): Parsed<M> {
  const source = parseJson(raw)
  if (!source.ok) return source
  return attempt(source.message, read, own(source.message, 'type') === 'report' ? 'bad-report' : 'bad-message')
}

/** The object that a message is. */
export function parseJson(raw: string): Parsed<JsonRecord> {
  try {
    return { ok: true, message: record(JSON.parse(raw), '') }
  } catch (error) {
    const why = error instanceof Fault ? 'it is not an object' : `it is not JSON: ${(error as Error).message}`
    const message = `message refused, ${why}`
    return { ok: false, error: { type: 'error', code: 'bad-message', message, retry: false } }
  }
}

/** What is read, or the error to answer with; of a report it names the sequence. */
export function attempt<M>(
  source: JsonRecord,
  read: (source: JsonRecord) => M,
  code: 'bad-message' | 'bad-report',
): Parsed<M> {
  try {
    return { ok: true, message: read(source) }
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    const { path } = error
    const seq = own(source, 'seq')
    const message = `message refused: ${path === '' ? 'it' : path} ${error.message}`
    const ofReport = code === 'bad-report' && typeof seq === 'number' && Number.isSafeInteger(seq) ? { seq } : {}
    return { ok: false, error: { type: 'error', code, message, retry: false, path, ...ofReport } }
  }
}

function readSdkMessage(source: JsonRecord): SdkMessage {
  const type = own(source, 'type')
  switch (type) {
    case 'hello':
      return readHello(source)
    case 'applied':
      return { type, version: count(source, 'version', '') }
    case 'report':
      return readReport(source)
    case 'ping':
    case 'pong':
      return { type }
    default:
      throw new Fault('type', 'must be one of hello, applied, report, ping, pong')
  }
}

/** Throws `Fault`. */
export function readHello(source: JsonRecord): Hello {
  const version = optionalCount(source, 'version', '')
  const labels = own(source, 'labels')
  return {
    type: 'hello',
    protocol: count(source, 'protocol', '', 1),
    ...readSender(source),
    ...(version === undefined ? {} : { version }),
    ...(labels === undefined ? {} : { labels: readLabels(record(labels, 'labels')) }),
    ...readPageHello(source),
  }
}

/** Which running SDK a message is from. Throws `Fault`. */
export function readSender(source: JsonRecord): Pick<Hello, 'sdk' | 'instance'> {
  const sdk = record(own(source, 'sdk'), 'sdk')
  const instance = text(source, 'instance', '', 64, 8)
  if (!/^[\w.-]+$/.test(instance)) throw new Fault('instance', 'must be made of letters, digits, _ . -')
  return { sdk: { name: text(sdk, 'name', 'sdk'), version: text(sdk, 'version', 'sdk') }, instance }
}

function readLabels(source: JsonRecord): { [name: string]: string } {
  const names = Object.keys(source)
  if (names.length > wireLimits.labels)
    throw new Fault('labels', `has ${names.length} labels; at most ${wireLimits.labels} are kept`)
  return Object.fromEntries(names.map((name) => [name.slice(0, 64), text(source, name, 'labels', 256, 0)]))
}

function readServerMessage(source: JsonRecord): ServerMessage {
  const type = own(source, 'type')
  switch (type) {
    case 'ruleset':
      return {
        type,
        ruleset: readRuleset(own(source, 'ruleset'), 'ruleset'),
        flushMs: finite(source, 'flushMs', '', 50, 3_600_000),
        heartbeatMs: finite(source, 'heartbeatMs', '', 100, 3_600_000),
      }
    case 'patch':
      return readPatch(source)
    case 'ack':
      return { type, seq: count(source, 'seq', '', 1) }
    case 'error':
      return readError(source)
    case 'ping':
    case 'pong':
      return { type }
    default:
      throw new Fault('type', 'must be one of ruleset, patch, ack, error, ping, pong')
  }
}

function readPatch(source: JsonRecord): PatchMessage {
  const rollouts = own(source, 'rollouts')
  const cohorts = own(source, 'cohorts')
  const removed = own(source, 'removed')
  if (rollouts !== undefined)
    for (const [key, patch] of Object.entries(record(rollouts, 'rollouts'))) record(patch, `rollouts.${key}`)
  return {
    type: 'patch',
    from: count(source, 'from', ''),
    version: count(source, 'version', ''),
    ...(own(source, 'holdback') === undefined ? {} : { holdback: finite(source, 'holdback', '', 0, 100) }),
    ...(rollouts === undefined ? {} : { rollouts: rollouts as { readonly [key: string]: RolloutPatch } }),
    ...(cohorts === undefined ? {} : { cohorts: readCohorts(record(cohorts, 'cohorts')) }),
    ...(removed === undefined ? {} : { removed: readRemoved(record(removed, 'removed')) }),
    ...(own(source, 'flushMs') === undefined ? {} : { flushMs: finite(source, 'flushMs', '', 50, 3_600_000) }),
    ...(own(source, 'heartbeatMs') === undefined
      ? {}
      : { heartbeatMs: finite(source, 'heartbeatMs', '', 100, 3_600_000) }),
  }
}

function readCohorts(source: JsonRecord): NonNullable<PatchMessage['cohorts']> {
  return Object.fromEntries(
    Object.entries(source).map(([key, patch]) => [key, readCohortPatch(patch, `cohorts.${key}`)]),
  )
}

function readRemoved(source: JsonRecord): NonNullable<PatchMessage['removed']> {
  const keys = (name: string): string[] | undefined =>
    list(source, name, 'removed', 1_000_000)?.map((item, i) => {
      if (typeof item !== 'string') throw new Fault(`${named('removed', name)}[${i}]`, 'must be a text')
      return item
    })
  const rollouts = keys('rollouts')
  const cohorts = keys('cohorts')
  return { ...(rollouts === undefined ? {} : { rollouts }), ...(cohorts === undefined ? {} : { cohorts }) }
}

function readError(source: JsonRecord): WireError {
  const code = own(source, 'code')
  const seq = optionalCount(source, 'seq', '')
  const path = optionalText(source, 'path', '', 1000)
  const retryAfterMs = optionalCount(source, 'retryAfterMs', '')
  return {
    type: 'error',
    code: wireErrorCodes.includes(code as WireErrorCode) ? (code as WireErrorCode) : 'bad-message',
    message: text(source, 'message', '', 10_000, 0),
    retry: own(source, 'retry') === true,
    ...(path === undefined ? {} : { path }),
    ...(seq === undefined ? {} : { seq }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs: Math.min(retryAfterMs, wireLimits.retryAfterMs) }),
  }
}
