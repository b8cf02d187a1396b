import { encodeMessage, type WireError } from '@pipit/shared/protocol'
import type { Context } from 'hono'
import { instanceFault, type KeyOwner, type PushHub } from '../../push/index.ts'
import { bearer } from '../access.ts'
import { readBytes } from '../body/read-body.ts'
import { HttpProblem } from '../problem.ts'

export const wireHeaders = { 'content-type': 'application/json' }

/** What the wire's routes refuse, as the `error` message that it becomes. */
export class Refused extends Error {
  readonly status: 400 | 401 | 403 | 413 | 429 | 503
  readonly error: WireError
  constructor(status: Refused['status'], code: WireError['code'], message: string, path?: string) {
    super(message)
    this.status = status
    const retry = status === 503 || status === 429
    this.error = { type: 'error', code, message, retry, ...(path === undefined ? {} : { path }) }
  }

  response(as: 'message' | 'list' = 'message'): Response {
    const text = encodeMessage(this.error)
    return new Response(as === 'list' ? `[${text}]` : text, {
      status: this.status,
      headers: { ...wireHeaders, ...retryAfter(this.status) },
    })
  }
}

const retryAfter = (status: number) =>
  status === 429 ? { 'retry-after': '60' } : status === 503 ? { 'retry-after': '5' } : {}

export const unavailable = (): Refused => new Refused(503, 'unavailable', 'not possible now; come back later')

export async function ownerOf(hub: PushHub, key: string | undefined, howToSend: string): Promise<KeyOwner> {
  if (key === undefined) throw new Refused(401, 'unauthorized', howToSend)
  const who = await hub.authenticate(key)
  if (who === undefined) throw new Refused(401, 'unauthorized', 'this key is not known here, or was revoked')
  return who
}

export const bearerOf = (c: Context): string | undefined => bearer(c.req.header('authorization'))

export function instanceOf(instance: string | undefined, path: string): string {
  const fault = instanceFault(instance)
  if (instance === undefined || fault !== undefined)
    throw new Refused(400, 'bad-message', (fault ?? '').replace('x-pipit-instance', path), path)
  return instance
}

export const sdkOf = (sdk: string | undefined): string => (sdk ?? 'unknown').slice(0, 128)

export async function textOf(c: Context, maxBytes: number): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readBytes(c.req.raw, maxBytes))
  } catch (error) {
    if (!(error instanceof HttpProblem)) throw new Refused(400, 'bad-message', 'message refused, it is not UTF-8')
    const isLarge = error.code === 'too-large'
    throw new Refused(isLarge ? 413 : 400, isLarge ? 'too-large' : 'bad-message', error.message)
  }
}
