import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { closeCodes, wireLimits } from '@pipit/shared/protocol'
import { WebSocket, WebSocketServer } from 'ws'
import { messageFrame } from './frame.ts'
import { createGate } from './gate.ts'
import type { KeyOwner, PushHub, Who } from './hub.ts'
import { createInflow } from './inflow.ts'
import { addressOf } from './pages/address.ts'
import type { SessionSocket } from './session.ts'

const path = '/sdk/v1/connect'
const protocol = 'pipit.v1'
/** The close code of an SDK that ends. What a server or the network closed has others. */
const goodbye = 1000

/** Lets SDKs connect to the hub at `/sdk/v1/connect` of an HTTP server. */
export function attachHub(server: Server, hub: PushHub): void {
  const upgrades = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: wireLimits.reportBytes,
    // A patch is some 100 bytes: compressing it would cost more memory per socket than it saves. Nor could frames be shared.
    perMessageDeflate: false,
    // Answered below, where a socket that is not read is not written to either.
    autoPong: false,
    handleProtocols: (offered) => (offered.has(protocol) ? protocol : false),
  })
  const gate = createGate(hub.clock, hub.limits)
  server.on('close', gate.stop)
  let admitting = 0

  async function admitAndJoin(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    if (socket.destroyed) return
    const answer = await admit(hub, request)
    if (socket.destroyed) return
    if ('status' in answer) return refuse(socket, answer.status, answer.message)
    upgrades.handleUpgrade(request, socket, head, (opened) => join(hub, opened, socket, answer))
  }

  server.on('upgrade', (request, socket, head) => {
    // Node has let go of the socket: without a listener a peer that hangs up while its key is checked would end the process.
    socket.on('error', () => socket.destroy())
    if (pathOf(request) !== path) return refuse(socket, 404, 'there is no socket here; SDKs connect to /sdk/v1/connect')
    if (hub.freeSeats <= admitting) return refuse(socket, 503, 'there are as many sockets as this server takes')
    admitting++
    const cancel = hub.clock.setTimer(hub.limits.helloTimeoutMs, () => socket.destroy())
    const enters = gate.enter(() => {
      void admitAndJoin(request, socket, head)
        .catch(() => refuse(socket, 503, 'the key cannot be checked now; come back later'))
        .finally(() => {
          admitting--
          cancel()
        })
    })
    if (enters) return
    admitting--
    cancel()
    hub.count('joins_refused')
    refuse(socket, 503, `more sockets come than are let in (limits joinsPerSecond, joinsWaiting); come back later`)
  })
}

const pathOf = (request: IncomingMessage): string => (request.url ?? '').split('?')[0] ?? ''

type Admission = Who | { readonly status: 401 | 403 | 429; readonly message: string }

async function admit(hub: PushHub, request: IncomingMessage): Promise<Admission> {
  const key = keyOf(request)
  if (key === undefined) return { status: 401, message: 'give the key as "Authorization: Bearer srv_…"' }
  const who = await hub.authenticate(key)
  if (who === undefined) return { status: 401, message: 'this key is unknown or was revoked' }
  const fault = originFault(who, request.headers.origin)
  if (fault !== undefined) return { status: 403, message: fault }
  const { environment, keyId, kind } = who
  const admitted = {
    environment,
    keyId,
    kind,
    agent: request.headers['user-agent'],
    // Limits of servers count none, and to ask for it is a system call.
    address: kind === 'web' ? addressOfRequest(request) : undefined,
  }
  const limit = kind === 'web' ? hub.pageLimits.full(admitted) : hub.keyLimits.full(keyId)
  if (limit === undefined) return admitted
  if (kind === 'web') hub.count('page_limited')
  else hub.count('key_limited')
  return { status: 429, message: `the limit ${limit} is reached; come back in a minute` }
}

