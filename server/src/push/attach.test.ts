import { connect as connectTcp, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { hello, largeRuleset, rulesetOf, serveHub } from './hub-fixture.ts'

type Served = Awaited<ReturnType<typeof serveHub>>
const cleanUps: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function setup(options?: Parameters<typeof serveHub>[0]): Promise<Served> {
  const served = await serveHub(options)
  cleanUps.push(served.stop)
  return served
}

const handshake = (key: string): string =>
  [
    'GET /sdk/v1/connect HTTP/1.1',
    'Host: 127.0.0.1',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    `Authorization: Bearer ${key}`,
    '',
    '',
  ].join('\r\n')

function rawSocket(port: number, text: string): Socket {
  const socket = connectTcp(port, '127.0.0.1', () => socket.write(text))
  socket.on('error', () => undefined)
  cleanUps.push(() => {
    socket.destroy()
  })
  return socket
}

const ended = (socket: Socket): Promise<string> =>
  new Promise((resolve) => {
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString()
    })
    socket.once('close', () => resolve(text))
  })

describe('who may connect', () => {
  it('is who has a server key; others are told why not before a socket is opened', async () => {
    const { connect, port } = await setup()
    expect(await connect({ key: 'srv_wrong' }).refused).toBe(401)
    expect(await connect({ path: '/sdk/v1/elsewhere' }).refused).toBe(404)
    expect(await ended(rawSocket(port, handshake('srv_wrong')))).toMatch(
      /^HTTP\/1.1 401 Unauthorized\r\n.*this key is unknown or was revoked\n$/s,
    )
  })

  it('is a page of an origin that its key names, and none of another', async () => {
    const { connect } = await setup()
    const shop = connect({ key: 'web_shop', origin: 'https://shop.example' })
    await shop.opened
    shop.send(hello('page-0001'))
    expect(await shop.next()).toMatchObject({ type: 'ruleset', ruleset: { rollouts: {} } })
    expect(await connect({ key: 'web_shop', origin: 'https://evil.example' }).refused).toBe(403)
    expect(await connect({ key: 'web_shop', origin: 'https://shop.example.evil.example' }).refused).toBe(403)
    expect(await connect({ key: 'web_shop' }).refused).toBe(403)
    await connect({ key: 'web_good', origin: 'https://anywhere.example' }).opened
  })

  it('may give the key as a subprotocol, never in the address', async () => {
    const { connect } = await setup()
    const client = connect({ protocols: ['pipit.v1', 'key.srv_good'] })
    await client.opened
    expect(client.socket.protocol).toBe('pipit.v1')
    await connect({ protocols: ['pipit.v1', 'key.web_good'] }).opened
    expect(await connect({ protocols: ['pipit.v1'], path: '/sdk/v1/connect?key=srv_good' }).refused).toBe(401)
  })

  it('is asked to come back when there are too many', async () => {
    const { greeted, connect } = await setup({ limits: { maxSockets: 1 } })
    const first = await greeted()
    expect(await connect().refused).toBe(503)
    first.socket.close()
    await first.closed
    await expect.poll(() => connect().opened.then(() => true)).toBe(true)
  })

  it('waits in line where more come than are let in, and is asked to come back where the line is full', async () => {
    const { connect, hub } = await setup({ limits: { joinsPerSecond: 10, joinsWaiting: 2 } })
    const clients = Array.from({ length: 5 }, () => connect())
    const answers = await Promise.all(
      clients.map(({ opened, refused }) => Promise.race([opened.then(() => 'opened'), refused])),
    )
    expect(answers.toSorted()).toEqual([503, 503, 'opened', 'opened', 'opened'])
    expect(hub.counters()).toMatchObject({ sockets: 3, joins_refused: 2 })
  })

  it('is asked to come back when keys cannot be checked', async () => {
    const { connect } = await setup({ authenticate: () => Promise.reject(new Error('no database')) })
    expect(await connect().refused).toBe(503)
  })

  it('is not waited for longer than for a greeting', async () => {
    const { port } = await setup({ limits: { helloTimeoutMs: 20 }, authenticate: () => new Promise(() => undefined) })
    expect(await ended(rawSocket(port, handshake('srv_good')))).toBe('')
  })

  it('is nobody whose key was revoked while it was being checked', async () => {
    let checked = (): void => undefined
    const checking = new Promise<void>((resolve) => {
      checked = resolve
    })
    const { connect, hub } = await setup({
      authenticate: async () => {
        await checking
        return { keyId: 'k1', kind: 'srv', environment: 'production' }
      },
    })
    const client = connect()
    hub.disconnect('k1')
    checked()
    expect((await client.closed).code).toBe(1001)
    expect(hub.counters()).toMatchObject({ sockets: 0 })
  })
})

