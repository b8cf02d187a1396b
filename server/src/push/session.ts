import type { Clock } from '@pipit/shared/clock'
import {
  type Applied,
  closeCodes,
  type Hello,
  type Parsed,
  parseSdkMessage,
  protocolVersion,
  type Report,
  type SdkMessage,
  type WireError,
} from '@pipit/shared/protocol'
import type { Ingest } from '../ingest/index.ts'
import { messageFrame, pongFrame } from './frame.ts'
import { keyLimitError, type ReachedKeyLimit } from './key-limiter.ts'
import type { HubLimits } from './limits.ts'
import type { PageFlow } from './pages/page-limiter.ts'

/** What a session needs of its socket: `ws` in production. */
export interface SessionSocket {
  /** Writes a whole frame; nothing happens where the socket is not open. */
  send(frame: Buffer): void
  close(code: number, reason: string): void
  terminate(): void
  /** Written and not yet taken by the network. */
  readonly bufferedBytes: number
}

export interface SessionParts {
  /** Of the key: a server's, or a page's. */
  readonly kind: 'srv' | 'web'
  readonly environment: string
  readonly keyId: string
  readonly agent?: string | undefined
  readonly socket: SessionSocket
  readonly ingest: Ingest
  readonly clock: Clock
  readonly limits: HubLimits
  readonly log: { warn(message: string): void }
  /** The SDK has greeted, for the first time or to get the whole ruleset: send it what it lacks. */
  readonly greeted: (session: Session, hello: Hello) => void
  readonly applied: (session: Session, version: number) => void
  /** Of a page: takes from what it may send, and names the limit that is reached. */
  readonly take?: ((flow: PageFlow, amount: number) => string | undefined) | undefined
  /** Whether its key has sent too many reports. */
  readonly refuseReport: () => ReachedKeyLimit | undefined
  readonly count: (counter: string) => void
}

/** One connected SDK. */
export interface Session {
  readonly environment: string
  readonly kind: 'srv' | 'web'
  readonly keyId: string
  /** The `User-Agent` of a page's request. */
  readonly agent: string | undefined
  readonly connectedAt: number
  /** Undefined before the greeting. */
  readonly hello: Hello | undefined
  /** Wall time. */
  readonly lastSeenAt: number
  /** Monotonic: a jump of the wall clock must not make everybody look silent. */
  readonly heardAt: number
  readonly appliedVersion: number
  /** What was written to the socket last; 0 where the whole ruleset is owed. */
  sentVersion: number
  /** The message that confirms what was written last, so that thousands of the same need not be parsed each; absent for pages. */
  receipt: Buffer | undefined
  readonly breakers: readonly string[]
  readonly bufferedBytes: number
  /** More waits in the buffer than may: nothing is to be added. */
  readonly isSlow: boolean
  /** A close is under way: nothing that comes has an effect any more. */
  readonly isClosed: boolean
  /** Reports that were refused as those before them were not stored yet. */
  hastyReports: number
  send(frame: Buffer): void
  /** Anything came, if only a ping of the WebSocket itself. */
  heard(): void
  receive(text: string): void
  /** The same, of the message's bytes. */
  receiveBytes(bytes: Buffer): void
  /** Something that is no text message came. */
  refuse(message: string): void
  close(code: number, reason: string): void
  terminate(): void
}

/** What a message of a page costs at least, in bytes: small ones are not free. */
const leastCost = 256

export const limitError = (limit: string): WireError => ({
  type: 'error',
  code: 'limit',
  message: `the limit ${limit} is reached; come back in a minute`,
  retry: true,
})

const isReport = (parsed: Parsed<SdkMessage>): boolean =>
  parsed.ok ? parsed.message.type === 'report' : parsed.error.code === 'bad-report'

