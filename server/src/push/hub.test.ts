import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { encodeMessage } from '@pipit/shared/protocol'
import type { Ruleset } from '@pipit/shared/rules'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import type { Ingest } from '../ingest/index.ts'
import { systemClock } from '../platform/index.ts'
import { attachHub } from './attach.ts'
import { reportResponse, rulesetResponse } from './http-fallback.ts'
import { createHub, type HubLimits, type PushHub } from './hub.ts'

const rollout = {
  phase: 'running',
  salt: '0123456789abcdef',
  hash: 1,
  epoch: 1,
  weight: 5,
  variants: [{ name: 'stable' }, { name: 'canary' }],
} as const
const rulesetOf = (version: number, weight: number): Ruleset => ({
  version,
  environment: 'production',
  unitSalt: 'u',
  rollouts: { r: { ...rollout, weight } },
  cohorts: {},
})

let open: { server: Server; hub: PushHub; sockets: WebSocket[] } | undefined
afterEach(async () => {
  for (const socket of open?.sockets ?? []) socket.terminate()
  await open?.hub.close(0)
  await new Promise((resolve) => (open === undefined ? resolve(undefined) : open.server.close(resolve)))
  open = undefined
})

async function setup({ limits, ingest }: { limits?: Partial<HubLimits>; ingest?: Partial<Ingest> } = {}) {
  let ruleset = rulesetOf(1, 5)
  const taken: number[] = []
  const hub = createHub({
    projectRuleset: async () => ruleset,
    ingest: {
      submit: async (_environment, _instance, report) => {
        taken.push(report.seq)
        return { seq: report.seq, status: 'stored' }
      },
      counters: () => ({}),
      stop: async () => undefined,
      ...ingest,
    },
    authenticate: async (key) => {
      if (key === 'srv_good') return { keyId: 'k1', kind: 'srv', environment: 'production' }
      return key === 'web_good' ? { keyId: 'k2', kind: 'web', environment: 'production' } : undefined
    },
    clock: systemClock,
    log: { warn: () => undefined },
    ...(limits === undefined ? {} : { limits }),
  })
  const server = createServer()
  attachHub(server, hub)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const sockets: WebSocket[] = []
  open = { server, hub, sockets }
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/sdk/v1/connect`

  /** A socket whose messages are awaited one by one. */
  function connect(key = 'srv_good', at = url) {
    const socket = new WebSocket(at, { headers: { authorization: `Bearer ${key}` } })
    sockets.push(socket)
    const queue: string[] = []
    const waiting: ((text: string) => void)[] = []
    socket.on('message', (data) => {
      const waiter = waiting.shift()
      if (waiter === undefined) queue.push(String(data))
      else waiter(String(data))
    })
    socket.on('error', () => undefined)
    return {
      socket,
      opened: new Promise<void>((resolve) => socket.once('open', () => resolve())),
      refused: new Promise<number>((resolve) =>
        socket.once('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0)),
      ),
      closed: new Promise<{ code: number; reason: string }>((resolve) =>
        socket.once('close', (code, reason) => resolve({ code, reason: String(reason) })),
      ),
      next: async (): Promise<{ [field: string]: unknown }> => {
        const text = queue.shift() ?? (await new Promise<string>((resolve) => waiting.push(resolve)))
        return JSON.parse(text) as { [field: string]: unknown }
      },
      send: (message: object | string) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
    }
  }

  async function greeted(version?: number) {
    const client = connect()
    await client.opened
    client.send({
      type: 'hello',
      protocol: 1,
      sdk: { name: 't', version: '1' },
      instance: `instance-${sockets.length}`,
      ...(version === undefined ? {} : { version }),
    })
    return { ...client, first: await client.next() }
  }

  return {
    hub,
    taken,
    connect,
    greeted,
    url,
    publish: async (next: Ruleset) => {
      ruleset = next
      await hub.publish('production')
    },
  }
}

describe('the hub', () => {
  it('greets with the whole ruleset and tells how to talk to it', async () => {
    const { greeted } = await setup()
    const { first } = await greeted()
    expect(first).toMatchObject({
      type: 'ruleset',
      flushMs: 1000,
      heartbeatMs: 15_000,
      ruleset: { version: 1, rollouts: { r: { weight: 5 } } },
    })
  })

  it('sends nothing of the ruleset to who has it', async () => {
    const { greeted } = await setup()
    expect((await greeted(1)).first).toEqual({ type: 'patch', from: 1, version: 1, flushMs: 1000, heartbeatMs: 15_000 })
  })

  it('pushes a change as a patch and keeps the receipt', async () => {
    const { greeted, publish, hub } = await setup()
    const { next, send } = await greeted()
    await publish(rulesetOf(2, 25))
    expect(await next()).toEqual({ type: 'patch', from: 1, version: 2, rollouts: { r: { weight: 25 } } })
    expect(hub.convergence('production')[0]).toMatchObject({
      version: 2,
      instances: 1,
      applied: 0,
      behind: ['instance-1'],
    })
    send({ type: 'applied', version: 2 })
    send({ type: 'ping' })
    expect(await next()).toEqual({ type: 'pong' })
    expect(hub.convergence('production')[0]).toMatchObject({ version: 2, instances: 1, applied: 1, behind: [] })
    expect(hub.instances('production')).toMatchObject([
      { instance: 'instance-1', appliedVersion: 2, transport: 'socket' },
    ])
  })

  it('tells when there is nothing to be judged any more', async () => {
    const { greeted, publish } = await setup()
    const { next } = await greeted()
    await publish({ ...rulesetOf(2, 5), rollouts: { r: { ...rollout, phase: 'reverted', weight: 0 } } })
    expect(await next()).toMatchObject({ type: 'patch', flushMs: 10_000, rollouts: { r: { phase: 'reverted' } } })
  })

  it('acknowledges a report after it is stored, and asks again for one that could not be', async () => {
    let fail = true
    const { greeted } = await setup({
      ingest: {
        submit: async (_environment, _instance, report) => {
          if (fail) throw new Error('disk full')
          return { seq: report.seq, status: 'stored' }
        },
      },
    })
    const { next, send } = await greeted()
    send({ type: 'report', seq: 1 })
    expect(await next()).toMatchObject({ type: 'error', code: 'unavailable', retry: true, seq: 1 })
    fail = false
    send({ type: 'report', seq: 1 })
    expect(await next()).toEqual({ type: 'ack', seq: 1 })
  })

  it('answers bad messages with an error that names the fault, and closes after too many', async () => {
    const { greeted, taken } = await setup()
    const { next, send, socket, closed } = await greeted()
    send({ type: 'report', seq: 1, events: [{ event: 'x', unit: 'jane' }] })
    expect(await next()).toMatchObject({
      type: 'error',
      code: 'bad-report',
      path: 'events[0].unit',
      seq: 1,
      retry: false,
    })
    socket.send(Buffer.from([1, 2, 3]))
    expect(await next()).toMatchObject({ code: 'bad-message' })
    for (let i = 0; i < 20; i++) send('{"type":')
    expect((await closed).code).toBe(4400)
    expect(taken).toEqual([])
  })

  it('wants to be greeted first, and in a protocol it speaks', async () => {
    const { connect } = await setup()
    const early = connect()
    await early.opened
    early.send({ type: 'report', seq: 1 })
    expect(await early.next()).toMatchObject({ type: 'error', code: 'hello-first', retry: true })
    early.send({ type: 'hello', protocol: 99, sdk: { name: 't', version: '1' }, instance: 'instance-x' })
    expect(await early.next()).toMatchObject({ code: 'protocol-version', retry: false })
    expect((await early.closed).code).toBe(4400)
  })

  it('lets in nobody without a server key, and tells why', async () => {
    const { connect, url } = await setup()
    expect(await connect('srv_wrong').refused).toBe(401)
    expect(await connect('web_good').refused).toBe(403)
    expect(await connect('srv_good', url.replace('connect', 'elsewhere')).refused).toBe(404)
  })

  it('closes the sockets of a revoked key at once', async () => {
    const { greeted, hub } = await setup()
    const { closed } = await greeted()
    hub.disconnect('k1')
    expect(await closed).toEqual({ code: 4401, reason: 'this key was revoked' })
  })

  it('spreads the return of SDKs when it goes down', async () => {
    const { greeted, hub } = await setup()
    const { closed } = await greeted()
    await hub.close(5000)
    expect(await closed).toEqual({ code: 1001, reason: '5000' })
  })

  it('closes a socket that sends more than a report may have', async () => {
    const { greeted } = await setup()
    const { send, closed } = await greeted()
    send('x'.repeat(1_048_577))
    expect((await closed).code).toBe(1009)
  })

  it('counts the breakers that instances tell of', async () => {
    const { greeted, hub } = await setup()
    const { next, send } = await greeted()
    const tally = { n: 10, failed: 5 }
    send({ type: 'report', seq: 1, breakers: [{ rollout: 'r', epoch: 1, canary: tally, stable: tally }] })
    await next()
    expect(hub.breakers('production', 'r')).toEqual({ open: 1, instances: 1 })
    send({ type: 'report', seq: 2, breakers: [] })
    await next()
    expect(hub.breakers('production', 'r')).toEqual({ open: 0, instances: 1 })
  })
})

describe('a reader that does not keep up', () => {
  it('gets no more patches, and the whole ruleset once it reads again', async () => {
    const { hub, publish } = await setup()
    const sent: string[] = []
    const socket = {
      bufferedBytes: 0,
      send: (frame: string | Buffer) => sent.push(String(frame)),
      close: () => undefined,
      terminate: () => undefined,
    }
    const seat = hub.join(socket, { environment: 'production', keyId: 'k1' })
    seat?.session.receive(
      encodeMessage({ type: 'hello', protocol: 1, sdk: { name: 't', version: '1' }, instance: 'slow-one' }),
    )
    await hub.room('production')
    await Promise.resolve()
    socket.bufferedBytes = 2_000_000
    await publish(rulesetOf(2, 25))
    await publish(rulesetOf(3, 50))
    expect(sent).toHaveLength(1)
    socket.bufferedBytes = 0
    await publish(rulesetOf(4, 75))
    expect(JSON.parse(sent.at(-1) as string)).toMatchObject({ type: 'ruleset', ruleset: { version: 4 } })
    seat?.leave()
  })
})

describe('SDKs without sockets', () => {
  const request = { environment: 'production', instance: 'http-instance', sdk: 'sdk-node/0.1.0' }

  it('get the ruleset once per version', async () => {
    const { hub, publish } = await setup()
    const first = await rulesetResponse(hub, request, undefined)
    expect(first).toMatchObject({ status: 200 })
    expect(JSON.parse(first.body)).toMatchObject({ type: 'ruleset', ruleset: { version: 1 } })
    expect(await rulesetResponse(hub, request, first.etag)).toEqual({ status: 304, etag: first.etag, body: '' })
    await publish(rulesetOf(2, 25))
    expect((await rulesetResponse(hub, request, first.etag)).status).toBe(200)
    expect(hub.instances('production')).toMatchObject([
      { instance: 'http-instance', transport: 'http', appliedVersion: 1 },
    ])
  })

  it('are answered as over the socket', async () => {
    const { hub } = await setup()
    expect(await reportResponse(hub, request, '{"type":"report","seq":1}')).toEqual({
      status: 200,
      body: '{"type":"ack","seq":1}',
    })
    expect(await reportResponse(hub, request, '{"type":"report","seq":0}')).toMatchObject({ status: 400 })
    expect(await reportResponse(hub, request, '{"type":"ping"}')).toMatchObject({ status: 400 })
  })
})
