/**
 * Malformed JSON and naughty strings at every route that takes anything: each is refused with the place of its fault and what to do,
 * nothing is half applied, and the server neither crashes nor answers 5xx.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import {
  dump,
  expectGoodRefusal,
  expectQuietLog,
  jsonFiles,
  listFiles,
  makeWorld,
  naughtyStrings,
  send,
  stages,
} from './malformed-support.ts'

let server: TestServer

beforeAll(async () => {
  server = await startServer()
  await makeWorld(server)
})
afterAll(async () => {
  await server.stop()
})

/** Every route that changes something, by the server's own description of itself, with keys filled in. */
async function changingRoutes(): Promise<{ method: string; path: string; takesBody: boolean }[]> {
  const { paths } = (await (await fetch(`${server.url}/api/v1/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { requestBody?: object }>>
  }
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([method]) => method !== 'get')
      .map(([method, { requestBody }]) => ({
        method: method.toUpperCase(),
        path: filledIn(path),
        takesBody: requestBody !== undefined,
      })),
  )
}

function filledIn(path: string): string {
  if (path.includes('/cohorts/')) return path.replace('{key}', 'beta')
  if (path.includes('/metrics/')) return path.replace('{key}', 'purchase')
  return path.replace('{key}', 'archived').replace('{id}', 'no-such-key')
}

describe('every file of the JSON test suite', () => {
  it('at every route changes nothing, and what is no JSON is refused with its position', async () => {
    const before = await dump(server)
    const routes = await changingRoutes()
    expect(routes.length).toBeGreaterThan(24)
    for (const { name, bytes } of [...jsonFiles, ...listFiles]) {
      for (const { method, path, takesBody } of routes) {
        // No body at all is right where none is taken.
        if (bytes.length === 0 && !takesBody) continue
        const answer = await send(server, method, path, bytes)
        // An empty object says all that some commands need; to an archived rollout they say nothing new.
        if (answer.status !== 200) expectGoodRefusal(`${name} at ${method} ${path}`, answer)
        if (name.startsWith('n_') && bytes.length > 0 && takesBody) {
          expect([name, path, answer.status, answer.body.code]).toEqual([name, path, 400, 'malformed-json'])
          expect(answer.body.errors?.[0]?.message).toMatch(/position \d+|not UTF-8: .* character \d+/)
        }
      }
    }
    expect(await dump(server)).toBe(before)
  })

  it('as YAML at the routes that take it changes nothing', async () => {
    const before = await dump(server)
    for (const { name, bytes } of [...jsonFiles, ...listFiles]) {
      for (const [method, path] of [
        ['POST', '/api/v1/rollouts'],
        ['PATCH', '/api/v1/rollouts/archived'],
      ] as const) {
        const answer = await send(server, method, path, bytes, { 'content-type': 'application/yaml' })
        if (answer.status !== 200) expectGoodRefusal(`${name} at ${method} ${path}`, answer)
      }
    }
    expect(await dump(server)).toBe(before)
  })

  it('as a report is answered with an error message, and counted nowhere', async () => {
    const headers = { authorization: `Bearer ${server.serverKey}`, 'x-pipit-instance': 'malformed-1' }
    for (const { name, bytes } of [...jsonFiles, ...listFiles]) {
      const { status, body } = await send(server, 'POST', '/sdk/v1/reports', bytes, headers)
      expect([name, status, body]).toEqual([
        name,
        400,
        expect.objectContaining({ type: 'error', code: 'bad-message', message: expect.stringMatching(/./) }),
      ])
    }
  })
})

describe('every file of the JSON test suite, from a page', () => {
  it('as a post is answered with a list of one error', async () => {
    for (const { name, bytes } of [...jsonFiles, ...listFiles]) {
      const { status, body } = await send(server, 'POST', '/sdk/v1/page', bytes, { 'content-type': 'text/plain' })
      // What is an object has no key in it.
      const code = status === 401 ? 'unauthorized' : 'bad-message'
      expect([name, status === 401 || status === 400, body]).toEqual([
        name,
        true,
        [expect.objectContaining({ type: 'error', code, retry: false, message: expect.stringMatching(/./) })],
      ])
    }
  })

  it('as a report, or an item of one, spares the reports around it', async () => {
    let seq = 0
    const head = { type: 'reports', key: server.webKey, instance: 'page-malformed', sdk: { name: 't', version: '1' } }
    const valid = [...jsonFiles, ...listFiles].flatMap(({ name, bytes }) => {
      // Seven times over it has to be less than a page may say.
      if (bytes.length > 30_000) return []
      try {
        return [{ name, value: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown }]
      } catch {
        return []
      }
    })
    expect(valid.length).toBeGreaterThan(20)
    for (const { name, value } of valid) {
      const strange = { items: { [JSON.stringify(value)]: value, '{"ok":true}': value, '{"event":"e"}': value } }
      const reports = [
        value,
        { seq: ++seq, ...strange, dropped: value },
        { seq: ++seq, items: value, dropped: value },
        { seq: ++seq, items: {} },
      ]
      const { status, body } = await send(server, 'POST', '/sdk/v1/page', JSON.stringify({ ...head, reports }), {
        'content-type': 'text/plain',
      })
      const answers = body as unknown as readonly { readonly type: string; readonly seq?: number }[]
      const acks = answers.filter(({ type }) => type === 'ack').map((ack) => ack.seq)
      expect([name, status, acks]).toEqual([name, 200, [seq - 2, seq - 1, seq]])
      // As items, and as counts, only the empty object is all right.
      const faults = JSON.stringify(value) === '{}' ? 2 : 3
      expect([name, answers.filter(({ type }) => type === 'error').length]).toEqual([name, faults])
    }
  })
})

describe('every naughty string', () => {
  it('in the path, the query or a header is answered with a 4xx', async () => {
    for (const text of naughtyStrings) {
      const encoded = encodeURIComponent(text.replace(/[\ud800-\udfff]/gu, '�'))
      if (encoded !== '' && encoded !== '.' && encoded !== '..') {
        for (const path of [`/rollouts/${encoded}`, `/cohorts/${encoded}`, `/metrics/${encoded}`]) {
          expectGoodRefusal(`${text} in ${path}`, await send(server, 'GET', `/api/v1${path}`, undefined))
        }
        expectGoodRefusal(text, await send(server, 'POST', `/api/v1/rollouts/${encoded}/start`, '{}'))
      }
      if (text !== '' && text !== 'production') {
        expectGoodRefusal(text, await send(server, 'GET', `/api/v1/rollouts?environment=${encoded}`, undefined))
        expectGoodRefusal(text, await send(server, 'GET', `/api/v1/rollouts?limit=x${encoded}`, undefined))
      }
      const header = text.replace(/[^\t\x20-\x7e\x80-\xff]/g, '?').trim()
      if (header === '') continue
      const stale = await send(server, 'POST', '/api/v1/rollouts/archived/pause', '{}', { 'if-match': `x${header}` })
      expectGoodRefusal(header, stale)
      expectGoodRefusal(header, await send(server, 'GET', '/api/v1/rollouts', undefined, { authorization: header }))
    }
  })

  it('as a key or a name is refused with its path', async () => {
    const before = await dump(server)
    for (const text of naughtyStrings) {
      if (/^[a-z0-9][a-z0-9._-]{0,63}$/.test(text)) continue
      for (const [path, body, field] of [
        ['/rollouts', { key: text, stages }, 'key'],
        ['/cohorts', { key: text, members: ['a'] }, 'key'],
        ['/metrics', { key: text, kind: 'conversion', event: 'x' }, 'key'],
        ['/environments', { name: text }, 'name'],
        ['/rollouts/running/complete', { winner: text === '' ? ' ' : text.slice(0, 60) }, 'winner'],
        ['/rollouts/running/override', { unit: 'u', variant: text === '' ? ' ' : text.slice(0, 60) }, 'variant'],
        ['/rollouts/running/dismiss', { metric: text.slice(0, 60), reason: 'r', for: '1h' }, 'metric'],
      ] as const) {
        const answer = await send(server, 'POST', `/api/v1${path}`, JSON.stringify(body))
        expectGoodRefusal(`${text} at ${path}`, answer)
        expect([path, text, answer.body.errors?.[0]?.path]).toEqual([path, text, field])
      }
    }
    expect(await dump(server)).toBe(before)
  })

  it('where any text may stand is kept to the letter', async () => {
    const members = [...new Set(naughtyStrings)].filter((text) => text.length > 0 && text.length <= 256)
    const made = await send(server, 'POST', '/api/v1/cohorts', JSON.stringify({ key: 'naughty', members }))
    expect(made.status).toBe(201)
    const { items } = (await server.api('GET', '/cohorts/naughty/members?limit=10000')).body as { items: string[] }
    expect(items.toSorted()).toEqual(members.toSorted())
    for (const text of naughtyStrings.slice(0, 200)) {
      const description = text.slice(0, 2000)
      const answer = await server.api('PATCH', '/rollouts/draft', {
        description,
        stages: [{ name: text.slice(0, 60) || 'x', weight: 100 }],
      })
      expect(answer).toMatchObject({ status: 200, body: { description } })
    }
  })
})

describe('afterwards', () => {
  it('the server is the same process, alive, and its log has nothing to say', async () => {
    expect(await (await fetch(`${server.url}/readyz`)).json()).toEqual({ status: 'ok' })
    expectQuietLog(server)
  })
})
