/** Each field of every body and every frame with a wrong type or amount in turn: refused with the path of just that field. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import WebSocket from 'ws'
import { startServer, type TestServer } from '../support/server.ts'
import { at, type Place, placesOf, placeText, replaced, wrongAmounts, wrongValues } from './malformed-mutate.ts'
import { dump, expectGoodRefusal, expectQuietLog, makeWorld, send, stages } from './malformed-support.ts'

let server: TestServer

beforeAll(async () => {
  server = await startServer()
  await makeWorld(server)
})
afterAll(async () => {
  expectQuietLog(server)
  await server.stop()
})

const rollout = {
  key: 'fields',
  description: 'all of it',
  unit: 'account.id',
  variants: [
    { name: 'stable' },
    { name: 'canary', share: 2, payload: { a: [1, 'x', null] } },
    { name: 'canary-b', share: 1 },
  ],
  rules: [
    { name: 'qa', header: 'X-Canary', values: ['true'], serve: 'canary' },
    { name: 'pro', when: { plan: { $in: ['pro'] } }, serve: { canary: 10, stable: 90 } },
    { name: 'beta', cohort: 'beta', serve: 'canary-b' },
    { name: 'cookie', cookie: 'c', condition: { $regex: '^v2' }, serve: 'canary' },
  ],
  stages: [
    { name: 'internal', weight: 0, cohorts: ['beta'], hold: '10m', maxHold: '1h', approval: true, minUnits: 5 },
    { name: 'full', weight: 100 },
  ],
  guards: [
    { metric: 'error_rate', worseThan: { relative: 1.5, absolute: 0.01 }, action: 'revert', null: 'stable', weight: 2 },
    { metric: 'latency_p99', never: { above: 800 }, action: 'pause' },
  ],
  gates: [
    { metric: 'buys', noWorseThan: { relative: 0.98 } },
    { metric: 'spends', betterThan: { relative: 1 }, weight: 1 },
  ],
  metrics: [
    { key: 'buys', kind: 'conversion', event: 'purchase', window: '1d', description: 'd' },
    { key: 'spends', kind: 'sum', event: 'purchase', window: '1d', cap: 500, better: 'higher' },
    {
      ...{ key: 'rate', kind: 'ratio', window: '1d' },
      numerator: { event: 'purchase', of: 'value' },
      denominator: { event: 'search', of: 'count' },
    },
    {
      ...{ key: 'depth', kind: 'external', better: 'lower' },
      query: { prometheus: 'http://127.0.0.1:9', canary: 'a', stable: 'b', every: '15s' },
    },
  ],
  slices: ['country'],
  checks: { sampleRatio: 'alert', noData: 'pause' },
  revertTo: 'zero',
  onInconclusive: 'pause',
  breaker: true,
  deadman: '10m',
  unitSample: 0.5,
  browser: true,
  analysis: { tick: '5s', alpha: 0.01, warmup: '30s', armNoise: 0.02, maxMargin: 3 },
}

interface Body {
  readonly method: string
  readonly path: string
  readonly body: object
}

/** What looks wrong and is right: a payload is any JSON, a condition compares any attribute with any value, null means something. */
function isRight({ method, path }: Body, place: Place, value: unknown): boolean {
  const text = placeText(place)
  const field = String(place.at(-1))
  const isDuration = ['hold', 'maxHold', 'window', 'deadman', 'warmup'].includes(field)
  if (isDuration && typeof value === 'number') return value >= 0 && value < 1e6
  // The values of a header are bounded by the body alone.
  if (/^rules\[0\]\.values\[0\]$/.test(text)) return typeof value === 'string' && value !== ''
  // A header or cookie is compared with any value, as MongoDB has it.
  if (/^rules\[3\]\.condition/.test(text) && !text.includes('$regex')) return true
  if (/payload|(?:^|\.)when\.(?:plan|nosuchfield)/.test(text)) return true
  if (field === 'every' && typeof value === 'number') return value >= 1000 && value < 1e6
  // Any number may be the most that a user counts for, or a figure that somebody measured.
  if ((field === 'cap' || text === 'guards[1].never.above') && typeof value === 'number') return value > 0
  if (text === 'observations[0].value') return typeof value === 'number' && Math.abs(value) < 1e15
  if (method === 'PATCH' && text === 'description') return value === null
  return path.endsWith('/override') && text === 'variant' && value === null
}

