import type { PageStatus } from './api.ts'
import type { Page, PageSocket } from './page.ts'

const patienceMs = 10_000
const failuresBeforeHttp = 3
/** Timers by what they are for: the socket's next turn (another try, an end of patience), and the next request. */
const turns = 0
const posts = 1

/** Anything that the server says. */
export type Message = { readonly [field: string]: unknown }

export interface LinkParts {
  readonly page: Page
  readonly url: string
  readonly key: string
  /** What a socket begins with. */
  hello(): object
  /** What a request tells; undefined where that is nothing. `polls`: the greeting at least. */
  body(polls: boolean): object | undefined
  /** A message of the server's. What it throws is heard by `garbled`. */
  hear(message: Message): void
  garbled(): void
  changed(): void
}

/** The way to the server: a socket for what comes, requests for what goes and for pages without a socket; quiet while nobody looks. */
export interface Link {
  transport(): PageStatus['transport']
  /** To the socket. */
  send(message: object): void
  /** Asks for a `body` now; by itself it does so again and again. */
  post(): void
  /** Greets anew; what was asked before is not heard. */
  renew(): void
  /** An event of the page; `''` begins, `pagehide` ends. */
  turn(type: string): void
}

export function createLink({ page, url, key, hello, body, hear, garbled, changed }: LinkParts): Link {
  const base = `${url.replace(/\/+$/, '')}/sdk/v1/`
  const timers: unknown[] = []
  let socket: PageSocket | undefined
  let transport: PageStatus['transport'] = 'none'
  let failures = 0
  let heartbeatMs = 15_000
  let flushMs = 1000
  let asleep = true
  /** Greetings anew: what was asked before is about somebody else. */
  let era = 0

  function after(what: number, ms: number, run: () => unknown): void {
    page.clearTimeout(timers[what])
    if (!asleep) timers[what] = page.setTimeout(run, ms)
  }

  function become(next: PageStatus['transport']): void {
    if (transport === next) return
    transport = next
    changed()
  }

  function send(message: object): void {
    if (transport !== 'socket') return
    socket?.send(JSON.stringify(message))
    // There was something to answer: a ruleset or a ping. Refusals alone are failures.
    failures = 0
  }

  function receive(text: string, asked = era): void {
    for (const message of [JSON.parse(text)].flat() as Message[]) {
      // It may be a listener to the message before that changed the user.
      if (asked !== era) return
      heartbeatMs = +(message.heartbeatMs as number) || heartbeatMs
      flushMs = +(message.flushMs as number) || flushMs
      if (message.type === 'ping') send({ type: 'pong' })
      hear(message)
    }
  }

  function drop(): void {
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null
      socket.close()
      socket = undefined
    }
    if (transport === 'socket') become('none')
  }

  function lost(reason?: string): void {
    drop()
    // A server that goes away tells over how many milliseconds its clients should spread their return.
    after(turns, page.Math.random() * (+(reason as string) || Math.min(30_000, 1000 * 2 ** failures)), connect)
    if (++failures >= failuresBeforeHttp) void ask(true)
  }

  function connect(): void {
    if (asleep || socket) return
    after(turns, patienceMs, lost)
    try {
      socket = new page.WebSocket(`${base.replace('http', 'ws')}connect`, ['pipit.v1', `key.${key}`])
      socket.onopen = () => {
        socket?.send(JSON.stringify(hello()))
        become('socket')
        // What was asked before may be answered later, with what was true before.
        era++
      }
      socket.onmessage = ({ data }) => {
        after(turns, 3 * heartbeatMs, lost)
        try {
          receive(data as string)
        } catch {
          // It may have been a patch that does not fit: everything, please.
          garbled()
          lost()
        }
      }
      socket.onclose = ({ reason }) => lost(reason)
    } catch {
      // No WebSocket here, or a policy that forbids it.
      lost()
    }
  }

  async function ask(polls = false): Promise<void> {
    let isTaken = true
    const asked = era
    const told = body(polls)
    if (told) {
      isTaken = false
      try {
        const answer = await page.fetch(`${base}page`, {
          method: 'POST',
          body: JSON.stringify(told),
          // The last outlives its page; of others, which may be larger than 64 KiB, it tells again what got no answer.
          keepalive: asleep,
          signal: page.AbortSignal.timeout(patienceMs),
        })
        const text = await answer.text()
        receive(text, asked)
        isTaken = answer.ok
      } catch {
        // As if the server were away.
      }
      if (transport !== 'socket') become(isTaken ? 'http' : 'none')
    }
    after(posts, isTaken ? flushMs : patienceMs, ask)
  }

  return {
    transport: () => transport,
    send,
    post: ask,
    renew() {
      era++
      drop()
      connect()
    },
    turn(type) {
      if (type === 'offline') {
        if (socket) lost()
      } else if (type === 'pagehide' || page.document.hidden) {
        asleep = true
        void ask()
        // An open socket would also keep the page out of the back-forward cache.
        timers.forEach(page.clearTimeout)
        drop()
      } else {
        asleep = false
        connect()
        // The socket comes first.
        after(posts, flushMs, ask)
      }
    },
  }
}
