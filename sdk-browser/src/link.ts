import type { PageStatus } from './api.ts'
import type { Page, PageSocket } from './page.ts'

const openTimeoutMs = 10_000
const requestTimeoutMs = 10_000
const failuresBeforeHttp = 3
const pollMs = 30_000
const hiddenMs = 60_000
/** Silent for three heartbeats is gone; the check comes once a heartbeat, so the third may be a moment short of its end. */
const silentBeats = 2.5
const never = 1 / 0

export interface LinkParts {
  readonly page: Page
  readonly url: string
  readonly key: string
  readonly instance: string
  /** A way is there: time for the greeting. `anew` where it is a new socket. */
  greet(anew?: boolean): void
  /** A text of the server's. */
  receive(text: unknown): void
  /** What waits can be sent. */
  flush(): void
  /** The page may be about to end. */
  conceal(): void
  changed(): void
}

/** What the server says, before it is known to be of a form. */
export type Message = { readonly [field: string]: unknown }

/** The way to the server: a socket, and HTTP where there is none; quiet while nobody looks. */
export interface Link {
  transport(): PageStatus['transport']
  /** To the socket; false where none is open. */
  send(message: object): boolean
  /** Without a socket: `page` answers a greeting with the ruleset, `reports` takes reports. What comes back is received. */
  post(path: 'page' | 'reports', message: object): void
  /** Sends what is to be heard even when the page ends. */
  beacon(body: object): void
  /** `flush` is to be called within so many milliseconds. */
  flushIn(ms: number): void
  beatEvery(ms: number): void
  /** An event of the page. */
  turn(type: string): void
  stop(): void
}

export function createLink({ page, url, key, instance, greet, receive, flush, conceal, changed }: LinkParts): Link {
  const base = `${url.replace(/\/+$/, '')}/sdk/v1/`
  const now = (): number => page.performance.now()
  let socket: PageSocket | undefined
  let open = false
  let online = false
  let failures = 0
  let heartbeatMs = 15_000
  let heardAt = 0
  let etag = ''
  let asked = ''
  let last = Promise.resolve()
  let timer: unknown
  let asleep = true
  // When what is due.
  let connectAt = 0
  let beatAt = 0
  let pollAt = 0
  let flushAt = never
  let hideAt = never

  function drop(): void {
    const gone = socket
    socket = undefined
    open = false
    gone?.close()
    changed()
  }

  function lost(code?: number, reason = ''): void {
    drop()
    // A server that goes away tells over how many milliseconds its clients should spread their return; a key that is refused, nobody mends soon.
    const spreadMs = code === 4401 ? 3e5 : +reason || Math.min(30_000, 1000 * 2 ** failures)
    failures++
    connectAt = now() + page.Math.random() * Math.min(3e5, spreadMs)
    tick()
  }

  function connect(): void {
    beatAt = now() + openTimeoutMs
    try {
      const mine = new page.WebSocket(`${base.replace('http', 'ws')}connect`, ['pipit.v1', `key.${key}`])
      socket = mine
      mine.onopen = () => {
        if (mine !== socket) return
        open = true
        heardAt = now()
        greet(true)
        beatEvery(heartbeatMs)
        changed()
      }
      mine.onmessage = ({ data }) => {
        if (mine !== socket) return
        failures = 0
        heardAt = now()
        receive(data)
      }
      mine.onclose = ({ code, reason }) => {
        if (mine === socket) lost(code, reason)
      }
      tick()
    } catch {
      // No WebSocket here, or a policy that forbids it.
      lost()
    }
  }

  function beat(): void {
    if (!open || now() - heardAt > silentBeats * heartbeatMs) return lost()
    socket?.send('{"type":"ping"}')
    beatEvery(heartbeatMs)
  }

  function beatEvery(ms: number): void {
    heartbeatMs = ms
    beatAt = now() + ms
    tick()
  }

  /** Sockets do not seem to come through. */
  const isCut = (): boolean => !open && failures >= failuresBeforeHttp

  /** Does what is due, or comes again when something is. */
  function tick(): void {
    page.clearTimeout(timer)
    if (asleep) return
    const at = now()
    const [turn, turnAt] = socket ? [beat, beatAt] : [connect, connectAt]
    const next: readonly (readonly [number, () => void])[] = [
      [hideAt, sleep],
      [turnAt, turn],
      [isCut() ? pollAt : never, poll],
      [flushAt, flushNow],
    ]
    const due = next.find(([when]) => at >= when)
    if (due) due[1]()
    else timer = page.setTimeout(tick, Math.min(...next.map(([when]) => when)) - at)
  }

  function poll(): void {
    pollAt = now() + pollMs
    greet()
    tick()
  }

  function flushNow(): void {
    flushAt = never
    flush()
    tick()
  }

  function sleep(): void {
    asleep = true
    page.clearTimeout(timer)
    if (socket) drop()
  }

  async function ask(path: string, body: string): Promise<void> {
    const polls = path === 'page'
    let status = 0
    try {
      const headers = {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'x-pipit-instance': instance,
      }
      const answer = await page.fetch(base + path, {
        method: 'POST',
        body,
        signal: page.AbortSignal?.timeout?.(requestTimeoutMs) ?? null,
        headers: polls && etag ? { ...headers, 'if-none-match': etag } : headers,
      })
      const text = await answer.text()
      status = answer.status
      // Otherwise somebody else uses the page meanwhile.
      if (!polls || body === asked) receive(text || '{}')
      if (polls && status === 200) etag = answer.headers.get('etag') ?? ''
    } catch {
      // As if the server were away: the next poll tells.
    }
    if (polls) online = status === 200 || status === 304
    changed()
    flush()
  }

  return {
    transport: () => (open ? 'socket' : online && isCut() ? 'http' : 'none'),
    send(message) {
      if (open) socket?.send(JSON.stringify(message))
      return open
    },
    post(path, message) {
      const body = JSON.stringify(message)
      if (path === 'page' && body !== asked) {
        asked = body
        etag = ''
      }
      // One after the other: the server must know whose report it is.
      last = last.then(() => ask(path, body))
    },
    beacon(message) {
      const body = JSON.stringify(message)
      // Either outlives the page.
      if (!page.navigator.sendBeacon?.(`${base}beacon`, body))
        page.fetch(`${base}beacon`, { method: 'POST', body, keepalive: true }).catch(() => {})
    },
    flushIn(ms) {
      flushAt = Math.min(flushAt, now() + ms)
      tick()
    },
    beatEvery,
    turn(type) {
      // An open socket would keep the page out of the back-forward cache.
      if (/^(pageh|f)/.test(type)) {
        conceal()
        sleep()
      } else if (type === 'offline') {
        if (socket) lost()
      } else if (page.document.hidden) {
        conceal()
        hideAt = now() + hiddenMs
        tick()
      } else {
        asleep = false
        hideAt = never
        connectAt = 0
        tick()
      }
    },
    stop: sleep,
  }
}
