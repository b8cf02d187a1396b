import type { Connection, ConnectionHandlers } from '@pipit/shared/client'
import { WebSocket } from 'ws'
import { retryAfterMs } from './http.ts'

/** The largest ruleset that is taken. */
const maxPayload = 64 * 1024 * 1024
const handshakeTimeout = 10_000

/**
 * Opens a socket on `ws`. Whatever goes wrong comes through `close`; 401 and 403 as 4401, so that the client knows
 * it is refused; 429 and 503 that tell when to come back as 1013 with the milliseconds.
 */
export function connectSocket(url: string, key: string, handlers: ConnectionHandlers): Connection {
  let closed = false
  let failure = ''
  const close = (code: number, reason: string): void => {
    if (closed) return
    closed = true
    handlers.close(code, reason)
  }
  const socket = open(url, key)
  if (socket instanceof Error) {
    // Later, as for every other failure: the caller does not hold the connection yet.
    queueMicrotask(() => close(1006, socket.message))
    return {
      send: () => undefined,
      bufferedBytes: () => 0,
      close() {
        closed = true
      },
    }
  }
  socket.on('open', () => handlers.open())
  socket.on('message', (data, isBinary) => {
    if (!isBinary) handlers.message(data.toString())
  })
  socket.on('unexpected-response', (_request, response) => {
    response.resume()
    const { statusCode, headers } = response
    const later = statusCode === 429 || statusCode === 503 ? retryAfterMs(headers['retry-after']) : undefined
    if (later !== undefined) close(1013, String(later))
    else close(statusCode === 401 || statusCode === 403 ? 4401 : 1006, `HTTP ${statusCode}`)
    socket.terminate()
  })
  socket.on('error', (error) => {
    failure = error.message
  })
  socket.on('close', (code, reason) => close(code, reason.length > 0 ? reason.toString() : failure))
  return {
    send(text) {
      if (socket.readyState === WebSocket.OPEN) socket.send(text)
    },
    bufferedBytes: () => socket.bufferedAmount,
    close(code, reason) {
      closed = true
      if (socket.readyState === WebSocket.CONNECTING) socket.terminate()
      else socket.close(code, reason)
    },
  }
}

/** The constructor throws for what can never become a request, such as a key that no header can carry. */
function open(url: string, key: string): WebSocket | Error {
  try {
    return new WebSocket(url, {
      headers: { authorization: `Bearer ${key}` },
      perMessageDeflate: false,
      maxPayload,
      handshakeTimeout,
      finishRequest(request) {
        // The application's process must be able to end although the SDK is connected, or still trying to be.
        request.on('socket', (tcp) => tcp.unref())
        request.end()
      },
    })
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}
