import { createHash } from 'node:crypto'
import { encodeMessage, parseSdkMessage, protocolVersion, type WireError } from '@pipit/shared/protocol'
import type { PushHub, Who } from '../hub.ts'
import { reporting } from '../session.ts'
import { fillPageReport, pageReportFault } from './page-report.ts'

export interface PageAnswer {
  readonly status: 200 | 304 | 400 | 409 | 503
  readonly etag?: string
  readonly body: string
}

const refusal = (status: 400 | 409, error: Omit<WireError, 'type'>): PageAnswer => ({
  status,
  body: encodeMessage({ type: 'error', ...error }),
})

/** The page ruleset for a page without a socket, by its `hello`; 304 when it holds the same already. */
export async function pageResponse(
  hub: PushHub,
  who: Who,
  text: string,
  ifNoneMatch: string | undefined,
): Promise<PageAnswer> {
  const parsed = parseSdkMessage(text)
  if (!parsed.ok) return { status: 400, body: encodeMessage(parsed.error) }
  const hello = parsed.message
  if (hello.type !== 'hello') {
    const message = 'send the hello of the page here; reports go to /sdk/v1/reports'
    return refusal(400, { code: 'bad-message', message, retry: false, path: 'type' })
  }
  if (hello.protocol !== protocolVersion) {
    const message = `this server speaks protocol ${protocolVersion}, the SDK ${hello.protocol}; upgrade the older of the two`
    return refusal(400, { code: 'protocol-version', message, retry: false })
  }
  const { edition, decided } = await hub.pages(who.environment).answer(hello, who.agent)
  // The salt in it, by the edition's, keeps versions of different databases apart; results are the user's own.
  const results = createHash('sha256').update(decided.text).digest('base64url').slice(0, 16)
  const etag = `${edition.edition.etag.slice(0, -1)}-${edition.cadence.flushMs}-${results}"`
  return ifNoneMatch === etag ? { status: 304, etag, body: '' } : { status: 200, etag, body: edition.text(decided) }
}

export interface PageReporter {
  readonly instance: string
  /** `name/version`. */
  readonly sdk: string
  /** Nobody will read the answer: what needs no user is taken where the user is not known. */
  readonly isLast: boolean
}

/** Takes the report of a page over HTTP; the answer is an `ack` or `error` message. */
export async function pageReportResponse(
  hub: PushHub,
  who: Who,
  { instance, sdk, isLast }: PageReporter,
  text: string,
): Promise<PageAnswer> {
  const parsed = parseSdkMessage(text)
  if (!parsed.ok) return { status: 400, body: encodeMessage(parsed.error) }
  const report = parsed.message
  if (report.type !== 'report')
    return refusal(400, { code: 'bad-message', message: 'only reports are taken here', retry: false, path: 'type' })
  const fault = pageReportFault(report, hub.limits)
  if (fault !== undefined) return { status: 400, body: encodeMessage(fault) }
  const { seq } = report
  try {
    const pages = hub.pages(who.environment)
    const known = pages.known(instance)
    if (known === undefined && !isLast) {
      const message = 'this page is not known here, or was not heard for long: send its hello to /sdk/v1/page first'
      return refusal(409, { code: 'hello-first', message, retry: true, seq })
    }
    const { compiled } = await pages.edition()
    const ready = fillPageReport(report, { compiled, user: known?.user, count: hub.count })
    const from = { ...reporting('web', instance), sdk: sdk.replace(/\/(?=[^/]*$)/, '@') }
    const result = await hub.ingest.submit(who.environment, from, ready)
    if (!('type' in result)) return { status: 200, body: encodeMessage({ type: 'ack', seq: result.seq }) }
    return { status: result.retry ? 503 : 400, body: encodeMessage(result) }
  } catch {
    const message = 'the report could not be stored now; send it again later'
    return { status: 503, body: encodeMessage({ type: 'error', code: 'unavailable', message, retry: true, seq }) }
  }
}
