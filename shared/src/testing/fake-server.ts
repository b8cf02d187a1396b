import type { ClientPlatform, HttpRequest, HttpResponse } from '../client/index.ts'
import type { Clock, Random } from '../clock/index.ts'
import {
  encodeMessage,
  type PatchMessage,
  parseSdkMessage,
  type Report,
  type SdkMessage,
  type ServerMessage,
} from '../protocol/index.ts'
import type { Ruleset } from '../rules/index.ts'
import { createDuplex, fairWeather, type Weather } from './duplex.ts'

/** A control plane in memory: the wire as the real one speaks it, with the (instance, seq) rule, on any clock. */
export interface FakeServer {
  readonly connect: NonNullable<ClientPlatform['connect']>
  readonly request: ClientPlatform['request']
  /** Everything that was counted, each report once. */
  readonly accepted: readonly Report[]
  readonly received: readonly SdkMessage[]
  weather: Weather
  /** Up, away (no answer to anything), or up without sockets. */
  state: 'up' | 'away' | 'no-sockets'
  /** Reports are refused for now, with so long to wait. */
  busyMs: number | undefined
  setRuleset(ruleset: Ruleset): void
  /** Sends to every open socket. */
  broadcast(message: ServerMessage | string): void
  closeAll(code: number, reason: string): void
  readonly sockets: number
}

interface Socket {
  readonly deliver: (text: string) => void
  readonly end: (code: number, reason: string) => void
  instance: string
}

export function createFakeServer(clock: Clock, random: Random, initial: Ruleset): FakeServer {
  const sockets = new Set<Socket>()
  const lastSeq = new Map<string, number>()
  const accepted: Report[] = []
  const received: SdkMessage[] = []
  let ruleset = initial
  const carry = createDuplex(clock, random, () => server.weather)

  /** The rule that makes every report count once. */
  function take(instance: string, report: Report): ServerMessage {
    if (server.busyMs !== undefined) {
      const { seq } = report
      return {
        type: 'error',
        code: 'unavailable',
        message: 'too much to do',
        retry: true,
        retryAfterMs: server.busyMs,
        seq,
      }
    }
    if (report.seq > (lastSeq.get(instance) ?? 0)) {
      lastSeq.set(instance, report.seq)
      accepted.push(report)
    }
    return { type: 'ack', seq: report.seq }
  }

  function answer(socket: Socket, message: SdkMessage, send: (message: ServerMessage) => void): void {
    received.push(message)
    if (message.type === 'hello') {
      socket.instance = message.instance
      const cadence = { flushMs: 1000, heartbeatMs: 15_000 }
      if (message.version === ruleset.version)
        send({ type: 'patch', from: ruleset.version, version: ruleset.version, ...cadence })
      else send({ type: 'ruleset', ruleset, ...cadence })
    } else if (socket.instance === '' && message.type !== 'ping') {
      send({
        type: 'error',
        code: 'hello-first',
        message: 'greet first',
        retry: true,
        ...(message.type === 'report' ? { seq: message.seq } : {}),
      })
    } else if (message.type === 'report') send(take(socket.instance, message))
    else if (message.type === 'ping') send({ type: 'pong' })
  }

  const server: FakeServer = {
    weather: fairWeather,
    state: 'up',
    busyMs: undefined,
    accepted,
    received,
    get sockets() {
      return sockets.size
    },
    connect(_url, _key, handlers) {
      let open = false
      let over = false
      const later = (run: () => void): void => {
        clock.setTimer(server.weather.delayMs, run)
      }
      const end = (code: number, reason: string): void => {
        if (over) return
        over = true
        sockets.delete(socket)
        handlers.close(code, reason)
      }
      const cut = (): boolean => random() < server.weather.cut
      const socket: Socket = {
        instance: '',
        end: (code, reason) => later(() => end(code, reason)),
        deliver: (text) =>
          carry(text, (arrived) => {
            if (over || server.state === 'away') return
            if (cut()) return end(1006, '')
            handlers.message(arrived)
          }),
      }
      later(() => {
        if (over) return
        if (server.state !== 'up' || random() < server.weather.refuse) return end(1006, '')
        open = true
        sockets.add(socket)
        handlers.open()
      })
      return {
        send(text) {
          if (!open || over) return
          carry(text, (arrived) => {
            if (over || server.state === 'away') return
            const parsed = parseSdkMessage(arrived)
            if (parsed.ok) answer(socket, parsed.message, (message) => socket.deliver(encodeMessage(message)))
            else socket.deliver(encodeMessage({ ...parsed.error, retry: true }))
            if (cut()) end(1006, '')
          })
        },
        bufferedBytes: () => 0,
        close() {
          over = true
          sockets.delete(socket)
        },
      }
    },
    request(request) {
      return new Promise((resolve, reject) => {
        clock.setTimer(server.weather.delayMs, () => {
          if (server.state === 'away') reject(new Error('connection refused'))
          else resolve(overHttp(request))
        })
      })
    },
    setRuleset(next) {
      ruleset = next
    },
    broadcast(message) {
      const text = typeof message === 'string' ? message : encodeMessage(message as PatchMessage)
      for (const socket of sockets) socket.deliver(text)
    },
    closeAll(code, reason) {
      for (const socket of [...sockets]) socket.end(code, reason)
    },
  }

  function overHttp({ method, headers, body }: HttpRequest): HttpResponse {
    if (method === 'GET') {
      const etag = `"${ruleset.version}"`
      if (headers['if-none-match'] === etag) return { status: 304, etag, body: '' }
      return {
        status: 200,
        etag,
        body: encodeMessage({ type: 'ruleset', ruleset, flushMs: 1000, heartbeatMs: 15_000 }),
      }
    }
    const parsed = parseSdkMessage(body ?? '')
    if (!parsed.ok) return { status: 400, etag: undefined, body: encodeMessage(parsed.error) }
    received.push(parsed.message)
    if (parsed.message.type !== 'report') return { status: 400, etag: undefined, body: '' }
    return {
      status: server.busyMs === undefined ? 200 : 503,
      etag: undefined,
      body: encodeMessage(take(headers['x-pipit-instance'] ?? '', parsed.message)),
    }
  }

  return server
}