const bodies: readonly Body[] = [
  { method: 'POST', path: '/rollouts', body: rollout },
  { method: 'PATCH', path: '/rollouts/draft', body: { description: 'd', stages, version: 1, reason: 'r' } },
  {
    method: 'POST',
    path: '/cohorts',
    body: { key: 'c2', description: 'd', when: { plan: 'beta' }, members: ['a', 'b'] },
  },
  {
    method: 'PUT',
    path: '/cohorts/beta',
    body: { key: 'beta', when: { plan: 'beta' }, members: ['a'], version: 1 },
  },
  { method: 'POST', path: '/cohorts/beta/members', body: { members: ['a'], reason: 'r' } },
  { method: 'DELETE', path: '/cohorts/beta/members', body: { members: ['a'], reason: 'r' } },
  {
    method: 'POST',
    path: '/metrics',
    body: { key: 'm2', kind: 'conversion', event: 'e', window: '1h', description: 'd' },
  },
  { method: 'PUT', path: '/metrics/purchase', body: { kind: 'conversion', event: 'e', window: '1h', version: 1 } },
  {
    method: 'POST',
    path: '/rollouts/running/observations',
    body: { observations: [{ metric: 'depth', variant: 'canary', value: 3 }] },
  },
  { method: 'POST', path: '/keys', body: { kind: 'adm', name: 'n', role: 'viewer' } },
  { method: 'POST', path: '/environments', body: { name: 'other' } },
  { method: 'POST', path: '/rollouts/draft/start', body: { at: '2126-11-20T22:33:00Z', reason: 'r', version: 1 } },
  { method: 'POST', path: '/rollouts/running/set-weight', body: { weight: 10, reason: 'r', version: 2 } },
  { method: 'POST', path: '/rollouts/running/complete', body: { winner: 'canary', reason: 'r', version: 2 } },
  { method: 'POST', path: '/rollouts/running/restart', body: { people: 'fresh', reason: 'r', version: 2 } },
  {
    method: 'POST',
    path: '/rollouts/running/override',
    body: { unit: 'u', variant: 'canary', reason: 'r', version: 2 },
  },
  {
    method: 'POST',
    path: '/rollouts/running/dismiss',
    body: { metric: 'error_rate', until: 4e12, reason: 'r', version: 2 },
  },
  ...['pause', 'resume', 'advance', 'approve', 'reject', 'revert', 'archive'].map((name) => ({
    method: 'POST',
    path: `/rollouts/running/${name}`,
    body: { reason: 'r', version: 2 },
  })),
]

/** The path of a fault is the field's own, one inside it, or that of what holds it. */
function names(place: Place, paths: readonly string[]): boolean {
  const own = placeText(place)
  const around = place.map((_part, i) => placeText(place.slice(0, i)))
  return paths.some(
    (path) => path === own || path.startsWith(`${own}.`) || path.startsWith(`${own}[`) || around.includes(path),
  )
}

/** Values that are wrong in type or amount, or not known at all, one at a time. */
function* faults(body: object): Generator<{ place: Place; value: unknown; broken: unknown }> {
  for (const place of placesOf(body)) {
    const right = at(body, place)
    for (const value of [...wrongValues(right), ...wrongAmounts(right)]) {
      yield { place, value, broken: replaced(body, place, value) }
    }
    if (typeof right === 'object' && right !== null && !Array.isArray(right)) {
      yield { place: [...place, 'nosuchfield'], value: 1, broken: replaced(body, [...place, 'nosuchfield'], 1) }
    }
  }
}

