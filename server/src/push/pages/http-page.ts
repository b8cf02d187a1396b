import {
  encodeMessage,
  type Hello,
  type Parsed,
  type ReadPagePost,
  type ReadPageReport,
  type ServerMessage,
} from '@pipit/shared/protocol'
import type { PushHub, Who } from '../hub.ts'
import { foldPageReport, pageReportFault } from './page-report.ts'

/**
 * Answers what a page posted, as a JSON array of messages: for each report in its order an `ack` or `error`, then what a socket would answer to
 * a `hello`. Rejects only where the ruleset cannot be read: repeated reports count once.
 */
export async function pageResponse(hub: PushHub, who: Who, { head, reports }: ReadPagePost): Promise<string> {
  const answers = (await storeAll(hub, who, head, reports)).map(encodeMessage)
  const greeting = head.type === 'hello' ? await hub.pages(who.environment).answer(head, who.agent) : []
  return `[${[...answers, ...greeting].join(',')}]`
}

type From = Pick<Hello, 'sdk' | 'instance'>

/** In their order. After one that could not be stored now none is tried: a later sequence would make the earlier one look repeated. */
async function storeAll(
  hub: PushHub,
  who: Who,
  from: From,
  reports: readonly Parsed<ReadPageReport>[],
): Promise<readonly ServerMessage[]> {
  const answers: ServerMessage[] = []
  let isAway = false
  for (const parsed of reports) {
    if (!parsed.ok) {
      answers.push(parsed.error)
      continue
    }
    const { report, leftOut } = parsed.message
    const answer: ServerMessage = isAway ? unavailable(report.seq) : await store(hub, who, from, parsed.message)
    answers.push(answer)
    if (answer.type === 'error') isAway ||= answer.retry
    else if (leftOut !== undefined) answers.push(leftOut)
  }
  return answers
}

/** A page's reports are of an instance of its own, which can use up no server's sequence, and all pages are one where instances are compared. */
async function store(hub: PushHub, who: Who, from: From, { report }: ReadPageReport): Promise<ServerMessage> {
  const fault = pageReportFault(report, hub.limits)
  if (fault !== undefined) return fault
  try {
    const pages = hub.pages(who.environment)
    const { user } = await pages.identify(report, who.agent)
    const { compiled } = await pages.edition()
    const folded = foldPageReport(report, { compiled, user, random: hub.random, count: hub.count })
    const { instance, sdk } = from
    const reporting = { id: `page/${instance}`, group: 'pages', sdk: `${sdk.name}@${sdk.version}` }
    const result = await hub.ingest.submit(who.environment, reporting, folded)
    return 'type' in result ? result : { type: 'ack', seq: result.seq }
  } catch {
    hub.count('page_reports_unstored')
    return unavailable(report.seq)
  }
}

function unavailable(seq: number): ServerMessage {
  const message = 'the report could not be stored now; send it again later'
  return { type: 'error', code: 'unavailable', message, retry: true, seq }
}
