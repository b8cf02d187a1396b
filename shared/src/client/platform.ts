import type { Clock, Random } from '../clock/index.ts'
import type { DecideEnvironment, explain } from '../decide/index.ts'

/** An open (or opening) socket to the server. Text frames only. */
export interface Connection {
  send(text: string): void
  /** Bytes accepted by `send` and not yet handed to the network; where unknown, 0. */
  bufferedBytes(): number
  close(code: number, reason: string): void
}

export interface ConnectionHandlers {
  open(): void
  message(text: string): void
  /** Once, whether the socket never opened, failed or was closed. `code` is 1006 where there was no closing frame. */
  close(code: number, reason: string): void
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST'
  /** Absolute. */
  readonly url: string
  readonly headers: { readonly [name: string]: string }
  readonly body?: string
  readonly timeoutMs: number
  /** Asks for a delivery that outlives the page or process, where the platform can. */
  readonly keepalive?: boolean
}

export interface HttpResponse {
  readonly status: number
  readonly etag: string | undefined
  readonly body: string
  /** Of a header `retry-after`, in milliseconds, 0 to 60 000. */
  readonly retryAfterMs?: number | undefined
}

/** Where the last ruleset is kept between two lives of the SDK. Failures reject; the client counts and goes on. */
export interface Store {
  load(): Promise<string | undefined>
  save(text: string): Promise<void>
}

/** What the client core needs of the place it runs in. Optional members are capabilities. */
export interface ClientPlatform {
  readonly sdk: { readonly name: string; readonly version: string }
  readonly clock: Clock
  readonly random: Random
  /** Opens a socket with the key; never throws, failures come through `close`. Absent: HTTP only. */
  readonly connect?: (url: string, key: string, handlers: ConnectionHandlers) => Connection
  /** Rejects on network failure or timeout. */
  readonly request: (request: HttpRequest) => Promise<HttpResponse>
  readonly store?: Store
  /** Reads `User-Agent` headers for rules that ask for them. Absent: such rules do not match. */
  readonly userAgent?: DecideEnvironment['userAgent']
  /** Explains decisions, where there is room for the code that does. */
  readonly explain?: typeof explain
  /** Default logger; `options.logger` goes before it. */
  readonly log: Logger
}

/** Where the SDK says, once per kind of trouble, what went wrong. */
export interface Logger {
  warn(message: string): void
}
