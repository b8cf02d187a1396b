import type { Cancel, Clock, Random } from '../clock/index.ts'
import { parseServerMessage, type ServerMessage } from '../protocol/index.ts'
import type { HttpRequest, HttpResponse } from './platform.ts'

const pollMs = 10_000
const requestTimeoutMs = 10_000

export interface FallbackParts {
  readonly clock: Clock
  readonly random: Random
  readonly request: (request: HttpRequest) => Promise<HttpResponse>
  readonly url: string
  readonly headers: { readonly [name: string]: string }
  readonly message: (message: ServerMessage) => void
  /** Reports are to wait for so long. */
  readonly postpone: (ms: number) => void
  readonly trouble: (code: string, message: string) => void
}

/** Polls the ruleset and posts reports where a socket cannot be had. */
export interface HttpFallback {
  /** True while polling and the last poll was answered. */
  readonly online: boolean
  start(): void
  stop(): void
  /** Posts an encoded report; the answer comes as a message. False where the fallback is not in use. */
  sendText(text: string, keepalive?: boolean): boolean
}

export function createHttpFallback(parts: FallbackParts): HttpFallback {
  const base = parts.url.replace(/\/+$/, '')
  let active = false
  let online = false
  let etag: string | undefined
  let cancel: Cancel | undefined

  async function ask(request: Omit<HttpRequest, 'timeoutMs'>): Promise<HttpResponse | undefined> {
    try {
      return await parts.request({ ...request, timeoutMs: requestTimeoutMs })
    } catch {
      return undefined
    }
  }

  function take(body: string): void {
    const parsed = parseServerMessage(body)
    if (parsed.ok) parts.message(parsed.message)
    else parts.trouble('bad-message', `the server sent what this SDK does not understand: ${parsed.error.message}`)
  }

  async function poll(): Promise<void> {
    const headers = etag === undefined ? parts.headers : { ...parts.headers, 'if-none-match': etag }
    const answer = await ask({ method: 'GET', url: `${base}/sdk/v1/ruleset`, headers })
    if (!active) return
    online = answer !== undefined && (answer.status === 200 || answer.status === 304)
    if (answer?.status === 200) {
      etag = answer.etag
      take(answer.body)
    } else if (answer?.status === 304) parts.message({ type: 'pong' })
    else if (answer?.status === 401) {
      parts.trouble('unauthorized', `the server at ${parts.url} refuses this key: check it, or make a new one`)
    }
    schedule(answer?.retryAfterMs ?? 0)
  }

  function schedule(leastMs: number): void {
    cancel = parts.clock.setTimer(leastMs + pollMs * (0.5 + parts.random()), () => void poll())
  }

  async function post(body: string, keepalive: boolean): Promise<void> {
    const headers = { ...parts.headers, 'content-type': 'application/json' }
    const answer = await ask({ method: 'POST', url: `${base}/sdk/v1/reports`, headers, body, keepalive })
    // Without an answer nothing is said: the report stays sealed and is repeated.
    if (answer === undefined) return
    if (answer.status === 429 || answer.status >= 500) busy(answer)
    else if (answer.body !== '') take(answer.body)
  }

  /** The server, or something before it that does not speak as the server does. */
  function busy({ body, retryAfterMs }: HttpResponse): void {
    const parsed = parseServerMessage(body)
    const told = parsed.ok && parsed.message.type === 'error' ? parsed.message : undefined
    if (told !== undefined) parts.message(told)
    if (told?.retryAfterMs === undefined && retryAfterMs !== undefined) parts.postpone(retryAfterMs)
  }

  return {
    get online() {
      return active && online
    },
    start() {
      if (active) return
      active = true
      void poll()
    },
    stop() {
      active = false
      online = false
      cancel?.()
    },
    sendText(text, keepalive = false) {
      if (!active || !online) return false
      void post(text, keepalive)
      return true
    },
  }
}
