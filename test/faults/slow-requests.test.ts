/** Clients that send a request slowly, or never to its end: they hold a connection for so long and no longer. */
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
beforeAll(async () => {
  const limits = 'requestHeadMs=600,requestMs=1200,helloTimeoutMs=600,maxConnections=20'
  server = await startServer({ env: { PIPIT_LIMITS: limits } })
})
afterAll(() => server.stop())

interface Ended {
  readonly text: string
  readonly tookMs: number
}

/** Writes the first at once, and the other again and again, until the server ends it. */
function drip(first: string, again: string): Promise<Ended> {
  const { port, hostname } = new URL(server.url)
  const began = performance.now()
  const socket = connect(Number(port), hostname)
  let text = ''
  socket.write(first)
  const dripping = setInterval(() => again !== '' && socket.write(again), 50)
  socket.on('data', (chunk) => {
    text += chunk.toString()
    // A socket is closed by both sides: this one is told, and answers.
    if (text.includes('no hello in time')) socket.end()
  })
  socket.on('error', () => undefined)
  return new Promise((resolve) => {
    socket.on('close', () => {
      clearInterval(dripping)
      resolve({ text, tookMs: performance.now() - began })
    })
  })
}

const post = `POST /api/v1/rollouts HTTP/1.1\r\nhost: a\r\nauthorization: Bearer TOKEN\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n`
const upgrade = `GET /sdk/v1/connect HTTP/1.1\r\nhost: a\r\nauthorization: Bearer KEY\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`

describe('a request', () => {
  it('whose head never ends is answered with 408 and closed', async () => {
    const { text, tookMs } = await drip('GET /api/v1/rollouts HTTP/1.1\r\nhost: a\r\n', 'x-a: b\r\n')
    expect(text).toMatch(/^HTTP\/1.1 408 /)
    expect(tookMs).toBeGreaterThan(500)
  })

  it('whose body never ends is closed', async () => {
    const { tookMs } = await drip(post.replace('TOKEN', server.token), 'x')
    expect(tookMs).toBeGreaterThan(1100)
  })

  it('that opens a socket and never greets is closed', async () => {
    const { text, tookMs } = await drip(upgrade.replace('KEY', server.serverKey), '')
    expect(text).toMatch(/^HTTP\/1.1 101 /)
    expect(text).toContain('no hello in time')
    expect(tookMs).toBeGreaterThan(500)
  })

  it('is served while others are slow, and as many as may are there', async () => {
    const slow = Array.from({ length: 19 }, () => drip('GET / HTTP/1.1\r\nhost: a\r\n', 'x-a: b\r\n'))
    expect((await fetch(`${server.url}/healthz`, { headers: { connection: 'close' } })).status).toBe(200)
    for (const { text } of await Promise.all(slow)) expect(text).toMatch(/^HTTP\/1.1 408 /)
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200)
  })
})
