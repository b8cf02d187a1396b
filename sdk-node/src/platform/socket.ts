import type { Connection, ConnectionHandlers } from '@pipit/shared/client'
import { WebSocket } from 'ws'

/** The largest ruleset that is taken. */
const maxPayload = 64 * 1024 * 1024

/** Opens a socket on `ws`. Whatever goes wrong comes through `close`; 401 and 403 as 4401, so that the client knows it is refused. */
export function connectSocket(url: string, key: string, handlers: ConnectionHandlers): Connection {
  let closed = false
  const close = (code: number, reason: string): void => {
    if (closed) return
    closed = true
    handlers.close(code, reason)
  }
  const socket = new WebSocket(url, {
    headers: { authorization: `Bearer ${key}` },
    perMessageDeflate: false,
    maxPayload,
    handshakeTimeout: 10_000,
  })
  // The application's process must be able to end although the SDK is connected.
  socket.on('upgrade', (response) => response.socket.unref())
  socket.on('open', () => handlers.open())
  socket.on('message', (data, isBinary) => {
    if (!isBinary) handlers.message(data.toString())
  })
  socket.on('unexpected-response', (_request, response) => {
    response.resume()
    const refused = response.statusCode === 401 || response.statusCode === 403
    close(refused ? 4401 : 1006, `HTTP ${response.statusCode}`)
    socket.terminate()
  })
  socket.on('error', () => undefined)
  socket.on('close', (code, reason) => close(code, reason.toString()))
  return {
    send: (text) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(text)
    },
    bufferedBytes: () => socket.bufferedAmount,
    close: (code, reason) => {
      closed = true
      if (socket.readyState === WebSocket.CONNECTING) socket.terminate()
      else socket.close(code, reason)
    },
  }
}
