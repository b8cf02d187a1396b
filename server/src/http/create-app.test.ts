import { createFakeClock } from '@pipit/shared/testing'
import { hc, type InferRequestType, type InferResponseType } from 'hono/client'
import { nanoid } from 'nanoid'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { createEngine, createMemberLists } from '../engine/index.ts'
import { firstStart } from '../first-start.ts'
import { createIngest } from '../ingest/index.ts'
import { createHub } from '../push/index.ts'
import type { Storage } from '../storage/ports.ts'
import { openSqlite } from '../storage/sqlite/index.ts'
import { StorageError } from '../storage/storage-error.ts'
import { createAuthenticate, hashKey } from './authenticate.ts'
import { type AppType, createApp } from './create-app.ts'
import {
  auditEntrySchema,
  historyEntrySchema,
  problemSchema,
  rolloutDetailSchema,
  rolloutViewSchema,
} from './view-schemas.ts'

const token = 'adm_0123456789abcdefghij'
const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

/** The app on a real database in memory; `broken` makes storage fail, `bootId` and `storage` let a second process follow the first. */
async function setup(options: { storage?: Storage; bootId?: string } = {}) {
  const storage = options.storage ?? openSqlite({ file: ':memory:' })
  const clock = createFakeClock(Date.UTC(2026, 10, 20))
  const broken = { how: undefined as 'all' | 'idempotency' | undefined }
  const failing = breakable(storage, broken)
  const authenticate = createAuthenticate(storage, clock)
  const ingest = createIngest({ storage: failing, clock })
  const hub = createHub({
    projectRuleset: () => Promise.reject(new Error('not in this test')),
    ingest,
    authenticate: () => Promise.resolve(undefined),
    clock,
    log: quiet,
  })
  const engine = createEngine({
    ...{
      storage: failing,
      memberLists: createMemberLists({ storage: failing }),
      publisher: hub,
      clock,
      log: quiet,
      newId: nanoid,
    },
    notifier: { notify: () => Promise.resolve() },
  })
  await firstStart(storage, engine, { adminToken: token }, hashKey)
  const draining = new AbortController()
  const app = createApp({
    ...{ storage: failing, engine, hub, ingest, authenticate, userAgent: () => undefined, clock, log: quiet },
    retention: { counters: () => ({}) },
    queries: { troubles: () => [] },
    bootId: options.bootId ?? 'boot-1',
    draining: draining.signal,
  })
  const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await app.request(path.startsWith('/api') ? path : `/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    return {
      status: response.status,
      headers: response.headers,
      body: text === '' ? undefined : (JSON.parse(text) as unknown),
    }
  }
  return { app, call, storage, clock, broken, draining, ingest }
}

/** Storage that fails on demand, as a full disk would. */
function breakable(storage: Storage, broken: { how: 'all' | 'idempotency' | undefined }): Storage {
  return new Proxy(storage, {
    get(target, name) {
      const fail = () => Promise.reject(new StorageError('disk-full', 'the disk is full'))
      const fails = broken.how === 'all' || (broken.how === 'idempotency' && name === 'idempotency')
      const value = Reflect.get(target, name) as unknown
      if (!fails) return value
      return typeof value === 'function' ? fail : new Proxy({}, { get: () => fail })
    },
  })
}

const rollout = { key: 'a', stages: [{ name: 'full', weight: 100 }] }

describe('the app', () => {
  it('answers in the form its OpenAPI document promises', async () => {
    const { call } = await setup()
    const made = await call('POST', '/rollouts', rollout)
    rolloutDetailSchema.strict().parse(made.body)
    const started = await call('POST', '/rollouts/a/start', { reason: 'go' })
    rolloutDetailSchema.strict().parse(started.body)
    const { items } = (await call('GET', '/rollouts')).body as { items: unknown[] }
    for (const item of items) rolloutViewSchema.strict().parse(item)
    const history = (await call('GET', '/rollouts/a/history')).body as { items: unknown[] }
    for (const item of history.items) historyEntrySchema.strict().parse(item)
    const audit = (await call('GET', '/audit')).body as { items: unknown[] }
    expect(audit.items.length).toBeGreaterThan(1)
    for (const item of audit.items) auditEntrySchema.strict().parse(item)
    problemSchema.strict().parse((await call('GET', '/rollouts/nobody')).body)
  })

  it('says of a decision to be explained and of a preview what is wrong with them, and where', async () => {
    const { call } = await setup()
    await call('POST', '/rollouts', rollout)
    const errors = async (path: string, body: object) => {
      const answer = await call('POST', `/rollouts/a/${path}`, body)
      return [answer.status, ...((answer.body as { errors?: object[] }).errors ?? [])]
    }
    const noTime = { path: 'at', message: expect.stringMatching(/^must be a time: epoch milliseconds, or ISO 8601/) }
    // Later than any Date.
    const late = { path: 'at', message: 'must be at most 8640000000000000' }
    expect(await errors('decide', { user: 'u', at: 9e15 })).toEqual([422, late])
    expect(await errors('start', { at: 9e15 })).toEqual([422, late])
    expect(await errors('decide', { user: 'u', at: '2026-02-30T23:00:00Z' })).toEqual([422, noTime])
    expect(await errors('decide', { user: 'u', headers: { a: 1 } })).toEqual([
      422,
      { path: 'headers.a', message: expect.stringMatching(/^must be a string, or a list/) },
    ])
    expect(await errors('decide', { user: 'u', headers: ['a'] })).toEqual([
      422,
      { path: 'headers', message: 'must be an object' },
    ])
    expect(await errors('preview', { changes: { stagse: [] } })).toEqual([
      422,
      { path: 'changes.stagse', message: 'is not known here; did you mean stages?' },
    ])
    expect(await errors('preview', { command: 'pause', sure: true })).toEqual([
      422,
      { path: 'sure', message: expect.stringMatching(/^is not known here; there are changes, command/) },
    ])
  })

  it('previews what the change then does, or refuses it for the same reason', async () => {
    const { call } = await setup()
    await call('POST', '/rollouts', rollout)
    const preview = (body: object) => call('POST', '/rollouts/a/preview', body)
    const at = '2026-11-21T00:00:00Z'
    expect(await preview({ command: 'start', at })).toMatchObject({
      status: 200,
      body: { after: { phase: 'scheduled' } },
    })
    expect(await preview({ command: 'start', at: 1 })).toMatchObject({ status: 422, body: { code: 'in-the-past' } })
    await call('POST', '/rollouts/a/start')
    expect(await preview({ changes: { key: 'b' } })).toMatchObject({
      status: 422,
      body: { errors: [{ path: 'changes.key', message: 'must stay "a"' }] },
    })
    expect(await preview({ changes: { prerequisites: [{ rollout: 'none' }] } })).toMatchObject({
      status: 422,
      body: { errors: [{ path: 'changes.prerequisites[0].rollout' }] },
    })
    const winner = { command: 'complete', winner: 'nobody' }
    expect(await preview(winner)).toMatchObject({ status: 422, body: { errors: [{ path: 'winner' }] } })
    expect(await preview({ changes: {} })).toMatchObject({ body: { summary: 'nothing would change', moves: [] } })
  })

  it('asks for as many units as there can be once requests are dealt out, and no longer', async () => {
    const { call } = await setup()
    await call('POST', '/rollouts', { ...rollout, stages: [{ name: 'half', weight: 50 }, ...rollout.stages] })
    const needed = async (assign: string | null) => {
      const { body } = await call('PATCH', '/rollouts/a', { assign })
      return (body as { definition: { stages: { minUnits: number }[] } }).definition.stages.map(
        ({ minUnits }) => minUnits,
      )
    }
    expect(await needed('request')).toEqual([0, 0])
    expect(await needed(null)).toEqual([30, 30])
    const stages = [{ name: 'full', weight: 100, minUnits: 5 }]
    expect(await call('PATCH', '/rollouts/a', { assign: 'request', stages })).toMatchObject({
      status: 422,
      body: { errors: [{ path: 'stages[0].minUnits', message: expect.stringMatching(/there is none; leave it out/) }] },
    })
  })

  it('keeps no answer to a question: the key is still there for the change', async () => {
    const { call, storage } = await setup()
    await call('POST', '/rollouts', rollout)
    const once = { 'idempotency-key': 'k' }
    const asked = () => call('POST', '/rollouts/a/preview', { command: 'start' }, once)
    expect(await asked()).toMatchObject({ status: 200, body: { before: { phase: 'draft' } } })
    const audited = (await storage.audit.list({ limit: 100 })).length
    expect((await call('POST', '/rollouts/a/start', {}, once)).status).toBe(200)
    expect((await storage.audit.list({ limit: 100 })).length).toBe(audited + 1)
    expect(await asked()).toMatchObject({ status: 200, body: { before: { phase: 'running' } } })
  })

  it('tells every fault of a rollout at once, each with its path', async () => {
    const { call } = await setup()
    const answer = await call('POST', '/rollouts', {
      key: 'Not A Key',
      stages: [
        { name: 'a', weight: 101 },
        { name: 'b', wieght: 5 },
      ],
      guards: [{ metric: 'error_rate', worseThan: { relative: 'x' }, action: 'explode' }],
    })
    expect(answer).toMatchObject({ status: 422, body: { code: 'invalid' } })
    const { errors } = answer.body as { errors: { path: string; message: string }[] }
    expect(errors.map(({ path }) => path)).toEqual([
      'key',
      'stages[0].weight',
      'stages[1].weight',
      'stages[1].wieght',
      'guards[0].worseThan.relative',
      'guards[0].action',
    ])
    expect(errors.find(({ path }) => path === 'stages[1].wieght')?.message).toContain('did you mean weight?')
  })

  it('needs no body for a command that has nothing to say', async () => {
    const { app, call } = await setup()
    await call('POST', '/rollouts', rollout)
    const response = await app.request('/api/v1/rollouts/a/start', {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
    })
    expect(response.status).toBe(200)
  })

  it('answers a storage failure with 503, when to come back, and nothing changed', async () => {
    const { call, broken } = await setup()
    await call('POST', '/rollouts', rollout)
    broken.how = 'all'
    const refused = await call('POST', '/rollouts/a/start')
    expect(refused).toMatchObject({
      status: 503,
      body: { code: 'unavailable', detail: expect.stringContaining('disk-full') },
    })
    expect(refused.headers.get('retry-after')).toBe('5')
    expect((await call('GET', '/rollouts/a')).status).toBe(503)
    broken.how = undefined
    expect(await call('GET', '/rollouts/a')).toMatchObject({ status: 200, body: { phase: 'draft' } })
  })

  it('says that reports wait, and that it is not ready while none can be stored', async () => {
    const { app, broken, clock, ingest } = await setup()
    const ready = async () => {
      const response = await app.request('/readyz')
      return { status: response.status, body: await response.json() }
    }
    const gauges = async () =>
      Object.fromEntries(
        [...(await (await app.request('/metrics')).text()).matchAll(/^pipit_ingest_(\w+) (\d+)$/gm)].map(
          ([, name, value]) => [name, Number(value)],
        ),
      )
    const waiting = ingest.submit('production', { id: 'a' }, { type: 'report', seq: 1 })
    await clock.advance(1500)
    const busy = ready()
    expect(await busy).toEqual({ status: 200, body: { status: 'busy', reportsWaiting: 1, oldestWaitsMs: 1500 } })
    await waiting

    broken.how = 'all'
    await ingest.submit('production', { id: 'a' }, { type: 'report', seq: 2 })
    await clock.advance(4000)
    expect(await ready()).toMatchObject({ status: 503, body: { detail: expect.stringContaining('for 4 s') } })
    broken.how = undefined
    expect(await gauges()).toMatchObject({ failing_ms: 4000, waiting_reports: 0 })

    await ingest.submit('production', { id: 'a' }, { type: 'report', seq: 2 })
    expect(await ready()).toEqual({ status: 200, body: { status: 'ok' } })
    expect(await gauges()).toMatchObject({ failing_ms: 0, waiting_reports: 0, waiting_weight: 0, oldest_waits_ms: 0 })
  })

  it('says that it is not ready while it goes down', async () => {
    const { app, draining } = await setup()
    expect((await app.request('/readyz')).status).toBe(200)
    draining.abort()
    expect((await app.request('/readyz')).status).toBe(503)
    expect((await app.request('/healthz')).status).toBe(200)
  })

  it('ends live streams when it goes down, and those of a revoked token', async () => {
    const { app, call, clock, draining } = await setup()
    const made = (await call('POST', '/keys', { kind: 'adm', role: 'viewer', name: 'guest' })).body as {
      id: string
      secret: string
    }
    const open = async (secret: string) => {
      const response = await app.request('/api/v1/events', { headers: { authorization: `Bearer ${secret}` } })
      return response.text()
    }
    const guest = open(made.secret)
    const admin = open(token)
    await clock.runUntilIdle()
    await call('DELETE', `/keys/${made.id}`)
    await clock.advance(10_000)
    expect(await guest).toContain('event: ready')
    draining.abort()
    expect(await admin).toContain('still here')
  })

  it('describes every route that it has', async () => {
    const { app, call } = await setup()
    const { paths } = (await call('GET', '/openapi.json')).body as { paths: Record<string, Record<string, object>> }
    const described = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`),
    )
    const served = app.routes
      .filter(({ method, path }) => method !== 'ALL' && path.startsWith('/api/v1') && !path.endsWith('openapi.json'))
      .map(({ method, path }) => `${method} ${path}`)
    expect(described.sort()).toEqual([...new Set(served)].sort())
    expect(described.length).toBeGreaterThan(40)
  })
})

