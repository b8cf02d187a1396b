/** Garbage below HTTP and below the socket's frames: answered with a 4xx or a close, without harm to anybody else. */
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { type Bystander, createBystander } from './malformed-sockets.ts'
import { expectQuietLog, makeWorld } from './malformed-support.ts'

let server: TestServer
let bystander: Bystander

beforeAll(async () => {
  server = await startServer()
  await makeWorld(server)
  bystander = await createBystander(server)
})
afterAll(async () => {
  bystander.close()
  expectQuietLog(server)
  await server.stop()
})

/** Writes bytes to the port and gives all that comes back until the end, or until nothing has come for a while. */
function raw(bytes: string | Buffer, options: { readonly hangUp?: boolean } = {}): Promise<string> {
  const { hostname, port } = new URL(server.url)
  return new Promise((resolve) => {
    let text = ''
    const socket = connect(Number(port), hostname, () => {
      socket.write(bytes)
      if (options.hangUp === true) socket.destroySoon()
    })
    socket.setTimeout(300, () => socket.destroy())
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
    })
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(text))
  })
}

const head = (lines: readonly string[]): string => `${lines.join('\r\n')}\r\n\r\n`
const upgrade = (more: readonly string[]): string =>
  head(['GET /sdk/v1/connect HTTP/1.1', 'host: x', 'connection: upgrade', 'upgrade: websocket', ...more])
const key = 'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=='

describe('below HTTP', () => {
  it.each([
    ['no HTTP at all', '\u0000\u0001\u0002\r\n\r\n', /^HTTP\/1\.1 400/],
    ['a request line that is none', 'HELLO\r\n\r\n', /^HTTP\/1\.1 400/],
    ['an unknown method', head(['BREW / HTTP/1.1', 'host: x']), /^HTTP\/1\.1 (?:400|405)/],
    ['a TLS greeting', Buffer.from('16030100c2010000be0303', 'hex'), /^(?:HTTP\/1\.1 400|$)/],
    ['headers without end', `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`, /^HTTP\/1\.1 431/],
    ['a path beyond all measure', head([`GET /${'y'.repeat(100_000)} HTTP/1.1`, 'host: x']), /^HTTP\/1\.1 431/],
    [
      'a path with a broken escape',
      head(['GET /api/v1/rollouts/%zz HTTP/1.1', 'host: x', 'connection: close']),
      /^HTTP\/1\.1 (?:400|401|404)/,
    ],
    [
      'an address instead of a path',
      head(['GET http://[::1 HTTP/1.1', 'host: x', 'connection: close']),
      /^HTTP\/1\.1 4\d\d/,
    ],
    ['a host that is none', head(['GET /healthz HTTP/1.1', 'host: a b@[', 'connection: close']), /^HTTP\/1\.1 4\d\d/],
    [
      'two lengths',
      head(['POST /api/v1/rollouts HTTP/1.1', 'host: x', 'content-length: 1', 'content-length: 2']),
      /^HTTP\/1\.1 400/,
    ],
    ['a negative length', head(['POST /api/v1/rollouts HTTP/1.1', 'host: x', 'content-length: -1']), /^HTTP\/1\.1 400/],
    ['an upgrade without a key', upgrade(['sec-websocket-key: x', 'sec-websocket-version: 13']), /^HTTP\/1\.1 401/],
    ['an upgrade elsewhere', upgrade([key]).replace('/sdk/v1/connect', '/'), /^HTTP\/1\.1 404/],
    [
      'an upgrade of a wrong version',
      upgrade([key, 'sec-websocket-version: 99', 'authorization: Bearer KEY']),
      /^HTTP\/1\.1 4\d\d/,
    ],
    [
      'an upgrade of another protocol',
      upgrade(['authorization: Bearer KEY']).replace('websocket', 'h2c'),
      /^HTTP\/1\.1 4\d\d/,
    ],
  ])('%s is answered with a 4xx', async (_what, bytes, answer) => {
    const text = typeof bytes === 'string' ? bytes.replace('KEY', server.serverKey) : bytes
    expect(await raw(text)).toMatch(answer)
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
  })

  it('a body that never comes, comes in pieces, or is cut off changes nothing', async () => {
    const lines = [
      'POST /api/v1/rollouts HTTP/1.1',
      'host: x',
      `authorization: Bearer ${server.token}`,
      'content-type: application/json',
    ]
    const body = JSON.stringify({ key: 'cut-off', stages: [{ name: 'full', weight: 100 }] })
    await raw(head([...lines, `content-length: ${body.length}`]), { hangUp: true })
    await raw(head([...lines, `content-length: ${body.length}`]) + body.slice(0, 20), { hangUp: true })
    await raw(`${head([...lines, 'transfer-encoding: chunked'])}5\r\n{"key\r\n`, { hangUp: true })
    expect(await raw(`${head([...lines, 'transfer-encoding: chunked'])}zz\r\n{"key\r\n`)).toMatch(
      /^(?:HTTP\/1\.1 400|$)/,
    )
    await bystander.expectUnharmed()
  })

  it('garbage after the upgrade closes that socket alone', async () => {
    const handshake = upgrade([key, 'sec-websocket-version: 13', `authorization: Bearer ${server.serverKey}`])
    const masked = (opcode: number, length: number): Buffer =>
      Buffer.from([opcode, 0x80 | length, 1, 2, 3, 4, ...Array(length).fill(0x20)])
    for (const garbage of [
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.from([0x81, 0x05, 0x68, 0x65, 0x6c, 0x6c, 0x6f]),
      Buffer.from([0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
      Buffer.from([0xf1, 0x80, 0, 0, 0, 0]),
      masked(0x83, 3),
      masked(0x80, 3),
      masked(0x89, 125),
      masked(0x88, 1),
      Buffer.alloc(5000, 0xff),
    ]) {
      expect(await raw(Buffer.concat([Buffer.from(handshake), garbage]))).toMatch(/^HTTP\/1\.1 101/)
    }
    await bystander.expectUnharmed()
  })
})
