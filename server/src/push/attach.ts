import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { closeCodes, wireLimits } from '@pipit/shared/protocol'
import { type WebSocket, WebSocketServer } from 'ws'
import type { PushHub } from './hub.ts'

const path = '/sdk/v1/connect'

/** Lets SDKs connect to the hub at `/sdk/v1/connect` of an HTTP server. */
export function attachHub(server: Server, hub: PushHub): void {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: wireLimits.reportBytes,
    // A patch is some 100 bytes: compressing it would cost more memory per socket than it saves.
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has('pipit.v1') ? 'pipit.v1' : false),
  })
  server.on('upgrade', (request, socket, head) => {
    if (pathOf(request) !== path) return refuse(socket, 404, 'there is no socket here; SDKs connect to /sdk/v1/connect')
    void admit(hub, request).then(
      (admission) => {
        if ('status' in admission) return refuse(socket, admission.status, admission.message)
        sockets.handleUpgrade(request, socket, head, (opened) => join(hub, opened, admission))
      },
      () => refuse(socket, 503, 'the key cannot be checked now; come back later'),
    )
  })
}

const pathOf = (request: IncomingMessage): string => (request.url ?? '').split('?')[0] ?? ''

type Admission =
  | { readonly environment: string; readonly keyId: string }
  | { readonly status: number; readonly message: string }

async function admit(hub: PushHub, request: IncomingMessage): Promise<Admission> {
  const key = keyOf(request)
  if (key === undefined) return { status: 401, message: 'give the key as "Authorization: Bearer srv_…"' }
  const who = await hub.authenticate(key)
  if (who === undefined) return { status: 401, message: 'this key is unknown or was revoked' }
  if (who.kind === 'web')
    return {
      status: 403,
      message: 'web keys are for browser SDKs, which this version does not serve yet; use a srv_ key',
    }
  return who
}

/** From the Authorization header, or from the subprotocols `pipit.v1, key.<key>`; never from the URL, which ends up in logs. */
export function keyOf(request: IncomingMessage): string | undefined {
  const header = /^Bearer (\S{1,256})$/i.exec(request.headers.authorization ?? '')
  if (header !== null) return header[1]
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
  return offered.find((name) => name.startsWith('key.'))?.slice(4)
}

/** Refused before the socket exists. A refused key is answered on an open socket too late for many clients to tell why. */
function refuse(socket: Duplex, status: number, message: string): void {
  const body = `${message}\n`
  const names: { readonly [code: number]: string } = {
    401: 'Unauthorized',
    403: 'Forbidden',
    404: 'Not Found',
    503: 'Service Unavailable',
  }
  socket.on('error', () => undefined)
  socket.end(
    `HTTP/1.1 ${status} ${names[status] ?? 'Error'}\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}

function join(hub: PushHub, socket: WebSocket, who: { readonly environment: string; readonly keyId: string }): void {
  socket.on('error', () => undefined)
  const seat = hub.join(
    {
      send: (frame) => {
        if (socket.readyState === socket.OPEN) socket.send(frame, { binary: false })
      },
      close: (code, reason) => socket.close(code, reason),
      terminate: () => socket.terminate(),
      get bufferedBytes() {
        return socket.bufferedAmount
      },
    },
    who,
  )
  if (seat === undefined) return socket.close(closeCodes.goingAway, '30000')
  socket.on('message', (data, isBinary) => {
    if (isBinary) seat.session.refuse('binary frames are not understood; send text')
    else seat.session.receive(data.toString())
  })
  socket.on('close', seat.leave)
}