describe('Idempotency-Key over the end of a process', () => {
  const once = { 'idempotency-key': 'k-1' }

  it('lets a request be tried again that came to nothing in this process', async () => {
    const { call, broken } = await setup()
    await call('POST', '/rollouts', rollout)
    broken.how = 'idempotency'
    expect((await call('POST', '/rollouts/a/start', {}, once)).status).toBe(503)
    broken.how = undefined
    expect(await call('POST', '/rollouts/a/start', {}, once)).toMatchObject({ status: 200, body: { phase: 'running' } })
  })

  it('gives the stored answer in the next process', async () => {
    const first = await setup()
    const before = await first.call('POST', '/rollouts', rollout, once)
    const second = await setup({ storage: first.storage, bootId: 'boot-2' })
    const after = await second.call('POST', '/rollouts', rollout, once)
    expect(after.body).toEqual(before.body)
    expect(after.headers.get('etag')).toBe(before.headers.get('etag'))
    expect(after.headers.get('idempotency-replayed')).toBe('true')
  })

  it('says that nobody knows where the process ended before the answer was stored', async () => {
    const first = await setup()
    await first.call('POST', '/rollouts', rollout)
    const put = first.storage.idempotency.put
    // The answer is never stored, as if the process had been killed right after the change.
    const forgetful: Storage = {
      ...first.storage,
      idempotency: {
        ...first.storage.idempotency,
        put: async (key, value, at) => (value.status === 0 ? await put(key, value, at) : undefined),
      },
    }
    const second = await setup({ storage: forgetful })
    await second.call('POST', '/rollouts/a/start', {}, once)
    const third = await setup({ storage: first.storage, bootId: 'boot-2' })
    expect(await third.call('POST', '/rollouts/a/start', {}, once)).toMatchObject({
      status: 409,
      body: { code: 'outcome-unknown' },
    })
  })

  it('is forgotten after a day', async () => {
    const { call, clock } = await setup()
    await call('POST', '/rollouts', rollout, once)
    await clock.advance(25 * 3_600_000)
    await call('POST', '/environments', { name: 'other' }, { 'idempotency-key': 'k-2' })
    expect(await call('POST', '/rollouts', rollout, once)).toMatchObject({ status: 409, body: { code: 'exists' } })
  })

  it('must be something', async () => {
    const { call } = await setup()
    expect(await call('POST', '/rollouts', rollout, { 'idempotency-key': 'a b' })).toMatchObject({
      status: 422,
      body: { errors: [{ path: 'Idempotency-Key' }] },
    })
  })
})

describe('a typed client', () => {
  it('knows the routes, their bodies and their answers', () => {
    const client = hc<AppType>('http://127.0.0.1:4400')
    type Rollouts = InferResponseType<typeof client.api.v1.rollouts.$get, 200>
    expectTypeOf<Rollouts['items'][number]['phase']>().toEqualTypeOf<
      'draft' | 'scheduled' | 'running' | 'paused' | 'awaiting-approval' | 'succeeded' | 'reverted' | 'archived'
    >()
    type SetWeight = InferRequestType<(typeof client.api.v1.rollouts)[':key']['set-weight']['$post']>
    expectTypeOf<SetWeight['json']['weight']>().toEqualTypeOf<number>()
  })
})
