/** What a hostile page can do with a web key: what it is for, and nothing else. A real server process, spoken to without an SDK. */
import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { startServer, type TestServer } from '../support/server.ts'

const shop = 'https://shop.example'
const secrets = /SECRET|ada@|members|overrides|cohorts|prerequisites|unitSalt|"rules"|server-side/
const stages = [
  { name: 'half', weight: 50, cohorts: ['secret-cohort'], hold: '1h' },
  { name: 'full', weight: 100 },
]
const analysis = { tick: '200ms', warmup: '0s' }
const metrics = [{ key: 'buys', kind: 'conversion', event: 'buy' }]

let server: TestServer
let shopKey: string

beforeAll(async () => {
  server = await startServer()
  const cohort = { key: 'secret-cohort', members: ['SECRET-member'], when: { email: { $in: ['ada@example.com'] } } }
  await must('POST', '/cohorts', cohort)
  const rules = [
    { name: 'SECRET-rule', when: { plan: 'SECRET-plan' }, serve: 'canary' },
    { name: 'SECRET-header', header: 'X-SECRET', values: ['SECRET-value'], serve: 'canary' },
  ]
  for (const [key, browser] of [
    ['checkout', true],
    ['server-side', false],
  ] as const) {
    await must('POST', '/rollouts', { key, browser, stages, rules, metrics, analysis })
    await must('POST', `/rollouts/${key}/start`, {})
    await must('POST', `/rollouts/${key}/override`, { unit: 'SECRET-unit', variant: 'canary' })
  }
  const made = await must('POST', '/keys', { kind: 'web', name: 'shop', origins: [shop] })
  shopKey = (made as { secret: string }).secret
})
afterAll(async () => {
  await server.stop()
})

async function must(method: string, path: string, body?: unknown): Promise<unknown> {
  const answer = await server.api(method, path, body)
  expect([path, answer.status < 300, answer.body]).toEqual([path, true, answer.body])
  return answer.body
}

let serial = 0
const freshInstance = (): string => `page-${String(++serial).padStart(6, '0')}`
const helloOf = (instance: string, more: object = {}): string =>
  JSON.stringify({ type: 'hello', protocol: 1, sdk: { name: 'probe', version: '1' }, instance, ...more })

interface PageOptions {
  readonly key?: string
  readonly origin?: string
  readonly hello?: object
}