describe('each field with a wrong value in turn', () => {
  it.each(bodies)('of $method $path is refused with its path, and nothing is changed', async (given) => {
    const { method, path, body } = given
    const before = await dump(server)
    const taken: string[] = []
    let tried = 0
    for (const { place, value, broken } of faults(body)) {
      if (isRight(given, place, value)) continue
      tried++
      const what = `${method} ${path} with ${placeText(place)} = ${JSON.stringify(value).slice(0, 60)}`
      const answer = await send(server, method, `/api/v1${path}`, JSON.stringify(broken))
      if (answer.status < 300) {
        taken.push(what)
        if (method === 'POST' && path === '/rollouts') await server.api('DELETE', '/rollouts/fields')
        continue
      }
      expectGoodRefusal(what, answer)
      const paths = (answer.body.errors ?? []).map((error) => error.path)
      expect([what, paths, names(place, paths)]).toEqual([what, paths, true])
    }
    expect(taken).toEqual([])
    expect(tried).toBeGreaterThan(20)
    expect(await dump(server)).toBe(before)
  })
})

const cell = { rollout: 'running', epoch: 1, variant: 'canary', stratum: 'split' }
const report = {
  type: 'report',
  seq: 1,
  outcomes: [
    {
      ...{ ...cell, thresholds: 0, buckets: 'AF.AB.AD' },
      kinds: { '5xx': 'AB' },
      slices: { country: { NZ: [5, 1, 2] } },
    },
  ],
  exposures: [{ ...cell, reason: 'split', units: ['0123456789abcdef'], slice: { country: 'NZ' } }],
  events: [{ event: 'purchase', unit: '0123456789abcdef', ageMs: 5, value: 1, id: 'e1' }],
  breakers: [{ rollout: 'running', epoch: 1, canary: { n: 5, failed: 5 }, stable: { n: 5, failed: 0 } }],
  dropped: { outcomes: 1, exposures: 1, events: 1, unknownOperators: 1, invalid: 1, reports: 1 },
}
const hello = {
  type: 'hello',
  protocol: 1,
  sdk: { name: 'test', version: '1' },
  instance: 'malformed-fields',
  version: 0,
  labels: { host: 'here' },
}

const frames = [
  { name: 'hello', frame: hello },
  { name: 'applied', frame: { type: 'applied', version: 1 } },
  { name: 'report', frame: report },
]

/** What looks wrong in a frame and is right: an SDK newer than the server sends fields it does not know, an event may cost money. */
const isRightInFrame = (place: Place, value: unknown): boolean =>
  place.at(-1) === 'nosuchfield' || (placeText(place) === 'events[0].value' && value === -1)

/** Right in one field and more than any real one in itself: taken, or refused by another rule than the field's. */
const stretched = (place: Place, value: unknown): boolean =>
  (placeText(place) === '' && typeof value === 'object') || (placeText(place) === 'protocol' && value === 1e308)

describe('each field of a frame with a wrong value in turn', () => {
  it.each(frames)('of $name is answered with an error that names it, and counted nowhere', async ({ frame }) => {
    const before = await dump(server)
    for (const { place, value, broken } of faults(frame)) {
      if (isRightInFrame(place, value)) continue
      const what = `${placeText(place)} = ${JSON.stringify(value).slice(0, 60)}`
      const error = await answerTo(JSON.stringify(broken))
      expect([what, error]).toEqual([
        what,
        expect.objectContaining({ type: 'error', message: expect.stringMatching(/.{10}/) }),
      ])
      if (stretched(place, value)) continue
      expect([what, error.path, names(place, [error.path ?? ''])]).toEqual([what, error.path, true])
    }
    expect(await dump(server)).toBe(before)
  })
})

/** What the server answers to a frame on a fresh socket that has greeted. */
function answerTo(frame: string): Promise<{ type: string; code?: string; path?: string }> {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/sdk/v1/connect`, {
    headers: { authorization: `Bearer ${server.serverKey}` },
  })
  return new Promise((resolve, reject) => {
    let greeted = false
    socket.on('open', () => socket.send(JSON.stringify(hello)))
    socket.on('error', reject)
    socket.on('message', (data) => {
      const message = JSON.parse(data.toString()) as { type: string }
      // A heartbeat may come at any moment.
      if (message.type === 'ping') return
      if (!greeted) {
        greeted = true
        return socket.send(frame)
      }
      resolve(message)
      socket.close()
    })
  })
}
