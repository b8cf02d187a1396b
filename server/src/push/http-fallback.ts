import { encodeMessage, parseSdkMessage } from '@pipit/shared/protocol'
import type { PushHub } from './hub.ts'

export interface SdkRequest {
  readonly environment: string
  readonly instance: string
  /** `name/version`. */
  readonly sdk: string
}

const instancePattern = /^[\w.-]{8,64}$/

/** What is wrong with an instance id from a header, if anything. */
export function instanceFault(instance: string | undefined): string | undefined {
  if (instance === undefined) return 'give the SDK instance as header x-pipit-instance'
  return instancePattern.test(instance) ? undefined : 'x-pipit-instance must have 8 to 64 letters, digits, _ . -'
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
): Promise<{ readonly status: 200 | 400 | 503; readonly body: string }> {
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
  try {
    const from = { id: request.instance, sdk: request.sdk.replace(/\/(?=[^/]*$)/, '@') }
    const result = await hub.ingest.submit(request.environment, from, message)
    if (!('type' in result)) return { status: 200, body: encodeMessage({ type: 'ack', seq: result.seq }) }
    return { status: result.retry ? 503 : 400, body: encodeMessage(result) }
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