/** A page on a socket; `told` is everything it was ever told. */
async function page({ key = server.webKey, origin, hello = {} }: PageOptions = {}) {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/sdk/v1/connect`, ['pipit.v1', `key.${key}`], {
    headers: origin === undefined ? {} : { origin },
  })
  const told: string[] = []
  const instance = freshInstance()
  // Heartbeats answer nothing.
  socket.on('message', (data) => String(data) === '{"type":"ping"}' || told.push(String(data)))
  socket.on('error', () => undefined)
  const closed = new Promise<number>((resolve) => socket.once('close', resolve))
  const status = await new Promise<number>((resolve) => {
    socket.once('open', () => resolve(101))
    socket.once('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0))
  })
  async function says(message: object | string): Promise<{ readonly [field: string]: unknown }> {
    const before = told.length
    socket.send(typeof message === 'string' ? message : JSON.stringify(message))
    await expect.poll(() => told.length).toBeGreaterThan(before)
    return JSON.parse(told.at(-1) ?? '{}')
  }
  const first = status === 101 ? await says(helloOf(instance, hello)) : undefined
  return { socket, status, told, instance, closed, says, first }
}

interface PostOptions {
  readonly key?: string
  readonly origin?: string
  readonly instance?: string
}

/** As browsers post it: no header but what they add by themselves. */
async function post(fields: object, { key = server.webKey, origin = shop, instance }: PostOptions = {}) {
  const body = {
    ...{ type: 'reports', key, sdk: { name: 'probe', version: '1' }, instance: instance ?? freshInstance() },
    ...{ now: Date.now(), ...fields },
  }
  const answer = await fetch(`${server.url}/sdk/v1/page`, {
    ...{ method: 'POST', headers: { origin }, body: JSON.stringify(body), keepalive: true },
  })
  const text = await answer.text()
  const readableBy = answer.headers.get('access-control-allow-origin')
  return { status: answer.status, text, body: JSON.parse(text), readableBy }
}

/** The items of a report: each as JSON, with an entry for each time it happened. */
const itemsOf = (...items: readonly (readonly [item: object, entries: unknown])[]): object =>
  Object.fromEntries(items.map(([item, entries]) => [JSON.stringify(item), entries]))
const greet = (more: object, options?: PostOptions) => post({ type: 'hello', protocol: 1, ...more }, options)
const report = (reports: readonly object[], options?: PostOptions) => post({ reports }, options)

/** A counter of /metrics. */
async function counter(name: string, kind: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text()
  return Number(new RegExp(`^${name}\\{kind="${kind}"\\} (\\d+)$`, 'm').exec(text)?.[1] ?? 0)
}

describe('a hostile page', () => {
  it('is told of rollouts for pages, and nothing that is secret, whoever it says it is', async () => {
    for (const user of [undefined, { id: 'u1' }, { anonymousId: 'x' }, { id: 'u1', email: 'eve@example.com' }]) {
      const hello = { user, cookies: { a: 'b' } }
      const { first, told, socket } = await page({ hello })
      expect(Object.keys((first as { ruleset: { rollouts: object } }).ruleset.rollouts)).toEqual(['checkout'])
      expect(told.join('')).not.toMatch(secrets)
      const http = await greet(hello)
      expect(http.status).toBe(200)
      expect(http.text).not.toMatch(secrets)
      socket.close()
    }
  })

  it('learns nothing from a change of what it may not know', async () => {
    const { told, socket } = await page({ hello: { user: { id: 'u1' } } })
    const before = told.length
    await must('POST', '/rollouts/server-side/override', { unit: 'SECRET-other', variant: 'canary' })
    await must('POST', '/rollouts/checkout/override', { unit: 'SECRET-other', variant: 'canary' })
    await must('POST', '/cohorts/secret-cohort/members', { members: ['SECRET-second'] })
    await expect.poll(() => told.length).toBeGreaterThanOrEqual(before + 1)
    const version = ((await server.api('GET', '/environments')).body as { items: { rulesetVersion: number }[] })
      .items[0]
    await expect.poll(() => JSON.parse(told.at(-1) ?? '{}').version).toBe(version?.rulesetVersion)
    for (const text of told.slice(before)) {
      const { from, version: to } = JSON.parse(text)
      expect(JSON.parse(text)).toEqual({ type: 'patch', from, version: to, rollouts: {} })
    }
    socket.close()
  })

  it('gets nothing from any route of the API', async () => {
    const document = (await (await fetch(`${server.url}/api/v1/openapi.json`)).json()) as {
      paths: { [path: string]: { [method: string]: unknown } }
    }
    const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => [method.toUpperCase(), path.replace(/\{(\w+)\}/g, 'checkout')] as const),
    )
    expect(routes.length).toBeGreaterThan(40)
    for (const [method, path] of routes) {
      for (const key of [server.webKey, shopKey]) {
        const headers = { authorization: `Bearer ${key}`, origin: shop, 'content-type': 'application/json' }
        const body = method === 'GET' ? undefined : '{}'
        const answer = await fetch(server.url + path, { method, headers, ...(body === undefined ? {} : { body }) })
        expect([method, path, answer.status]).toEqual([
          method,
          path,
          expect.toSatisfy((status) => [401, 403].includes(status)),
        ])
        expect(answer.headers.has('access-control-allow-origin')).toBe(false)
        expect(await answer.text()).not.toMatch(/SECRET|secret-cohort/)
      }
    }
  })

  it('gets nothing from the routes of servers, nor by messages that are not for it', async () => {
    const headers = { authorization: `Bearer ${server.webKey}`, 'x-pipit-instance': 'page-http-1' }
    const ruleset = await fetch(`${server.url}/sdk/v1/ruleset`, { headers })
    expect(ruleset.status).toBe(403)
    expect(await ruleset.text()).not.toMatch(secrets)
    const body = '{"type":"report","seq":1}'
    const reports = await fetch(`${server.url}/sdk/v1/reports`, { method: 'POST', headers, body })
    expect(reports.status).toBe(403)
    expect(await reports.text()).toContain('POST /sdk/v1/page')
    expect((await fetch(`${server.url}/sdk/v1/beacon`, { method: 'POST', body: '{}' })).status).toBe(404)
    const { says, told, socket } = await page()
    for (const message of [
      { type: 'ruleset' },
      { type: 'subscribe', environment: 'production' },
      { type: 'cohort', key: 'secret-cohort' },
      '[]',
      'null',
      '{"type":"hello","protocol":1,"sdk":{"name":"sdk-node","version":"1"},"instance":"server-0001"}',
    ])
      expect(await says(message)).toMatchObject({ type: 'error', code: 'bad-message' })
    expect(told.join('')).not.toMatch(secrets)
    socket.close()
  })

  it('cannot report for a rollout of servers, nor over its socket', async () => {
    const { says, socket, instance } = await page({ hello: { user: { id: 'eve' } } })
    const decision = { rollout: 'checkout', epoch: 1, variant: 'canary', reason: 'split', randomised: true }
    // Told of both arms: the one that the user does not have is left out.
    const other = { ...decision, variant: 'stable' }
    const foreign = { rollout: 'server-side' }
    const outcome = { ...decision, ok: false }
    const counters = [
      ['pipit_ingest_total', 'exposures'],
      ['pipit_ingest_total', 'outcomes'],
      ['pipit_push_total', 'page_foreign_cells'],
      ['pipit_push_total', 'page_wrong_variants'],
      ['pipit_ingest_total', 'sdk_dropped_invalid'],
      ['pipit_ingest_total', 'duplicates'],
    ] as const
    const read = () => Promise.all(counters.map(([name, kind]) => counter(name, kind)))
    const before = await read()
    const since = async () => (await read()).map((count, i) => count - (before[i] ?? 0))
    const unit = '0123456789abcdef'
    const exposed = [decision, other, { ...decision, ...foreign }].map(
      (one) => [{ ...one, units: [unit] }, [0]] as const,
    )
    const rest = [
      [outcome, [1, 2, 3, null, 4]],
      [{ ...outcome, ...foreign }, [1]],
      [{ ...outcome, unit }, 'x'],
      [{ event: 'buy', unit, at: Date.now() }, [0]],
    ] as const
    const told = { ...{ seq: 1, user: { id: 'eve' } }, items: itemsOf(...exposed, ...rest) }
    expect(await says({ type: 'report', ...told })).toMatchObject({ type: 'error', code: 'bad-message', retry: false })
    expect(await since()).toEqual([0, 0, 0, 0, 0, 0])
    const invalid = (i: number) => ({
      ...{ type: 'error', code: 'bad-report', retry: false },
      path: expect.stringContaining(`reports[${i}].items: {"rollout":"checkout"`),
      message: expect.stringContaining('whose value must be a list'),
    })
    const first = await report([told], { instance })
    expect(first).toMatchObject({ status: 200, body: [{ type: 'ack', seq: 1 }, invalid(0)] })
    expect(await since()).toEqual([1, 5, 2, 1, 1, 0])
    // As it closes a page sends again what is still in flight.
    const again = await report([told, { ...told, seq: 2, items: itemsOf(...rest) }], { instance })
    expect(again).toMatchObject({ body: [{ type: 'ack', seq: 1 }, invalid(0), { type: 'ack', seq: 2 }, invalid(1)] })
    expect((await since()).toSpliced(2, 2)).toEqual([1, 10, 2, 1])
    socket.close()
  })

  it('cannot use up the reports of a server by its name', async () => {
    const headers = { authorization: `Bearer ${server.serverKey}`, 'x-pipit-instance': 'server-0001' }
    const taken = await report([{ seq: 5, items: {} }], { instance: 'server-0001' })
    expect(taken.body).toEqual([{ type: 'ack', seq: 5 }])
    const repeated = await counter('pipit_ingest_total', 'duplicates')
    const body = '{"type":"report","seq":1}'
    const own = await fetch(`${server.url}/sdk/v1/reports`, { method: 'POST', headers, body })
    expect(await own.json()).toEqual({ type: 'ack', seq: 1 })
    expect(await counter('pipit_ingest_total', 'duplicates')).toBe(repeated)
  })

  it('is listed behind the servers', async () => {
    const { socket } = await page()
    const headers = { authorization: `Bearer ${server.serverKey}`, 'x-pipit-instance': 'server-0003' }
    await fetch(`${server.url}/sdk/v1/ruleset`, { headers })
    const { body } = await server.api('GET', '/instances')
    const kinds = (body as { items: { kind: string }[] }).items.map(({ kind }) => kind)
    expect(kinds[0]).toBe('server')
    expect(kinds.slice(kinds.indexOf('page'))).not.toContain('server')
    socket.close()
  })

  it('of another origin is refused everywhere', async () => {
    for (const origin of ['https://evil.example', 'null', undefined]) {
      expect((await page({ key: shopKey, ...(origin === undefined ? {} : { origin }) })).status).toBe(403)
    }
    const evil = { key: shopKey, origin: 'https://evil.example' }
    expect(await greet({}, evil)).toMatchObject({ status: 403, body: [{ code: 'unauthorized' }] })
    expect(await report([{ seq: 1 }], evil)).toMatchObject({ status: 403, body: [{ code: 'unauthorized' }] })
    const right = await page({ key: shopKey, origin: shop })
    expect(right.first).toMatchObject({ type: 'ruleset' })
    right.socket.close()
    const keys = await server.api('GET', '/keys')
    expect((keys.body as { items: object[] }).items).toContainEqual(expect.objectContaining({ origins: [shop] }))
  })

  it('can read why it was refused, from an origin that its browser would otherwise keep it from', async () => {
    const seq = 1
    for (const [status, answer] of [
      [400, await post({ type: 'other' })],
      [400, await post({ now: '{', sdk: undefined })],
      [401, await post({}, { key: 'web_nobody' })],
      [403, await post({}, { key: server.serverKey })],
      [403, await post({}, { key: shopKey, origin: 'https://evil.example' })],
      [413, await report([{ seq, items: { ['x'.repeat(300_000)]: [0] } }])],
    ] as const) {
      expect(answer).toMatchObject({ status, body: [{ type: 'error', retry: false }] })
      expect(answer.readableBy).toBe(status === 403 && answer.text.includes('evil') ? 'https://evil.example' : shop)
    }
  })

  it('is nobody of the cohort without a proof, where one is asked for', async () => {
    const reasonOf = async (user: object, more: object = {}): Promise<unknown> => {
      const { told, socket } = await page({ hello: { user, ...more } })
      await expect.poll(() => told.some((text) => text.includes('"ruleset"'))).toBe(true)
      socket.close()
      const answer = told.map((text) => JSON.parse(text)).find(({ type }) => type === 'ruleset')
      return answer.ruleset.rollouts.checkout.result?.reason
    }
    expect(await reasonOf({ id: 'SECRET-member' })).toBe('cohort')
    const open = await page({ hello: { user: { id: 'SECRET-member' } } })
    await must('PATCH', '/environments/production', { userHash: 'required' })
    expect(await open.closed).toBe(1001)
    const { secret } = (await must('POST', '/environments/production/page-secret')) as { secret: string }
    const userHash = createHmac('sha256', secret).update('SECRET-member').digest('hex')
    expect(await reasonOf({ id: 'SECRET-member' }, { userHash })).toBe('cohort')
    for (const wrong of ['0'.repeat(64), 'none', userHash.repeat(3)])
      expect(await reasonOf({ id: 'SECRET-member' }, { userHash: wrong })).toBe('no-unit')
    expect(await reasonOf({ anonymousId: 'SECRET-member' })).toBeUndefined()
    expect(await reasonOf({ anonymousId: 'SECRET-unit', plan: 'SECRET-plan' })).toBeUndefined()
    const told = await page({ hello: { user: { id: 'SECRET-member' } } })
    expect(told.told.map((text) => JSON.parse(text).code).filter(Boolean)).toEqual(['user-hash'])
    expect((await told.says({ type: 'ping' })).type).toBe('pong')
    told.socket.close()
    const unitOf = async (fields: object) => (await greet(fields)).body.at(-1).ruleset.rollouts.checkout.unit
    expect(await unitOf({ user: { id: 'SECRET-member' } })).toBe('anonymousId')
    expect(await unitOf({ user: { id: 'SECRET-member' }, userHash })).toBeUndefined()
    const rotated = (await must('POST', '/environments/production/page-secret')) as { secret: string }
    expect(rotated.secret).not.toBe(secret)
    expect(await reasonOf({ id: 'SECRET-member' }, { userHash })).toBe('no-unit')
    await must('PATCH', '/environments/production', { userHash: 'off' })
    const audit = JSON.stringify((await server.api('GET', '/audit?limit=20')).body)
    expect(audit).toContain('page-secret:production')
    expect(audit).not.toContain(secret)
    expect(JSON.stringify((await server.api('GET', '/environments')).body)).not.toContain(rotated.secret)
  })

  it('cannot flood: it is cut, told which limit it was, and nobody else is held up', async () => {
    const { socket, closed } = await page({ hello: { user: { id: 'eve' } } })
    for (let i = 0; i < 40; i++) socket.send('{"type":"report","seq":1}')
    expect(await closed).toBe(4400)
    // An address may send 6000 in a minute, in however few requests; what comes free by the second is a hundredth of that.
    const many = Array.from({ length: 1000 }, (_, i) => ({ seq: i + 1, items: {} }))
    const answers = []
    for (let i = 0; i < 8; i++) answers.push(await report(many))
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused.length).toBeGreaterThan(0)
    expect(answers.length - refused.length).toBeGreaterThan(4)
    expect(refused[0]?.readableBy).toBe(shop)
    expect(refused[0]?.body).toMatchObject([
      { code: 'limit', retry: true, message: expect.stringContaining('pageReportsPerMinuteAndAddress') },
    ])
    expect(await counter('pipit_push_total', 'page_limited')).toBe(refused.length)
    const headers = { authorization: `Bearer ${server.serverKey}`, 'x-pipit-instance': 'server-0002' }
    const own = await fetch(`${server.url}/sdk/v1/reports`, {
      method: 'POST',
      headers,
      body: '{"type":"report","seq":1}',
    })
    expect(own.status).toBe(200)
    const other = await page()
    expect(other.first).toMatchObject({ type: 'ruleset' })
    other.socket.close()
  })
})