/** Why a page may not use a web key, if so. Browsers say truthfully where a page is from; programs need not, so this keeps no secret. */
export function originFault({ kind, origins }: KeyOwner, origin: string | undefined): string | undefined {
  if (kind !== 'web' || origins === undefined) return undefined
  if (origin !== undefined && origins.includes(origin)) return undefined
  const from = origin === undefined ? 'a request without an Origin header' : `pages of ${origin.slice(0, 200)}`
  return `this web key is not for ${from}; an admin can make one that names the origin`
}

/** Where a request comes from, as limits count it. */
export function addressOfRequest({ socket, headers }: IncomingMessage): string | undefined {
  const forwarded = headers['x-forwarded-for']
  return addressOf(socket.remoteAddress, Array.isArray(forwarded) ? forwarded.at(-1) : forwarded)
}

/** From the Authorization header, or from the subprotocols `pipit.v1, key.<key>`; never from the URL, which ends up in logs. */
export function keyOf(request: IncomingMessage): string | undefined {
  const header = /^Bearer (\S{1,256})$/i.exec(request.headers.authorization ?? '')
  if (header !== null) return header[1]
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
  if (!offered.includes(protocol)) return undefined
  return offered.find((name) => /^key\.\S{1,256}$/.test(name))?.slice(4)
}

const statusTexts = {
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  429: 'Too Many Requests',
  503: 'Service Unavailable',
} as const

/** Refused before the socket exists. A refused key is answered on an open socket too late for many clients to tell why. */
function refuse(socket: Duplex, status: keyof typeof statusTexts, message: string): void {
  if (socket.destroyed) return
  const body = `${message}\n`
  const headers = [
    `HTTP/1.1 ${status} ${statusTexts[status]}`,
    'connection: close',
    'content-type: text/plain; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    ...(status === 429 ? ['retry-after: 60'] : []),
    ...(status === 503 ? ['retry-after: 5'] : []),
  ]
  socket.once('finish', () => socket.destroy())
  socket.end(`${headers.join('\r\n')}\r\n\r\n${body}`)
}

function join(hub: PushHub, opened: WebSocket, raw: Duplex, who: Who): void {
  opened.on('error', () => undefined)
  const seat = hub.join(sessionSocket(opened, raw), who)
  if (seat === undefined) return opened.close(closeCodes.goingAway, '5000')
  const { session } = seat
  const inflow = createInflow(hub.clock, hub.limits, {
    pause: () => opened.pause(),
    resume: () => opened.resume(),
    tell(limit, retryAfterMs) {
      hub.count('sockets_too_fast')
      const message = `the limit ${limit} is reached: nothing is read from this socket for ${retryAfterMs} ms`
      session.send(messageFrame({ type: 'error', code: 'limit', message, retry: true, retryAfterMs }))
    },
  })
  opened.on('message', (data, isBinary) => {
    if (!inflow.took((data as Buffer).length)) hub.count('messages_ignored')
    else if (isBinary) session.refuse('binary frames are not understood; send text')
    else {
      const { hastyReports } = session
      session.receiveBytes(data as Buffer)
      if (session.hastyReports > hastyReports) inflow.tookTooMuch()
    }
  })
  opened.on('ping', (data) => {
    session.heard()
    if (inflow.took(data.length) && !session.isSlow && !session.isClosed) opened.pong(data)
  })
  opened.on('close', (code) => {
    inflow.stop()
    seat.leave(code === goodbye)
  })
}

/**
 * Frames are made once for all sockets and written past `ws`, which would make a header for each. That is sound because `ws` keeps
 * nothing back here: without compression and blobs its sender writes each frame whole and at once, so that what is written past it can only
 * come between two frames. After a closing frame nothing may follow, hence the look at the state.
 */
function sessionSocket(opened: WebSocket, raw: Duplex): SessionSocket {
  return {
    send(frame) {
      if (opened.readyState === WebSocket.OPEN && raw.writable) raw.write(frame)
    },
    close: (code, reason) => opened.close(code, reason),
    terminate: () => opened.terminate(),
    get bufferedBytes() {
      return raw.writableLength
    },
  }
}
