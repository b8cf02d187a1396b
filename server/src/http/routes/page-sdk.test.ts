import { unitHash } from '@pipit/shared/hash'
import { pageUnit } from '@pipit/shared/protocol'
import { createFakeClock } from '@pipit/shared/testing'
import { describe, expect, it } from 'vitest'
import { hello, hubOf, rollout } from '../../push/hub-fixture.ts'
import type { AppDeps } from '../context.ts'
import { sdkRoutes } from './sdk.ts'

const shop = 'https://shop.example'
const ruleset = {
  ...{ version: 1, environment: 'production', unitSalt: 'u' },
  rollouts: { r: { ...rollout, browser: true as const, cohorts: ['beta'], events: ['buy'] } },
  cohorts: { beta: { when: { plan: 'beta' } } },
}
const cell = { rollout: 'r', epoch: 1, variant: 'canary', stratum: 'forced', reason: 'cohort', units: [pageUnit] }
const report = { type: 'report', seq: 1, exposures: [cell] }

function setup(webKeys: readonly object[] = [{ kind: 'web', origins: [shop] }]) {
  const clock = createFakeClock()
  const served = hubOf({ ruleset, clock })
  const storage = { keys: { list: async () => webKeys } }
  const app = sdkRoutes({ hub: served.hub, clock, storage, log: { error: () => undefined } } as unknown as AppDeps)
  async function ask(method: string, path: string, more: { headers?: object; body?: unknown; key?: string } = {}) {
    const { headers = {}, body, key = 'web_shop' } = more
    const answer = await app.request(path, {
      method,
      headers: { origin: shop, authorization: `Bearer ${key}`, ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await answer.text()
    return { status: answer.status, headers: answer.headers, body: text === '' ? undefined : JSON.parse(text) }
  }
  const greet = (user: object, headers: object = {}) =>
    ask('POST', '/page', { headers, body: { ...JSON.parse(hello('page-0001')), user } })
  return { ...served, ask, greet, clock }
}
const instance = { 'x-pipit-instance': 'page-0001', 'x-pipit-sdk': 'sdk-browser/0.1.0' }

describe('a page without a socket', () => {
  it('gets what it may know, once per version and results', async () => {
    const { greet } = setup()
    const first = await greet({ id: 'ada', plan: 'beta' })
    expect(first).toMatchObject({
      status: 200,
      body: { type: 'ruleset', ruleset: { rollouts: { r: { result: { reason: 'cohort' } } } } },
    })
    expect(first.headers.get('access-control-allow-origin')).toBe(shop)
    expect(first.headers.get('cache-control')).toBe('private, no-cache')
    const etag = { 'if-none-match': String(first.headers.get('etag')) }
    expect(await greet({ id: 'ada', plan: 'beta' }, etag)).toMatchObject({ status: 304, body: undefined })
    expect(await greet({ id: 'ada', plan: 'none' }, etag)).toMatchObject({ status: 200 })
  })

  it('is shown, and reports for the user it named', async () => {
    const { ask, greet, reports, hub } = setup()
    await greet({ id: 'ada', plan: 'beta' })
    expect(hub.instances('production')).toMatchObject([{ kind: 'page', transport: 'http', instance: 'page-0001' }])
    const answer = await ask('POST', '/reports', { headers: instance, body: report })
    expect(answer).toMatchObject({ status: 200, body: { type: 'ack', seq: 1 } })
    expect(reports).toEqual([
      {
        instance: { id: 'page/page-0001', group: 'pages', sdk: 'sdk-browser@0.1.0' },
        report: { ...report, exposures: [{ ...cell, units: [unitHash('u', 'ada')] }] },
      },
    ])
  })

  it('is asked to greet first where nobody knows who it is, or any more', async () => {
    const { ask, greet, hub, clock } = setup()
    const unknown = { status: 409, body: { type: 'error', code: 'hello-first', retry: true, seq: 1 } }
    expect(await ask('POST', '/reports', { headers: instance, body: report })).toMatchObject(unknown)
    await greet({ id: 'ada' })
    await clock.advance(hub.limits.pageMemoryMs + 60_000)
    expect(await ask('POST', '/reports', { headers: instance, body: report })).toMatchObject(unknown)
  })

  it('sends its last report with the key in the body, as a text', async () => {
    const { ask, greet, reports } = setup()
    await greet({ id: 'ada' })
    const body = { key: 'web_shop', instance: 'page-0001', sdk: { name: 'sdk-browser', version: '1' }, report }
    const headers = { authorization: '', 'content-type': 'text/plain;charset=UTF-8' }
    expect(await ask('POST', '/beacon', { headers, body })).toMatchObject({ status: 200 })
    expect(reports[0]?.report.exposures?.[0]?.units).toEqual([unitHash('u', 'ada')])
    const outcomes = [
      { rollout: 'r', epoch: 1, variant: 'canary', stratum: 'split', thresholds: 0, columns: 4, buckets: [3, 1, 0, 0] },
    ]
    const unknown = { ...body, instance: 'page-0002', report: { ...report, outcomes } }
    expect(await ask('POST', '/beacon', { headers, body: unknown })).toMatchObject({ status: 200 })
    expect(reports[1]?.report).toMatchObject({ exposures: [], outcomes })
  })

  it.each<[string, unknown, number]>([
    ['no JSON', '{', 400],
    ['no object', 'null', 401],
    ['no key', { instance: 'page-0001', report }, 401],
    ['a key of a server', { key: 'srv_good', instance: 'page-0001', report }, 403],
    ['no instance', { key: 'web_shop', report }, 400],
    ['no report', { key: 'web_shop', instance: 'page-0001' }, 400],
    ['another message', { key: 'web_shop', instance: 'page-0001', report: { type: 'ping' } }, 400],
    ['too much', 'x'.repeat(300_000), 413],
  ])('is refused a beacon with %s', async (_name, body, status) => {
    expect(await setup().ask('POST', '/beacon', { body })).toMatchObject({ status, body: { type: 'error' } })
  })

  it('of another origin is refused, and can read why', async () => {
    const { ask, greet, reports } = setup()
    for (const origin of ['https://evil.example', 'null', `${shop}:8443`, 'http://shop.example']) {
      const refused = await greet({ id: 'ada' }, { origin })
      expect(refused).toMatchObject({
        status: 403,
        body: { code: 'unauthorized', message: expect.stringMatching(/not for pages of/) },
      })
      expect(refused.headers.get('access-control-allow-origin')).toBe(origin)
      const body = { key: 'web_shop', instance: 'page-0001', report }
      expect(await ask('POST', '/beacon', { headers: { origin }, body })).toMatchObject({ status: 403 })
      expect(await ask('POST', '/reports', { headers: { ...instance, origin }, body: report })).toMatchObject({
        status: 403,
      })
    }
    expect(reports).toEqual([])
  })

  it('is answered its preflight where a key is for its origin', async () => {
    const { ask } = setup()
    const yes = await ask('OPTIONS', '/page')
    expect(yes).toMatchObject({ status: 204 })
    expect(yes.headers.get('access-control-allow-origin')).toBe(shop)
    expect(yes.headers.get('access-control-allow-headers')).toContain('authorization')
    const no = await ask('OPTIONS', '/reports', { headers: { origin: 'https://evil.example' } })
    expect(no.status).toBe(403)
    expect(no.headers.has('access-control-allow-origin')).toBe(false)
    const revoked = setup([{ kind: 'web', revokedAt: 1 }])
    expect(await revoked.ask('OPTIONS', '/page')).toMatchObject({ status: 403 })
    const any = setup([{ kind: 'web' }])
    expect(await any.ask('OPTIONS', '/page')).toMatchObject({ status: 204 })
  })

  it('gets nothing else by its key, and a server nothing by way of pages', async () => {
    const { ask } = setup()
    expect(await ask('GET', '/ruleset', { headers: instance })).toMatchObject({
      status: 403,
      body: { message: expect.stringMatching(/web_ key/) },
    })
    expect(await ask('POST', '/page', { key: 'srv_good', body: JSON.parse(hello('page-0001')) })).toMatchObject({
      status: 403,
    })
    expect(await ask('POST', '/page', { key: 'web_wrong', body: {} })).toMatchObject({ status: 401 })
    expect(await ask('POST', '/page', { body: report })).toMatchObject({ status: 400, body: { path: 'type' } })
    const later = { ...JSON.parse(hello('page-0001')), protocol: 2 }
    expect(await ask('POST', '/page', { body: later })).toMatchObject({
      status: 400,
      body: { code: 'protocol-version' },
    })
  })
})