export function createSession(parts: SessionParts): Session {
  const { socket, clock, limits } = parts
  let hello: Hello | undefined
  let lastSeenAt = clock.now()
  let heardAt = clock.monotonic()
  let appliedVersion = 0
  let sentVersion = 0
  let newestSent = 0
  let isClosed = false
  let bad = 0
  let reportsInHand = 0
  let breakers: readonly string[] = []
  /** Answers to who does not read would pile up: they are left out, and an SDK repeats what got none. */
  function answer(frame: Buffer): void {
    if (session.isSlow) parts.count('unsent_answers')
    else socket.send(frame)
  }

  function answerError(error: WireError): void {
    parts.count('bad_messages')
    answer(messageFrame(error))
    if (++bad >= limits.badMessages)
      session.close(closeCodes.protocol, `closed after ${limits.badMessages} messages that could not be understood`)
  }

  const badMessage = (message: string, path?: string): void =>
    answerError({
      type: 'error',
      code: 'bad-message',
      message,
      retry: false,
      ...(path === undefined ? {} : { path }),
    })

  /** Whether a page sends more than it may; it is told which limit it is. */
  function isTooMuch(flow: PageFlow, amount: number): boolean {
    const limit = parts.take?.(flow, amount)
    if (limit === undefined) return false
    parts.count('page_limited')
    answerError(limitError(limit))
    return true
  }

  function handle(message: SdkMessage): void {
    if (message.type === 'hello' && isTooMuch('hellos', 1)) return
    switch (message.type) {
      case 'ping':
        return answer(pongFrame)
      case 'pong':
        return
      case 'hello':
        return greet(message)
      case 'applied':
      case 'report':
        if (hello !== undefined) return handleGreeted(message, hello)
        return answerError({
          type: 'error',
          code: 'hello-first',
          message: `${message.type} came before hello; greet first`,
          retry: true,
          ...(message.type === 'report' ? { seq: message.seq } : {}),
        })
    }
  }

  function greet(message: Hello): void {
    if (message.protocol !== protocolVersion) {
      answerError({
        type: 'error',
        code: 'protocol-version',
        message: `this server speaks protocol ${protocolVersion}, the SDK ${message.protocol}; upgrade the older of the two`,
        retry: false,
      })
      return session.close(closeCodes.protocol, 'protocol version')
    }
    if (hello !== undefined && hello.instance !== message.instance)
      return badMessage('this socket greeted as another instance before; open one socket for each', 'instance')
    const page = (['user', 'cookies', 'userHash'] as const).find((field) => message[field] !== undefined)
    if (parts.kind === 'srv' && page !== undefined)
      return badMessage(`${page} is for pages, which connect with a web_ key; this key is a srv_ key`, page)
    hello = message
    parts.greeted(session, message)
  }

  function handleGreeted(message: Applied | Report, from: Hello): void {
    if (message.type === 'report') return void store(message, from)
    // Another tab may have been told of a newer one before, and have kept it for this page too.
    if (message.version > newestSent && parts.kind === 'srv')
      return badMessage(`version ${message.version} was never sent to this socket`, 'version')
    appliedVersion = Math.min(message.version, newestSent)
    parts.applied(session, appliedVersion)
  }

  async function store(report: Report, { instance, sdk, labels }: Hello): Promise<void> {
    const unavailable = (message: string): Buffer =>
      messageFrame({ type: 'error', code: 'unavailable', message, retry: true, seq: report.seq })
    const refused = parts.refuseReport()
    if (refused !== undefined) {
      parts.count('key_limited')
      return answer(messageFrame(keyLimitError(refused, report.seq)))
    }
    if (reportsInHand >= limits.reportsInHand) {
      parts.count('reports_too_fast')
      session.hastyReports++
      return answer(unavailable('the reports before this one are not stored yet; send one at a time'))
    }
    reportsInHand++
    try {
      if (report.breakers !== undefined) breakers = report.breakers.map((breaker) => breaker.rollout)
      const from = { id: instance, sdk: `${sdk.name}@${sdk.version}`, ...(labels === undefined ? {} : { labels }) }
      const result = await parts.ingest.submit(parts.environment, from, report)
      answer(messageFrame('type' in result ? result : { type: 'ack', seq: result.seq }))
    } catch (error) {
      parts.log.warn(`report ${report.seq} of ${instance} could not be stored: ${String(error)}`)
      answer(unavailable('the report could not be stored now; send it again later'))
    } finally {
      reportsInHand--
    }
  }

  const session: Session = {
    environment: parts.environment,
    kind: parts.kind,
    keyId: parts.keyId,
    agent: parts.agent,
    connectedAt: lastSeenAt,
    get sentVersion() {
      return sentVersion
    },
    set sentVersion(version) {
      sentVersion = version
      newestSent = Math.max(newestSent, version)
    },
    receipt: undefined,
    get hello() {
      return hello
    },
    get lastSeenAt() {
      return lastSeenAt
    },
    get heardAt() {
      return heardAt
    },
    get appliedVersion() {
      return appliedVersion
    },
    get breakers() {
      return breakers
    },
    get bufferedBytes() {
      return socket.bufferedBytes
    },
    get isSlow() {
      return socket.bufferedBytes > limits.slowBytes
    },
    hastyReports: 0,
    get isClosed() {
      return isClosed
    },
    send: (frame) => socket.send(frame),
    heard() {
      lastSeenAt = clock.now()
      heardAt = clock.monotonic()
    },
    receive(text) {
      if (isClosed) return
      session.heard()
      if (parts.kind === 'web' && Buffer.byteLength(text) > limits.pageMessageBytes)
        return badMessage(`a page's message may have ${limits.pageMessageBytes} bytes (limit pageMessageBytes)`)
      if (isTooMuch('bytes', Math.max(leastCost, text.length))) return
      const parsed = parseSdkMessage(text)
      if (parts.kind === 'web' && isReport(parsed))
        return badMessage('pages report to POST /sdk/v1/page, not over the socket', 'type')
      if (parsed.ok) handle(parsed.message)
      else answerError(parsed.error)
    },
    receiveBytes(bytes) {
      if (isClosed || session.receipt?.equals(bytes) !== true) return session.receive(bytes.toString())
      session.heard()
      appliedVersion = sentVersion
      parts.applied(session, sentVersion)
    },
    refuse(message) {
      if (isClosed) return
      session.heard()
      badMessage(message)
    },
    close(code, reason) {
      if (isClosed) return
      isClosed = true
      socket.close(code, reason)
    },
    terminate() {
      isClosed = true
      socket.terminate()
    },
  }
  return session
}
