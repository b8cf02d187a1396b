import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClientCore } from '@pipit/shared/client'
import { HttpResponse, http } from 'msw'
import { setupServer } from 'msw/node'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocketServer } from 'ws'
import { type Client, createClient, type NodeClientOptions } from './index.ts'
import { nodeClock } from './platform/clock.ts'
import { createFileStore } from './platform/file-store.ts'
import { request } from './platform/http.ts'
import { connectSocket } from './platform/socket.ts'
import { version } from './version.ts'

const cleanUps: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

const ruleset = {
  version: 3,
  environment: 'production',
  unitSalt: 'u',
  rollouts: {
    checkout: {
      phase: 'running',
      salt: '0123456789abcdef',
      hash: 1,
      epoch: 1,
      weight: 100,
      variants: [{ name: 'stable' }, { name: 'canary' }],
    },
  },
  cohorts: {},
} as const

/** A server that greets every SDK with the ruleset and acknowledges its reports. */
async function scriptedServer(): Promise<{
  url: string
  reports: unknown[]
  server: Server
  keys: (string | undefined)[]
}> {
  const reports: unknown[] = []
  const keys: (string | undefined)[] = []
  const server = createServer((_request, response) => response.writeHead(503).end())
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket, incoming) => {
    keys.push(incoming.headers.authorization)
    socket.on('message', (data) => {
      const message = JSON.parse(String(data)) as { type: string; seq?: number }
      if (message.type === 'hello')
        socket.send(JSON.stringify({ type: 'ruleset', ruleset, flushMs: 50, heartbeatMs: 15_000 }))
      if (message.type !== 'report') return
      reports.push(message)
      socket.send(JSON.stringify({ type: 'ack', seq: message.seq }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanUps.push(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, reports, server, keys }
}

function client(options: NodeClientOptions): Client {
  const made = createClient({ logger: { warn: () => undefined }, ...options })
  cleanUps.push(() => made.close({ timeoutMs: 0 }))
  return made
}

function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'pipit-sdk-'))
  cleanUps.push(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

describe('createClient', () => {
  it.each<[object, RegExp]>([
    [{ key: 'srv_x' }, /url must be the http\(s\) address/],
    [{ url: 'ws://127.0.0.1', key: 'srv_x' }, /url must be the http\(s\) address/],
    [{ url: 'http://127.0.0.1' }, /key must be a server key/],
    [{ url: 'http://127.0.0.1', key: 'k', rolout: 'a' }, /there is no option "rolout"; did you mean "rollout"/],
    [{ url: 'http://127.0.0.1', key: 'k', maxPendingEvents: -1 }, /maxPendingEvents must be a whole number above 0/],
    [{ url: 'http://127.0.0.1', key: 'k', labels: { a: 1 } }, /labels are at most 16 texts/],
  ])('says at once what is wrong with %j', (options, message) => {
    expect(() => createClient(options as NodeClientOptions)).toThrow(message)
  })

  it('connects, decides, reports and confirms over a real socket', async () => {
    const { url, reports, keys } = await scriptedServer()
    const sdk = client({ url, key: 'srv_secret', rollout: 'checkout', cacheDir: false })
    expect(await sdk.ready({ timeoutMs: 10_000 })).toBe(true)
    expect(keys).toEqual(['Bearer srv_secret'])
    const decision = sdk.decide('user-1')
    expect(decision).toMatchObject({ variant: 'canary', reason: 'split', version: 3 })
    sdk.outcome(decision, { ok: true, latencyMs: 3 })
    expect(await sdk.flush({ timeoutMs: 10_000 })).toBe(true)
    expect(reports).toMatchObject([{ seq: 1, outcomes: [{ rollout: 'checkout', variant: 'canary' }] }])
  })

  it('starts from the ruleset on disk when the server is away', async () => {
    const directory = folder()
    const { url } = await scriptedServer()
    await createFileStore(directory, url, 'srv_x').save(
      JSON.stringify({ type: 'ruleset', flushMs: 1000, heartbeatMs: 15_000, ruleset: { ...ruleset, version: 2 } }),
    )
    const away = 'http://127.0.0.1:9'
    await createFileStore(directory, away, 'srv_x').save(
      JSON.stringify({ type: 'ruleset', flushMs: 1000, heartbeatMs: 15_000, ruleset }),
    )
    const sdk = client({ url: away, key: 'srv_x', rollout: 'checkout', cacheDir: directory })
    expect(await sdk.ready({ timeoutMs: 10_000 })).toBe(true)
    expect(sdk.variant('user-1')).toBe('canary')
    expect(sdk.status()).toMatchObject({ source: 'store', connected: false })
  })

  it('answers with the server never there', async () => {
    const sdk = client({ url: 'http://127.0.0.1:9', key: 'srv_x', rollout: 'checkout', cacheDir: false })
    expect(await sdk.ready({ timeoutMs: 20 })).toBe(false)
    expect(sdk.variant('user-1')).toBe('stable')
    expect(await sdk.flush({ timeoutMs: 20 })).toBe(true)
  })

  it('is the version that its package says', () => {
    const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
      version: string
    }
    expect(version).toBe(manifest.version)
  })
})

describe('the file store', () => {
  it('writes whole files for this user only, and never names the key', async () => {
    const directory = join(folder(), 'deep', 'er')
    const store = createFileStore(directory, 'http://127.0.0.1', 'srv_secret')
    expect(await store.load()).toBeUndefined()
    await store.save('one')
    await store.save('two')
    expect(await store.load()).toBe('two')
    const [file = '', ...others] = readdirSync(directory)
    expect(others).toEqual([])
    expect(file).not.toContain('secret')
    expect(statSync(join(directory, file)).mode & 0o777).toBe(0o600)
  })

  it('keeps keys apart', async () => {
    const directory = folder()
    await createFileStore(directory, 'http://127.0.0.1', 'a').save('of a')
    expect(await createFileStore(directory, 'http://127.0.0.1', 'b').load()).toBeUndefined()
  })

  it('rejects where it cannot write, and leaves nothing behind', async () => {
    const directory = folder()
    const file = join(directory, 'a-file')
    writeFileSync(file, '')
    await expect(createFileStore(join(file, 'below'), 'http://127.0.0.1', 'a').save('x')).rejects.toThrow()
    expect(readdirSync(directory)).toEqual(['a-file'])
  })
})

describe('the socket', () => {
  const closeOf = (url: string): Promise<{ code: number; reason: string }> =>
    new Promise((resolve) => {
      connectSocket(url, 'srv_x', {
        open: () => undefined,
        message: () => undefined,
        close: (code, reason) => resolve({ code, reason }),
      })
    })

  it('says of a refused key that it is refused', async () => {
    const server = createServer()
    server.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 401 Unauthorized\r\nconnection: close\r\n\r\n'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    cleanUps.push(() => void server.close())
    expect(await closeOf(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)).toEqual({
      code: 4401,
      reason: 'HTTP 401',
    })
  })

  it('reports an address that is not there as a close, not as an exception', async () => {
    expect(await closeOf('ws://127.0.0.1:9')).toMatchObject({ code: 1006 })
  })
})

describe('http', () => {
  const url = 'http://control.example'

  it('asks for the ruleset and posts reports as the control plane expects them, where no socket opens', async () => {
    const asked: {
      method: string
      path: string
      key: string | null
      instance: string | null
      sdk: string | null
      body: string
    }[] = []
    const edge = setupServer(
      http.all(`${url}/sdk/v1/*`, async ({ request }) => {
        const { headers } = request
        asked.push({
          method: request.method,
          path: new URL(request.url).pathname,
          key: headers.get('authorization'),
          instance: headers.get('x-pipit-instance'),
          sdk: headers.get('x-pipit-sdk'),
          body: await request.text(),
        })
        if (request.method === 'POST') return HttpResponse.json({ type: 'ack', seq: 1 })
        return HttpResponse.json(
          { type: 'ruleset', ruleset, flushMs: 50, heartbeatMs: 15_000 },
          { headers: { etag: '"3"' } },
        )
      }),
    )
    edge.listen()
    cleanUps.push(() => edge.close())
    const sdk = createClientCore(
      {
        sdk: { name: 'sdk-node', version },
        clock: nodeClock,
        random: Math.random,
        request,
        log: { warn: () => undefined },
      },
      { url, key: 'srv_x', rollout: 'checkout' },
    )
    cleanUps.push(() => sdk.close({ timeoutMs: 0 }))
    expect(await sdk.ready({ timeoutMs: 10_000 })).toBe(true)
    sdk.outcome(sdk.decide('user-1'), { ok: true })
    expect(await sdk.flush({ timeoutMs: 10_000 })).toBe(true)
    const [first, report] = asked
    expect(first).toMatchObject({
      method: 'GET',
      path: '/sdk/v1/ruleset',
      key: 'Bearer srv_x',
      sdk: `sdk-node/${version}`,
    })
    expect(report).toMatchObject({ method: 'POST', path: '/sdk/v1/reports', instance: first?.instance })
    expect(JSON.parse(report?.body ?? '')).toMatchObject({
      type: 'report',
      seq: 1,
      outcomes: [{ rollout: 'checkout' }],
    })
  })

  it('brings status, etag and body, and rejects where nobody answers', async () => {
    const edge = setupServer(http.get(`${url}/there`, () => HttpResponse.text('body', { headers: { etag: '"7"' } })))
    edge.listen()
    cleanUps.push(() => edge.close())
    expect(await request({ method: 'GET', url: `${url}/there`, headers: {}, timeoutMs: 5000 })).toEqual({
      status: 200,
      etag: '"7"',
      body: 'body',
    })
    await expect(request({ method: 'GET', url: 'http://127.0.0.1:9/', headers: {}, timeoutMs: 5000 })).rejects.toThrow()
  })
})
