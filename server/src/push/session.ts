import type { Clock } from '@pipit/shared/clock'
import {
  type Applied,
  closeCodes,
  encodeMessage,
  type Hello,
  parseSdkMessage,
  protocolVersion,
  type Report,
  type SdkMessage,
  type WireError,
} from '@pipit/shared/protocol'
import type { Ingest } from '../ingest/index.ts'

/** What a session needs of its socket: `ws` in production. */
export interface SessionSocket {
  send(frame: string | Buffer): void
  close(code: number, reason: string): void
  terminate(): void
  readonly bufferedBytes: number
}

export interface SessionParts {
  readonly environment: string
  readonly keyId: string
  readonly socket: SessionSocket
  readonly ingest: Ingest
  readonly clock: Clock
  readonly log: { warn(message: string): void }
  /** The SDK has greeted: send it what it lacks. */
  readonly greeted: (session: Session, hello: Hello) => void
  readonly applied: (session: Session, message: Applied) => void
  readonly count: (counter: string) => void
}

/** Bad messages after which a socket is closed. */
const badMessageLimit = 20

/** One connected SDK. */
export interface Session {
  readonly environment: string
  readonly keyId: string
  readonly socket: SessionSocket
  readonly connectedAt: number
  /** Undefined before the greeting. */
  readonly hello: Hello | undefined
  readonly lastSeenAt: number
  appliedVersion: number
  /** Version that was written to the socket last. */
  sentVersion: number
  /** Since when the socket's buffer has been over the bound; undefined while it is not. */
  slowSince: number | undefined
  readonly breakers: readonly string[]
  receive(text: string): void
  /** Something that is no text message came. */
  refuse(message: string): void
}

export function createSession(parts: SessionParts): Session {
  const { socket, clock } = parts
  let hello: Hello | undefined
  let lastSeenAt = clock.now()
  let bad = 0
  let breakers: readonly string[] = []

  function answerError(error: WireError): void {
    parts.count('bad_messages')
    socket.send(encodeMessage(error))
    if (++bad >= badMessageLimit)
      socket.close(closeCodes.protocol, `closed after ${badMessageLimit} messages that could not be understood`)
  }

  function handle(message: SdkMessage): void {
    if (message.type === 'ping') return socket.send('{"type":"pong"}')
    if (message.type === 'pong') return
    if (message.type === 'hello') return greet(message)
    if (hello === undefined) {
      return answerError({
        type: 'error',
        code: 'hello-first',
        message: `${message.type} came before hello; greet first`,
        retry: true,
        ...(message.type === 'report' ? { seq: message.seq } : {}),
      })
    }
    if (message.type === 'applied') {
      session.appliedVersion = message.version
      return parts.applied(session, message)
    }
    void store(message, hello.instance)
  }

  function greet(message: Hello): void {
    if (message.protocol !== protocolVersion) {
      answerError({
        type: 'error',
        code: 'protocol-version',
        message: `this server speaks protocol ${protocolVersion}, the SDK ${message.protocol}; upgrade the older of the two`,
        retry: false,
      })
      return socket.close(closeCodes.protocol, 'protocol version')
    }
    hello = message
    parts.greeted(session, message)
  }

  async function store(report: Report, instance: string): Promise<void> {
    if (report.breakers !== undefined) breakers = report.breakers.map((breaker) => breaker.rollout)
    try {
      const result = await parts.ingest.submit(parts.environment, instance, report)
      socket.send('type' in result ? encodeMessage(result) : encodeMessage({ type: 'ack', seq: result.seq }))
    } catch (error) {
      parts.log.warn(`report ${report.seq} of ${instance} could not be stored: ${String(error)}`)
      socket.send(
        encodeMessage({
          type: 'error',
          code: 'unavailable',
          message: 'the report could not be stored now; send it again later',
          retry: true,
          seq: report.seq,
        }),
      )
    }
  }

  const session: Session = {
    environment: parts.environment,
    keyId: parts.keyId,
    socket,
    connectedAt: clock.now(),
    get hello() {
      return hello
    },
    get lastSeenAt() {
      return lastSeenAt
    },
    appliedVersion: 0,
    sentVersion: 0,
    slowSince: undefined,
    get breakers() {
      return breakers
    },
    receive(text) {
      lastSeenAt = clock.now()
      const parsed = parseSdkMessage(text)
      if (parsed.ok) handle(parsed.message)
      else answerError(parsed.error)
    },
    refuse(message) {
      answerError({ type: 'error', code: 'bad-message', message, retry: false })
    },
  }
  return session
}
