/** A page without a browser: time, storage, sockets and requests as a test wants them. */
import { createFakeClock, type FakeClock, seededRandom } from '@pipit/shared/testing'
import type { Page, PageEvent, PageSocket } from './page.ts'

type Message = { readonly type: string; readonly [field: string]: unknown }

export interface FakeSocket extends PageSocket {
  readonly url: string
  readonly protocols: readonly string[]
  readonly sent: Message[]
  isClosed: boolean
  /** What the server does with it. */
  open(): void
  say(message: object | string): void
  lose(code?: number, reason?: string): void
}

export interface FakePage {
  readonly page: Page
  readonly clock: FakeClock
  readonly sockets: FakeSocket[]
  readonly storage: Map<string, string>
  readonly warnings: string[]
  readonly requests: { readonly url: string; readonly init: RequestInit }[]
  /** Answers requests; without it the server is away. */
  answer: ((url: string, init: RequestInit) => { status: number; body: string }) | undefined
  /** Whether sockets open by themselves, and what is said to a message. */
  script: ((message: Message, socket: FakeSocket) => object | undefined) | undefined
  hidden: boolean
  blocksStorage: boolean
  /** Requests get no answer until they are given up. */
  hangs: boolean
  happen(type: string, event?: Omit<PageEvent, 'type'>): void
  readonly socket: FakeSocket
  readonly listeners: number
}

export function createFakePage(storage: Map<string, string> = new Map(), seed = 1): FakePage {
  const clock = createFakeClock()
  const random = seededRandom(seed)
  const listeners: [string, (event: PageEvent) => void][] = []
  const sockets: FakeSocket[] = []

  class Socket implements FakeSocket {
    onopen: PageSocket['onopen'] = null
    onmessage: PageSocket['onmessage'] = null
    onclose: PageSocket['onclose'] = null
    readonly sent: Message[] = []
    readonly url: string
    readonly protocols: readonly string[]
    isClosed = false
    constructor(url: string, protocols: string[]) {
      this.url = url
      this.protocols = protocols
      sockets.push(this)
      if (fake.script !== undefined) queueMicrotask(() => this.open())
    }
    open(): void {
      if (!this.isClosed) this.onopen?.()
    }
    send(text: string): void {
      const message = JSON.parse(text) as Message
      this.sent.push(message)
      const said = fake.script?.(message, this)
      if (said !== undefined) queueMicrotask(() => this.say(said))
    }
    say(message: object | string): void {
      if (!this.isClosed) this.onmessage?.({ data: typeof message === 'string' ? message : JSON.stringify(message) })
    }
    lose(code = 1006, reason = ''): void {
      this.isClosed = true
      this.onclose?.({ code, reason })
    }
    close(): void {
      this.isClosed = true
    }
  }

  const fake: FakePage = {
    clock,
    sockets,
    storage,
    warnings: [],
    requests: [],
    answer: undefined,
    script: undefined,
    hidden: false,
    blocksStorage: false,
    hangs: false,
    happen(type, event = {}) {
      for (const [of, listener] of [...listeners]) if (of === type) listener({ type, ...event })
    },
    get socket() {
      return sockets.at(-1) as FakeSocket
    },
    get listeners() {
      return listeners.length
    },
    page: {
      performance: { now: () => clock.monotonic() },
      Date: { now: () => clock.now() },
      Math: { random },
      setTimeout: (run, ms) => clock.setTimer(ms, () => void run()),
      clearTimeout: (timer) => (timer as (() => void) | undefined)?.(),
      console: { warn: (message) => fake.warnings.push(message) },
      document: {
        get hidden() {
          return fake.hidden
        },
      },
      addEventListener: (type, listener) => listeners.push([type, listener]),
      removeEventListener(type, listener) {
        const i = listeners.findIndex(([of, known]) => of === type && known === listener)
        if (i >= 0) listeners.splice(i, 1)
      },
      get localStorage() {
        if (fake.blocksStorage) throw new Error('SecurityError')
        return {
          getItem: (key: string) => storage.get(key) ?? null,
          setItem: (key: string, text: string) => void storage.set(key, text),
        }
      },
      AbortSignal: {
        timeout(ms) {
          const controller = new AbortController()
          clock.setTimer(ms, () => controller.abort())
          return controller.signal
        },
      },
      async fetch(url, init) {
        fake.requests.push({ url, init })
        if (fake.hangs) {
          await new Promise((_, reject) => {
            init.signal?.addEventListener('abort', () => reject(new Error('TimeoutError')))
          })
        }
        if (fake.answer === undefined) throw new TypeError('Failed to fetch')
        const { status, body } = fake.answer(url, init)
        return { ok: status < 300, text: async () => body }
      },
      WebSocket: Socket,
    },
  }
  return fake
}