describe('a peer that misbehaves harms nobody else', () => {
  it('by hanging up while its key is checked', async () => {
    let asked = (): void => undefined
    const arrived = new Promise<void>((resolve) => {
      asked = resolve
    })
    let answer = (): void => undefined
    const { port, greeted } = await setup({
      authenticate: (key) =>
        new Promise((resolve) => {
          const who = { keyId: 'k1', kind: 'srv', environment: 'production' } as const
          if (key === 'srv_good') return resolve(who)
          answer = () => resolve(who)
          asked()
        }),
    })
    const socket = rawSocket(port, handshake('srv_other'))
    await arrived
    socket.resetAndDestroy()
    expect((await greeted()).first).toMatchObject({ type: 'ruleset' })
    answer()
    expect((await greeted()).first).toMatchObject({ type: 'ruleset' })
  })

  it('by sending binary frames', async () => {
    const { greeted } = await setup()
    const { socket, next } = await greeted()
    socket.send(Buffer.from([1, 2, 3]))
    expect(await next()).toMatchObject({ type: 'error', code: 'bad-message', retry: false })
  })

  it('by sending fragments: they are put together', async () => {
    const { greeted, taken } = await setup()
    const { socket, next } = await greeted()
    socket.send('{"type":"rep', { fin: false })
    socket.ping()
    socket.send('ort","seq":1}', { fin: true })
    expect(await next()).toEqual({ type: 'ack', seq: 1 })
    expect(taken).toEqual([1])
  })

  it.each([
    ['in one frame', (send: (text: string, fin: boolean) => void) => send('x'.repeat(1_048_577), true)],
    [
      'in fragments',
      (send: (text: string, fin: boolean) => void) => {
        for (let i = 0; i < 3; i++) send('x'.repeat(400_000), false)
      },
    ],
  ])('by sending more than a report may have %s', async (_how, sendAll) => {
    const { greeted } = await setup()
    const { socket, closed } = await greeted()
    sendAll((text, fin) => socket.send(text, { fin }))
    expect((await closed).code).toBe(1009)
  })

  it('by sending what is no WebSocket', async () => {
    const { port, greeted, hub } = await setup()
    const socket = rawSocket(port, handshake('srv_good'))
    socket.once('data', () => socket.write(Buffer.alloc(1000, 0xff)))
    await ended(socket)
    expect((await greeted()).first).toMatchObject({ type: 'ruleset' })
    expect(hub.counters()).toMatchObject({ sockets: 1 })
  })

  it('by never reading: it is owed one ruleset, then nothing, and is cut', async () => {
    const { connect, greeted, publish, hub } = await setup({ limits: { slowCheckMs: 10, slowMs: 100 } })
    await publish(largeRuleset(2))
    const slow = connect()
    await slow.opened
    slow.socket.pause()
    const quick = await greeted()
    slow.send(hello('slow-reader'))
    const owed = (): number =>
      hub.instances('production').find(({ instance }) => instance === 'slow-reader')?.bufferedBytes ?? 0
    await expect.poll(owed).toBeGreaterThan(1_048_576)
    const before = owed()
    for (let version = 3; version <= 12; version++) {
      await publish({ ...rulesetOf(version, version), cohorts: largeRuleset(2).cohorts })
      let heard = await quick.next()
      // On a busy machine a heartbeat may come in between.
      while (Reflect.get(heard as object, 'type') === 'ping') heard = await quick.next()
      expect(heard).toMatchObject({ type: 'patch', version })
    }
    // At most a closing frame has come to it.
    expect(owed()).toBeLessThan(before + 100)
    await expect.poll(() => hub.counters().slow_readers_cut).toBe(1)
    slow.socket.resume()
    expect((await slow.closed).code).toBe(4408)
  })

  it('by pausing: it gets the whole ruleset when it reads again', async () => {
    const { connect, publish, hub } = await setup({ limits: { slowCheckMs: 10 } })
    await publish(largeRuleset(2))
    const { socket, opened, send, next } = connect()
    await opened
    socket.pause()
    send(hello('slow-reader'))
    await expect.poll(() => hub.instances('production').length).toBe(1)
    await publish(rulesetOf(3, 50))
    await publish(rulesetOf(4, 75))
    socket.resume()
    expect(await next()).toMatchObject({ type: 'ruleset', ruleset: { version: 2 } })
    expect(await next()).toMatchObject({ type: 'ruleset', ruleset: { version: 4 } })
  })
})

describe('a client that sends more than it may', () => {
  it('is told which limit it is, and read from again once that is paid for; nobody else waits', async () => {
    const { greeted, hub } = await setup({ limits: { socketMessagesPerSecond: 10 } })
    const [flooding, quiet] = [await greeted(), await greeted()]
    /** Heartbeats may come between. */
    const nextBut = async ({ next }: typeof flooding, ...passed: string[]) => {
      let message = await next()
      while (passed.includes(String(message.type))) message = await next()
      return message
    }
    for (let i = 0; i < 120; i++) flooding.send({ type: 'ping' })
    expect(await nextBut(flooding, 'ping', 'pong')).toMatchObject({
      ...{ type: 'error', code: 'limit', retry: true },
      message: expect.stringContaining('socketMessagesPerSecond'),
    })
    quiet.send({ type: 'ping' })
    expect(await nextBut(quiet, 'ping')).toEqual({ type: 'pong' })
    expect(hub.counters().sockets_too_fast).toBe(1)
    // What it sends after the pause is answered.
    flooding.send({ type: 'report', seq: 1 })
    expect(await nextBut(flooding, 'ping', 'pong', 'error')).toEqual({ type: 'ack', seq: 1 })
  })
})
