import { createHash } from 'node:crypto'
import type { Clock } from '@pipit/shared/clock'
import type { Context, MiddlewareHandler } from 'hono'
import type { Storage } from '../storage/ports.ts'
import type { AppEnv } from './context.ts'
import { HttpProblem } from './problem.ts'

/** How long an answer is kept for repetition. */
export const answersKeptMs = 24 * 3_600_000
const pruneEveryMs = 600_000

/** An answer as it is stored. `begun` marks a request that has no answer yet, by the process that took it. */
interface Stored {
  readonly headers?: { readonly [name: string]: string }
  readonly text?: string
  readonly begun?: string
}

const keptHeaders = ['content-type', 'etag', 'location']

/**
 * `Idempotency-Key`: a request with a key is carried out once. The same request again gets the stored answer; another request with the
 * same key is refused. A key belongs to the token that sent it. Where the process ended between the change and the answer, nobody knows
 * whether the change was made: the repetition is told so instead of being carried out twice.
 */
export function createIdempotency(parts: {
  readonly storage: Pick<Storage, 'idempotency'>
  readonly clock: Pick<Clock, 'now' | 'monotonic'>
  readonly bootId: string
}): MiddlewareHandler<AppEnv> {
  const { storage, clock, bootId } = parts
  /** Requests under way, by stored key: a second one waits for the first. */
  const underWay = new Map<string, Promise<void>>()
  let prunedAt = clock.monotonic()

  return async (c, next) => {
    const header = c.req.header('idempotency-key')
    if (header === undefined) return await next()
    if (!/^[\x21-\x7e]{1,128}$/.test(header)) {
      const message = 'must be 1 to 128 visible ASCII characters, such as a UUID'
      throw new HttpProblem('invalid', `Idempotency-Key ${message}`, { errors: [{ path: 'Idempotency-Key', message }] })
    }
    const key = createHash('sha256')
      .update(`${c.get('token').id}\n${header}`)
      .digest('hex')
    const fingerprint = await fingerprintOf(c)
    for (let before = underWay.get(key); before !== undefined; before = underWay.get(key)) await before
    let over = (): void => undefined
    underWay.set(key, new Promise((resolve) => (over = resolve)))
    try {
      const replayed = await replay(key, fingerprint)
      if (replayed !== undefined) {
        c.res = replayed
        return
      }
      await put(`begun:${key}`, fingerprint, 0, { begun: bootId })
      await next()
      if (c.res.status < 500) await keep(c, key, fingerprint)
    } finally {
      underWay.delete(key)
      over()
    }
  }

  /** The answer that was given before, or undefined where the request is to be carried out. */
  async function replay(key: string, fingerprint: string): Promise<Response | undefined> {
    const stored = (await storage.idempotency.get(key)) ?? (await storage.idempotency.get(`begun:${key}`))
    if (stored === undefined) return undefined
    if (stored.fingerprint !== fingerprint) {
      const advice = 'this Idempotency-Key was used for another request; use a new key for each change'
      throw new HttpProblem('idempotency-mismatch', advice)
    }
    const { begun, text, headers } = JSON.parse(stored.body) as Stored
    // Begun by this process and not under way: it came to nothing, and may be tried again.
    if (begun === bootId) return undefined
    if (begun !== undefined) {
      throw new HttpProblem(
        'outcome-unknown',
        'the server stopped while this request was under way; look whether the change was made, and if not send it with a new Idempotency-Key',
      )
    }
    return new Response(text, { status: stored.status, headers: { ...headers, 'idempotency-replayed': 'true' } })
  }

  async function keep(c: Context<AppEnv>, key: string, fingerprint: string): Promise<void> {
    const text = await c.res.clone().text()
    const headers = Object.fromEntries(
      keptHeaders.flatMap((name) => {
        const value = c.res.headers.get(name)
        return value === null ? [] : [[name, value]]
      }),
    )
    await put(key, fingerprint, c.res.status, {
      headers,
      ...(c.res.status === 204 ? {} : { text: withoutSecret(text) }),
    })
  }

  async function put(key: string, fingerprint: string, status: number, answer: Stored): Promise<void> {
    if (clock.monotonic() - prunedAt > pruneEveryMs) {
      prunedAt = clock.monotonic()
      await storage.idempotency.prune(clock.now() - answersKeptMs)
    }
    await storage.idempotency.put(key, { fingerprint, status, body: JSON.stringify(answer) }, clock.now())
  }
}

/** A new key's secret is shown once and stored nowhere: the repetition has all but it. */
function withoutSecret(text: string): string {
  if (!text.includes('"secret"')) return text
  const { secret: _shownOnce, ...rest } = JSON.parse(text) as { [field: string]: unknown }
  return JSON.stringify(rest)
}

async function fingerprintOf(c: Context<AppEnv>): Promise<string> {
  const { pathname, search } = new URL(c.req.url)
  const body = await c.req.text()
  const match = c.req.header('if-match') ?? ''
  return createHash('sha256')
    .update(JSON.stringify([c.req.method, pathname, search, match, body]))
    .digest('hex')
}
