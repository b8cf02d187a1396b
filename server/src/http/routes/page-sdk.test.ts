import { unitHash } from '@pipit/shared/hash'
import { createFakeClock } from '@pipit/shared/testing'
import { describe, expect, it } from 'vitest'
import { type HubOptions, hello, hubOf, itemsOf, pageNow, rollout } from '../../push/hub-fixture.ts'
import type { AppDeps } from '../context.ts'
import { sdkRoutes } from './sdk.ts'

const shop = 'https://shop.example'
const ruleset = {
  ...{ version: 1, environment: 'production', unitSalt: 'u' },
  rollouts: { r: { ...rollout, browser: true as const, cohorts: ['beta'], events: ['buy'] } },
  cohorts: { beta: { when: { plan: 'beta' } } },
}
const decision = { rollout: 'r', epoch: 1, variant: 'canary', reason: 'cohort', randomised: false }
const ada = { user: { id: 'ada', plan: 'beta' } }
const report = { seq: 1, ...ada, items: itemsOf({ exposures: [decision] }) }
const greeting = { ...JSON.parse(hello('page-0001')), key: 'web_shop' }
const told = {
  ...{ type: 'reports', key: 'web_shop', now: pageNow },
  ...{ instance: 'page-0001', sdk: { name: 'sdk-browser', version: '0.1.0' } },
}

