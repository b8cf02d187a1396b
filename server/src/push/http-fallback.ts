import { encodeMessage, type Hello, parseSdkMessage, protocolVersion } from '@pipit/shared/protocol'
import type { PushHub } from './hub.ts'
import { keyLimitError } from './key-limiter.ts'

export interface SdkRequest {
  readonly environment: string
  readonly instance: string
  /** `name/version`. */
  readonly sdk: string
  readonly labels?: Hello['labels']
  readonly keyId: string
}

const instancePattern = /^[\w.-]{8,64}$/

/** What is wrong with an instance id from a header, if anything. */
export function instanceFault(instance: string | undefined): string | undefined {
  if (instance === undefined) return 'give the SDK instance as header x-pipit-instance'
  return instancePattern.test(instance) ? undefined : 'x-pipit-instance must have 8 to 64 letters, digits, _ . -'
}

/** Longer ones are refused; SDKs leave out labels that would need more. */
const maxLabelsHeader = 4096

/** The labels in the header `x-pipit-labels`, URI-encoded JSON of what `hello` has on a socket; or what is wrong with it. */
export function readLabels(header: string): { readonly labels: Hello['labels'] } | { readonly fault: string } {
  const wrong = (why: string) => ({ fault: `x-pipit-labels ${why}` })
  if (header.length > maxLabelsHeader)
    return wrong(`has ${header.length} characters; at most ${maxLabelsHeader} are taken`)
  try {
    const labels = JSON.parse(decodeURIComponent(header)) as unknown
    const sdk = { name: 'http', version: '0' }
    const hello = { type: 'hello', protocol: protocolVersion, sdk, instance: 'over-http', labels }
    const parsed = parseSdkMessage(JSON.stringify(hello))
    if (!parsed.ok) return wrong(`is refused: ${parsed.error.message}`)
    return { labels: parsed.message.type === 'hello' ? parsed.message.labels : undefined }
  } catch {
    return wrong('is not URI-encoded JSON')
  }
}

/** The whole ruleset for an SDK without a socket; 304 when it holds it already. The body is made once per version. */
export async function rulesetResponse(
  hub: PushHub,
  request: SdkRequest,
  ifNoneMatch: string | undefined,
): Promise<{ readonly status: 200 | 304; readonly etag: string; readonly body: string }> {
  const { etag, ruleset, text } = await hub.edition(request.environment)
  const isHeld = ifNoneMatch === etag
  hub.heard({ ...request, version: isHeld ? ruleset.version : 0 })
  return isHeld ? { status: 304, etag, body: '' } : { status: 200, etag, body: text() }
}

/** Takes a report over HTTP; the answer is an `ack` or `error` message. */
export async function reportResponse(
  hub: PushHub,
  request: SdkRequest,
  text: string,
): Promise<{
  readonly status: 200 | 400 | 429 | 503
  readonly body: string
  readonly retryAfterMs?: number | undefined
}> {
  const parsed = parseSdkMessage(text)
  if (!parsed.ok) return { status: 400, body: encodeMessage(parsed.error) }
  const { message } = parsed
  if (message.type !== 'report') {
    return {
      status: 400,
      body: encodeMessage({
        type: 'error',
        code: 'bad-message',
        message: 'only reports are taken here',
        retry: false,
        path: 'type',
      }),
    }
  }
  const breakers = message.breakers?.map((breaker) => breaker.rollout)
  hub.heard({ ...request, version: 0, ...(breakers === undefined ? {} : { breakers }) })
  const limited = hub.keyLimits.report(request.keyId)
  if (limited !== undefined) {
    hub.count('key_limited')
    return { status: 429, body: encodeMessage(keyLimitError(limited, message.seq)), retryAfterMs: limited.retryAfterMs }
  }
  try {
    const { labels } = request
    const sdk = request.sdk.replace(/\/(?=[^/]*$)/, '@')
    const from = { id: request.instance, sdk, ...(labels === undefined ? {} : { labels }) }
    const result = await hub.ingest.submit(request.environment, from, message)
    if (!('type' in result)) return { status: 200, body: encodeMessage({ type: 'ack', seq: result.seq }) }
    return { status: result.retry ? 503 : 400, body: encodeMessage(result), retryAfterMs: result.retryAfterMs }
  } catch {
    const error = {
      type: 'error',
      code: 'unavailable',
      message: 'the report could not be stored now; send it again later',
      retry: true,
      seq: message.seq,
    } as const
    return { status: 503, body: encodeMessage(error) }
  }
}
