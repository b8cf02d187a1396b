import { createFakeClock } from '@pipit/shared/testing'
import { afterEach, describe, expect, it } from 'vitest'
import { rulesetResponse } from './http-fallback.ts'
import { type HubOptions, hello, hubOf, rollout, rulesetOf, seated, serveHub } from './hub-fixture.ts'

const cleanUps: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp()
})

async function setup(options?: HubOptions) {
  const served = await serveHub(options)
  cleanUps.push(served.stop)
  return served
}

const idle = { r: { ...rollout, phase: 'reverted', weight: 0 } } as const

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
      complete: false,
      behind: [{ instance: 'instance-1', version: 0 }],
    })
    send({ type: 'applied', version: 2 })
    send({ type: 'ping' })
    expect(await next()).toEqual({ type: 'pong' })
    expect(hub.convergence('production')[0]).toMatchObject({
      ...{ version: 2, complete: true, instances: 1, applied: 1, behind: [], unreached: [] },
    })
    expect(hub.instances('production')).toMatchObject([
      { instance: 'instance-1', appliedVersion: 2, transport: 'socket' },
    ])
  })

  it('tells when there is nothing to be judged any more', async () => {
    const { greeted, publish } = await setup()
    const { next } = await greeted()
    await publish({ ...rulesetOf(2, 5), rollouts: idle })
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

  it('takes a second greeting of the same instance as a wish for the whole ruleset', async () => {
    const { greeted, publish, hub } = await setup()
    const { next, send, instance } = await greeted(1)
    await publish(rulesetOf(2, 25))
    expect(await next()).toMatchObject({ type: 'patch', from: 1 })
    send(hello(instance))
    expect(await next()).toMatchObject({ type: 'ruleset', ruleset: { version: 2, rollouts: { r: { weight: 25 } } } })
    expect(hub.instances('production')).toHaveLength(1)
  })

  it('refuses a second greeting of another instance', async () => {
    const { greeted, hub } = await setup()
    const { next, send } = await greeted()
    send(hello('somebody-else'))
    expect(await next()).toMatchObject({ type: 'error', code: 'bad-message', path: 'instance' })
    expect(hub.instances('production')).toMatchObject([{ instance: 'instance-1' }])
  })

  it.each([
    ['user', { user: { id: 'u1' } }],
    ['cookies', { cookies: { qa: '1' } }],
    ['userHash', { userHash: 'ab'.repeat(32) }],
  ])('refuses the %s of a page from a server', async (field, fields) => {
    const { connect } = await setup()
    const client = connect()
    await client.opened
    client.send({ ...JSON.parse(hello('instance-1')), ...fields })
    expect(await client.next()).toMatchObject({
      code: 'bad-message',
      path: field,
      message: expect.stringMatching(/web_ key/),
    })
  })

  it('sends the whole ruleset to who comes with an older version', async () => {
    const { greeted, publish } = await setup()
    await publish(rulesetOf(7, 25))
    expect((await greeted(6)).first).toMatchObject({ type: 'ruleset', ruleset: { version: 7 } })
  })

  it('takes no receipt for what it never sent', async () => {
    const { greeted, publish, hub } = await setup()
    const { next, send } = await greeted()
    await publish(rulesetOf(2, 25))
    await next()
    send({ type: 'applied', version: 3 })
    expect(await next()).toMatchObject({ type: 'error', code: 'bad-message', path: 'version' })
    expect(hub.convergence('production')[0]).toMatchObject({ version: 2, applied: 0 })
  })

  it('takes the receipt of a page whose other tab was told before for what it was sent itself', async () => {
    const { connect, publish, hub } = await setup()
    const page = connect({ key: 'web_good', origin: 'https://shop.example' })
    await page.opened
    page.send(hello('page-0001'))
    await page.next()
    await publish(rulesetOf(2, 25))
    await page.next()
    page.send({ type: 'applied', version: 3 })
    page.send({ type: 'ping' })
    expect(await page.next()).toMatchObject({ type: 'pong' })
    expect(hub.instances('production')).toMatchObject([{ kind: 'page', appliedVersion: 2 }])
  })

  it('asks who sends reports faster than they are stored to send them one at a time', async () => {
    const stored: (() => void)[] = []
    const { greeted } = await setup({
      ingest: {
        submit: (_environment, _instance, { seq }) =>
          new Promise((resolve) => stored.push(() => resolve({ seq, status: 'stored' }))),
      },
    })
    const { next, send } = await greeted()
    for (let seq = 1; seq <= 3; seq++) send({ type: 'report', seq })
    expect(await next()).toMatchObject({ type: 'error', code: 'unavailable', retry: true, seq: 3 })
    for (const finish of stored) finish()
    expect([await next(), await next()]).toEqual([
      { type: 'ack', seq: 1 },
      { type: 'ack', seq: 2 },
    ])
  })

  it('answers bad messages with an error that names the fault, and closes after too many', async () => {
    const { greeted, taken, hub } = await setup()
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
    for (let i = 0; i < 18; i++) send('{"type":')
    send({ type: 'report', seq: 1 })
    expect((await closed).code).toBe(4400)
    expect(taken).toEqual([])
    expect(hub.counters()).toMatchObject({ bad_messages: 20 })
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

describe('publishing', () => {
  /** A storage whose answers are given by hand. */
  function byHand() {
    const reads: ((version: number) => void)[] = []
    const made = hubOf({
      projectRuleset: () => new Promise((resolve) => reads.push((version) => resolve(rulesetOf(version, version)))),
    })
    return { ...made, reads }
  }
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) await Promise.resolve()
  }

  async function seatedByHand() {
    const made = byHand()
    const coming = seated(made.hub, 'instance-a')
    await settle()
    made.reads.shift()?.(1)
    return { ...made, ...(await coming) }
  }

  it('makes one of calls that come while another is under way', async () => {
    const { hub, reads, messages } = await seatedByHand()
    const first = hub.publish('production')
    const others = [hub.publish('production'), hub.publish('production'), hub.publish('production')]
    expect(reads).toHaveLength(1)
    reads.shift()?.(2)
    await first
    await settle()
    expect(reads).toHaveLength(1)
    reads.shift()?.(5)
    await Promise.all(others)
    expect(reads).toHaveLength(0)
    expect(messages().slice(1)).toMatchObject([
      { type: 'patch', from: 1, version: 2 },
      { type: 'patch', from: 2, version: 5 },
    ])
  })

  it('is over only when what was stored before the call is written', async () => {
    const { hub, reads, messages } = await seatedByHand()
    void hub.publish('production')
    let isOver = false
    const second = hub.publish('production').then(() => {
      isOver = true
    })
    reads.shift()?.(2)
    await settle()
    expect(isOver).toBe(false)
    reads.shift()?.(3)
    await second
    expect(messages().at(-1)).toMatchObject({ version: 3 })
  })

  it('goes on after storage failed', async () => {
    let fail = true
    const { hub } = hubOf({
      projectRuleset: () => (fail ? Promise.reject(new Error('disk gone')) : Promise.resolve(rulesetOf(1, 5))),
    })
    await expect(hub.publish('production')).rejects.toThrow('disk gone')
    fail = false
    await hub.publish('production')
    expect((await hub.edition('production')).ruleset.version).toBe(1)
  })

  it('sends nothing where nothing is newer', async () => {
    const { hub, publish } = hubOf()
    const { messages } = await seated(hub, 'instance-a')
    await publish(rulesetOf(1, 99))
    expect(messages()).toHaveLength(1)
    expect(hub.convergence('production')).toEqual([])
  })

  it('reaches who greets while it is under way', async () => {
    const { hub, reads } = byHand()
    const published = hub.publish('production')
    const coming = seated(hub, 'instance-a')
    await settle()
    reads.shift()?.(2)
    await published
    const { messages } = await coming
    expect(messages()).toMatchObject([{ type: 'ruleset', ruleset: { version: 2 } }])
  })

  it('makes each frame once, whoever it goes to', async () => {
    const { hub, publish } = hubOf()
    const seats = await Promise.all(['instance-a', 'instance-b', 'instance-c'].map((name) => seated(hub, name)))
    await publish(rulesetOf(2, 25))
    const [first, ...others] = seats.map(({ frames }) => frames)
    for (const frames of others) {
      expect(frames[0]).toBe(first?.[0])
      expect(frames[1]).toBe(first?.[1])
    }
  })

  it('reaches thousands, waits for nobody who said goodbye meanwhile, and names who was lost', async () => {
    const { hub, publish } = hubOf()
    const seats = await Promise.all(Array.from({ length: 1200 }, (_, i) => seated(hub, `instance-${i}`)))
    const publishing = publish(rulesetOf(2, 25))
    seats[1198]?.leave(true)
    seats[1199]?.leave()
    await publishing
    for (const { messages } of seats.slice(0, 1198)) expect(messages().at(-1)).toMatchObject({ version: 2 })
    expect(seats[1199]?.messages()).toHaveLength(1)
    expect(hub.convergence('production')[0]).toMatchObject({
      instances: 1199,
      unreached: [{ instance: 'instance-1199' }],
      unreachedCount: 1,
    })
  })

  it('does not wait for an instance that is back on another socket before its old one is known to be dead', async () => {
    const { hub, publish } = hubOf()
    const old = await seated(hub, 'instance-a')
    await publish(rulesetOf(2, 25))
    const back = await seated(hub, 'instance-a', 1)
    old.leave()
    back.session.receive('{"type":"applied","version":2}')
    expect(hub.convergence('production')[0]).toMatchObject({ instances: 1, applied: 1, behind: [] })
  })
})

describe('a ruleset that is larger than SDKs take', () => {
  const large = (version: number) => ({
    ...rulesetOf(version, version),
    cohorts: { large: { when: { id: 'x'.repeat(3000) } } },
  })

  it('is not sent; they stay with the one before until there is a smaller one', async () => {
    const { hub, publish, warnings } = hubOf({ limits: { rulesetBytes: 2000 } })
    const { messages } = await seated(hub, 'instance-a')
    await publish(large(2))
    expect(messages()).toHaveLength(1)
    expect(hub.oversize()).toEqual(['production'])
    expect(hub.counters()).toMatchObject({ rulesets_too_large: 1 })
    expect(warnings).toEqual([expect.stringMatching(/^version 2 of production has 3\d{3} bytes, and SDKs take 2000/)])
    expect((await seated(hub, 'instance-b')).messages()).toMatchObject([{ ruleset: { version: 1 } }])
    await publish(rulesetOf(3, 9))
    expect(messages().at(-1)).toMatchObject({ type: 'patch', from: 1, version: 3 })
    expect(hub.oversize()).toEqual([])
  })

  it('is sent where it is just below', async () => {
    const { hub, publish } = hubOf({ limits: { rulesetBytes: 4000 } })
    const { messages } = await seated(hub, 'instance-a')
    await publish(large(2))
    expect(messages().at(-1)).toMatchObject({ version: 2 })
  })
})

describe('the pace of reports', () => {
  it('is told to who comes, soon to all others, and again when they have gone', async () => {
    const clock = createFakeClock()
    const { hub } = hubOf({ clock, limits: { reportsPerSecond: 10 } })
    const seats: Awaited<ReturnType<typeof seated>>[] = []
    for (let i = 0; i < 25; i++) seats.push(await seated(hub, `instance-${i}`, 1))
    const flushOf = (i: number) =>
      seats[i]
        ?.messages()
        .filter(({ flushMs }) => flushMs !== undefined)
        .at(-1)
    expect(flushOf(0)).toMatchObject({ flushMs: 1000 })
    expect(flushOf(24)).toMatchObject({ from: 1, version: 1, flushMs: 2500 })
    await clock.advance(1000)
    expect(flushOf(0)).toEqual({ type: 'patch', from: 1, version: 1, flushMs: 2500 })
    for (const { leave } of seats.splice(1)) leave(true)
    await clock.advance(16_000)
    expect(flushOf(0)).toEqual({ type: 'patch', from: 1, version: 1, flushMs: 1000 })
  })

  it('holds for SDKs of other environments and those without a socket too', async () => {
    const { hub } = hubOf({ limits: { reportsPerSecond: 2 } })
    for (let i = 0; i < 8; i++) {
      const request = { environment: 'staging', keyId: 'k1', instance: `http-instance-${i}`, sdk: 'sdk-node/0.1.0' }
      await rulesetResponse(hub, request, undefined)
    }
    const { messages } = await seated(hub, 'instance-a')
    expect(messages()).toMatchObject([{ type: 'ruleset', flushMs: 5700 }])
  })
})

describe('going down', () => {
  it('cuts who does not answer the close', async () => {
    const clock = createFakeClock()
    const { hub } = hubOf({ clock })
    const { socket, closes } = await seated(hub, 'instance-a')
    const closed = hub.close(5000)
    expect(closes).toEqual([{ code: 1001, reason: '5000' }])
    expect(socket.isTerminated).toBe(false)
    await clock.advance(1000)
    await closed
    expect(socket.isTerminated).toBe(true)
    expect(clock.timers).toBeLessThanOrEqual(1)
  })

  it.each([
    [1, '5000'],
    [80, '8000'],
  ])('spreads the return of %i sockets over %s ms where ten a second are to come', async (sockets, spread) => {
    const clock = createFakeClock()
    const { hub } = hubOf({ clock, limits: { returnsPerSecond: 10 } })
    const seats = await Promise.all(Array.from({ length: sockets }, (_, i) => seated(hub, `instance-${i}`)))
    const closed = hub.close()
    for (const { closes } of seats) expect(closes).toEqual([{ code: 1001, reason: spread }])
    await clock.advance(1000)
    await closed
  })

  it('takes nobody in any more', async () => {
    const { hub } = hubOf()
    await hub.close(0)
    await expect(seated(hub, 'instance-a')).rejects.toThrow('no seat was free')
  })
})

it('tells who greets while the ruleset cannot be read to come back later', async () => {
  const { connect, warnings } = await setup({ projectRuleset: () => Promise.reject(new Error('disk gone')) })
  const { opened, send, next, closed } = connect()
  await opened
  send(hello('instance-a'))
  expect(await next()).toMatchObject({ type: 'error', code: 'unavailable', retry: true })
  expect(await closed).toEqual({ code: 1001, reason: '5000' })
  expect(warnings).toEqual([expect.stringContaining('disk gone')])
})