function setup({ webKeys = [{ kind: 'web', origins: [shop] }], ...more }: HubOptions & { webKeys?: object[] } = {}) {
  const clock = createFakeClock()
  const served = hubOf({ ruleset, clock, ...more })
  const storage = { keys: { list: async () => webKeys } }
  const errors: string[] = []
  const log = { error: (message: string) => errors.push(message) }
  const app = sdkRoutes({ hub: served.hub, clock, storage, log } as unknown as AppDeps)
  async function ask(method: string, path: string, body?: unknown, headers: object = {}) {
    const answer = await app.request(path, {
      method,
      headers: { origin: shop, 'content-type': 'text/plain;charset=UTF-8', ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await answer.text()
    return { status: answer.status, headers: answer.headers, body: text === '' ? undefined : JSON.parse(text) }
  }
  const post = (body: unknown, headers: object = {}) => ask('POST', '/page', body, headers)
  return { ...served, ask, post, errors }
}

describe('a page without a socket', () => {
  it('gets what it may know, and what was decided, whatever it has', async () => {
    const { post, hub } = setup()
    const first = await post({ ...greeting, ...ada })
    expect(first).toMatchObject({
      status: 200,
      body: [{ type: 'ruleset', ruleset: { rollouts: { r: { result: { reason: 'cohort' } } } } }],
    })
    expect(first.headers.get('access-control-allow-origin')).toBe(shop)
    expect(first.headers.has('etag')).toBe(false)
    expect((await post({ ...greeting, ...ada, version: 1 })).body).toEqual(first.body)
    const page = { kind: 'page', transport: 'http', instance: 'page-0001', appliedVersion: 1 }
    expect(hub.instances('production')).toMatchObject([page])
  })

  it('reports as it greets: first its reports are answered, then its greeting', async () => {
    const { post, reports } = setup()
    const answer = await post({ ...greeting, ...ada, reports: [report, { ...report, seq: 2 }] })
    expect(answer).toMatchObject({
      status: 200,
      body: [{ type: 'ack', seq: 1 }, { type: 'ack', seq: 2 }, { type: 'ruleset' }],
    })
    expect(reports.map(({ report: { seq } }) => seq)).toEqual([1, 2])
  })

  it('reports without a greeting, for the user each report names', async () => {
    const { post, reports } = setup()
    expect(await post({ ...told, reports: [report] })).toMatchObject({ status: 200, body: [{ type: 'ack', seq: 1 }] })
    expect(reports).toEqual([
      {
        instance: { id: 'page/page-0001', group: 'pages', sdk: 'sdk-browser@0.1.0' },
        report: {
          type: 'report',
          seq: 1,
          exposures: [
            {
              rollout: 'r',
              epoch: 1,
              variant: 'canary',
              stratum: 'forced',
              reason: 'cohort',
              units: [unitHash('u', 'ada')],
            },
          ],
        },
      },
    ])
    expect(await post({ ...told, reports: [] })).toMatchObject({ status: 200, body: [] })
  })

  it('is told what was left out of its report, after the receipt', async () => {
    const { post, reports } = setup()
    const buy = { event: 'buy', ageMs: 1 }
    const bad = { ...report, items: { ...itemsOf({ events: [{ ...buy, value: '3' }, buy] }), x: [0] } }
    const { body } = await post({ ...told, reports: [bad, { ...report, seq: 2 }] })
    expect(body).toEqual([
      { type: 'ack', seq: 1 },
      {
        ...{ type: 'error', code: 'bad-report', retry: false, path: expect.stringContaining('items: {"event":"buy"') },
        message: expect.stringMatching(/report 1: reports\[0\]\.items: \{.*whose value must be a number.*and 1 more/),
      },
      { type: 'ack', seq: 2 },
    ])
    expect(reports[0]?.report).toMatchObject({ events: [{ event: 'buy' }], dropped: { invalid: 2 } })
    expect(reports[1]?.report).not.toHaveProperty('dropped')
  })

  it.each<[string, unknown, object]>([
    ['no object', 7, {}],
    ['a list', [], {}],
    ['no sequence', {}, {}],
    ['a sequence of 0', { seq: 0 }, { seq: 0 }],
    ['a broken sequence', { seq: 'x' }, {}],
    ['a user that is none', { seq: 4, user: 'ada' }, { seq: 4, path: 'reports[0].user' }],
  ])('is refused one report that is %s, and no other', async (_name, broken, error) => {
    const { post, reports } = setup()
    const { status, body } = await post({ ...told, reports: [broken, report] })
    expect(status).toBe(200)
    expect(body).toMatchObject([
      { type: 'error', code: 'bad-report', retry: false, ...error },
      { type: 'ack', seq: 1 },
    ])
    expect('seq' in body[0]).toBe('seq' in error)
    expect(reports).toHaveLength(1)
  })

  it.each<[string, unknown, number, string]>([
    ['no JSON', '{', 400, 'bad-message'],
    ['no object', 'null', 400, 'bad-message'],
    ['no key', { ...told, key: undefined }, 401, 'unauthorized'],
    ['an unknown key', { ...told, key: 'web_wrong' }, 401, 'unauthorized'],
    ['a key of a server', { ...greeting, key: 'srv_good' }, 403, 'unauthorized'],
    ['no instance', { ...told, instance: undefined, reports: [report] }, 400, 'bad-message'],
    ['another message', { ...told, type: 'report' }, 400, 'bad-message'],
    ['reports that are no list', { ...told, reports: {} }, 400, 'bad-message'],
    ['another protocol', { ...greeting, protocol: 2, reports: [report] }, 400, 'protocol-version'],
    ['too much', 'x'.repeat(300_000), 413, 'too-large'],
  ])('is refused a request with %s, by a list of one error', async (_name, body, status, code) => {
    const { post, reports } = setup()
    const answer = await post(body)
    expect(answer).toMatchObject({ status, body: [{ type: 'error', code, retry: false }] })
    expect(answer.body).toHaveLength(1)
    expect(answer.headers.get('access-control-allow-origin')).toBe(shop)
    expect(reports).toEqual([])
  })

  it('is held to its limits: each report counts', async () => {
    const { post, reports } = setup({ limits: { pageReportsPerMinuteAndKey: 3, pageHellosPerMinuteAndKey: 1 } })
    const two = { ...told, reports: [report, { ...report, seq: 2 }] }
    expect(await post(two)).toMatchObject({ status: 200 })
    const refused = await post(two)
    expect(refused).toMatchObject({
      status: 429,
      body: [{ code: 'limit', retry: true, message: expect.stringContaining('pageReportsPerMinuteAndKey') }],
    })
    expect(refused.headers.get('retry-after')).toBe('60')
    expect(refused.headers.get('access-control-allow-origin')).toBe(shop)
    expect(await post({ ...told, reports: [report] })).toMatchObject({ status: 200 })
    expect(await post(greeting)).toMatchObject({ status: 200 })
    expect(await post(greeting)).toMatchObject({
      status: 429,
      body: [{ message: expect.stringContaining('pageHellosPerMinuteAndKey') }],
    })
    expect(reports).toHaveLength(3)
  })

  it('is told to come back where nothing can be read now', async () => {
    const { post, errors } = setup({ projectRuleset: () => Promise.reject(new Error('no disk')) })
    const answer = await post(greeting)
    expect(answer).toMatchObject({ status: 503, body: [{ type: 'error', code: 'unavailable', retry: true }] })
    expect(answer.headers.get('retry-after')).toBe('5')
    expect(answer.headers.get('access-control-allow-origin')).toBe(shop)
    expect(errors).toHaveLength(1)
  })

  it('of another origin is refused, and can read why', async () => {
    const { post, reports } = setup()
    for (const origin of ['https://evil.example', 'null', `${shop}:8443`, 'http://shop.example']) {
      for (const body of [greeting, { ...told, reports: [report] }]) {
        const refused = await post(body, { origin })
        expect(refused).toMatchObject({
          status: 403,
          body: [{ code: 'unauthorized', message: expect.stringMatching(/not for pages of/) }],
        })
        expect(refused.headers.get('access-control-allow-origin')).toBe(origin)
      }
    }
    expect(reports).toEqual([])
  })

  it('is answered its preflight where a key is for its origin', async () => {
    const { ask } = setup()
    const yes = await ask('OPTIONS', '/page')
    expect(yes).toMatchObject({ status: 204 })
    expect(yes.headers.get('access-control-allow-origin')).toBe(shop)
    expect(yes.headers.get('access-control-allow-headers')).toBe('content-type')
    const no = await ask('OPTIONS', '/page', undefined, { origin: 'https://evil.example' })
    expect(no.status).toBe(403)
    expect(no.headers.has('access-control-allow-origin')).toBe(false)
    const revoked = setup({ webKeys: [{ kind: 'web', revokedAt: 1 }] })
    expect(await revoked.ask('OPTIONS', '/page')).toMatchObject({ status: 403 })
    const any = setup({ webKeys: [{ kind: 'web' }] })
    expect(await any.ask('OPTIONS', '/page')).toMatchObject({ status: 204 })
  })

  it('gets nothing from the routes of servers, which say where to ask', async () => {
    const { ask, reports } = setup()
    const headers = {
      authorization: 'Bearer web_shop',
      'x-pipit-instance': 'page-0001',
      'x-pipit-sdk': 'sdk-browser/1',
    }
    const refused = {
      status: 403,
      body: { code: 'unauthorized', message: expect.stringContaining('POST /sdk/v1/page') },
    }
    expect(await ask('GET', '/ruleset', undefined, headers)).toMatchObject(refused)
    expect(await ask('POST', '/reports', { type: 'report', seq: 1 }, headers)).toMatchObject(refused)
    expect(reports).toEqual([])
  })
})
