import { createServer, type Server } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocketServer } from 'ws'
import { listen } from '../scripted-server.ts'
import { connectSocket } from './socket.ts'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

async function serve(server: Server): Promise<string> {
  servers.push(server)
  return (await listen(server)).replace('http', 'ws')
}

/** Every call of the handlers, until the close. */
function closeOf(url: string, key = 'srv_x'): Promise<{ code: number; reason: string }> {
  return new Promise((resolve) => {
    let connected = false
    connectSocket(url, key, {
      open: () => undefined,
      message: () => undefined,
      close(code, reason) {
        expect(connected).toBe(true)
        resolve({ code, reason })
      },
    })
    connected = true
  })
}

describe('the socket', () => {
  it.each([401, 403])('says of a key that is refused with %d that it is refused', async (status) => {
    const server = createServer()
    server.on('upgrade', (_request, socket) => socket.end(`HTTP/1.1 ${status} No\r\nconnection: close\r\n\r\n`))
    expect(await closeOf(await serve(server))).toEqual({ code: 4401, reason: `HTTP ${status}` })
  })

  it('says of another refusal that it may try again', async () => {
    const server = createServer()
    server.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 503 Full\r\nconnection: close\r\n\r\n'))
    expect(await closeOf(await serve(server))).toEqual({ code: 1006, reason: 'HTTP 503' })
  })

  it.each([
    [503, '4', 1013, '4000'],
    [429, '3600', 1013, '60000'],
    [503, 'Wed, 21 Oct 2026 07:28:00 GMT', 1006, 'HTTP 503'],
    [502, '4', 1006, 'HTTP 502'],
  ])('hands on when a refusal with %d and retry-after %s says to come back', async (status, header, code, reason) => {
    const server = createServer()
    server.on('upgrade', (_request, socket) =>
      socket.end(`HTTP/1.1 ${status} Full\r\nretry-after: ${header}\r\nconnection: close\r\n\r\n`),
    )
    expect(await closeOf(await serve(server))).toEqual({ code, reason })
  })

  it.each([
    ['an address that is not there', 'ws://127.0.0.1:9', 'srv_x'],
    ['an address that is none', 'ws://[', 'srv_x'],
    ['a key that no header can carry', 'ws://127.0.0.1:9', 'a\nb'],
  ])('reports %s as a close, not as an exception, and says why', async (_what, url, key) => {
    expect(await closeOf(url, key)).toEqual({ code: 1006, reason: expect.stringMatching(/.+/) })
  })

  it('hands on the code and reason of a close, once', async () => {
    const server = createServer()
    new WebSocketServer({ server }).on('connection', (socket) => socket.close(1001, '5000'))
    expect(await closeOf(await serve(server))).toEqual({ code: 1001, reason: '5000' })
  })

  it('is silent after it was let go of', async () => {
    const server = createServer()
    const closed = new Promise<number>((resolve) => {
      new WebSocketServer({ server }).on('connection', (socket) => socket.on('close', resolve))
    })
    const url = await serve(server)
    const calls: string[] = []
    const connection = connectSocket(url, 'srv_x', {
      open() {
        connection.close(1000, '')
        connection.send('after the close')
      },
      message: () => calls.push('message'),
      close: () => calls.push('close'),
    })
    expect(await closed).toBe(1000)
    expect(calls).toEqual([])
  })
})
