/** What of the HTTP side is for machines: the live stream, health, OpenAPI, the SDK routes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer

beforeAll(async () => {
  server = await startServer()
})
afterAll(async () => {
  await server.stop()
})

const stages = [
  { name: 'quarter', weight: 25, hold: '1h' },
  { name: 'full', weight: 100 },
]
let serial = 0
const freshKey = (what: string): string => `${what}-${++serial}`

async function makeRollout(more: object = {}): Promise<{ key: string; version: number }> {
  const key = freshKey('rollout')
  const answer = await server.api('POST', '/rollouts', { key, stages, ...more })
  expect(answer).toMatchObject({ status: 201, body: { key, phase: 'draft', weight: 0 } })
  return { key, version: (answer.body as { version: number }).version }
}

describe('the live stream', () => {
  it('shows every rollout first and then what changes', async () => {
    const { key } = await makeRollout()
    const abort = new AbortController()
    const response = await fetch(`${server.url}/api/v1/events`, {
      headers: { authorization: `Bearer ${server.token}` },
      signal: abort.signal,
    })
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    let text = ''
    let started = false
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString()
      if (!started && text.includes('event: ready')) {
        started = true
        expect(text).toContain(`"key":"${key}"`)
        text = ''
        await server.api('POST', `/rollouts/${key}/start`)
      }
      if (started && text.includes('"phase":"running"')) break
    }
    abort.abort()
    expect(text).toContain(`"key":"${key}"`)
  })
})

describe('for machines', () => {
  it('says that it is alive and ready, and counts', async () => {
    await makeRollout()
    const get = async (path: string) => await (await fetch(`${server.url}${path}`)).text()
    expect(await get('/healthz')).toBe('{"status":"ok"}')
    expect(await get('/readyz')).toBe('{"status":"ok"}')
    const metrics = await get('/metrics')
    expect(metrics).toMatch(/^pipit_evidence_age_ms\{environment="production"\} \d+$/m)
    expect(metrics).toMatch(/^pipit_ingest_failing_ms 0$/m)
    expect(metrics).toMatch(/^pipit_http_requests_total\{method="GET",status="2xx"\} \d+$/m)
    expect(metrics).toMatch(/^pipit_rollouts\{environment="production",phase="draft"\} \d+$/m)
  })

  it('describes itself in OpenAPI 3.1, with every path that is served', async () => {
    const document = (await (await fetch(`${server.url}/api/v1/openapi.json`)).json()) as {
      openapi: string
      paths: Record<string, object>
      components: { schemas: Record<string, object> }
    }
    expect(document.openapi).toBe('3.1.0')
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining([
        '/api/v1/rollouts',
        '/api/v1/rollouts/{key}/set-weight',
        '/api/v1/events',
        '/api/v1/plan',
        '/api/v1/cohorts/{key}/members',
      ]),
    )
    expect(Object.keys(document.components.schemas)).toEqual(
      expect.arrayContaining(['RolloutInput', 'Problem', 'Rollout']),
    )
    expect(document.components.schemas.RolloutInput).toMatchObject({
      properties: { payloadSchema: { type: 'object', description: expect.stringContaining('draft 2020-12') } },
    })
  })

  it('refuses an unknown path, an unknown method and an unknown content type in the same form', async () => {
    expect(await server.api('GET', '/nothing')).toMatchObject({ status: 404, body: { code: 'no-such-route' } })
    const wrongMethod = await server.api('PUT', '/rollouts', {})
    expect(wrongMethod).toMatchObject({ status: 405, body: { code: 'method-not-allowed' } })
    expect(wrongMethod.headers.get('allow')).toBe('GET, HEAD, POST')
    expect(await server.api('POST', '/cohorts', 'key: x', { 'content-type': 'application/yaml' })).toMatchObject({
      status: 415,
      body: { code: 'unsupported-media-type' },
    })
    for (const path of ['/webhooks', '/windows']) {
      expect((await server.api('POST', path, {})).status).toBe(404)
    }
  })

  it('hardens every answer', async () => {
    const response = await fetch(`${server.url}/`)
    expect(response.headers.get('content-security-policy')).toMatch(/default-src 'none'; script-src 'self'/)
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    expect(response.headers.get('access-control-allow-origin')).toBeNull()
  })
})

describe('an SDK without a socket', () => {
  const headers = { authorization: 'Bearer srv_test_0123456789abcdefghij', 'x-pipit-instance': 'test-instance-1' }

  it('gets the ruleset once, and nothing again while it holds', async () => {
    const { key } = await makeRollout()
    await server.api('POST', `/rollouts/${key}/start`)
    await expect
      .poll(async () => await (await fetch(`${server.url}/sdk/v1/ruleset`, { headers })).text())
      .toContain(`"${key}":{"phase":"running"`)
    const first = await fetch(`${server.url}/sdk/v1/ruleset`, { headers })
    const etag = first.headers.get('etag') ?? ''
    const again = await fetch(`${server.url}/sdk/v1/ruleset`, { headers: { ...headers, 'if-none-match': etag } })
    expect([first.status, again.status]).toEqual([200, 304])
  })

  it('sends reports and is told what it can understand', async () => {
    const post = async (body: string, more: object = {}) => {
      const response = await fetch(`${server.url}/sdk/v1/reports`, {
        method: 'POST',
        headers: { ...headers, ...more },
        body,
      })
      return { status: response.status, body: await response.json() }
    }
    expect(await post('{"type":"report","seq":1}')).toEqual({ status: 200, body: { type: 'ack', seq: 1 } })
    expect(await post('{"type":"report","seq":1}')).toEqual({ status: 200, body: { type: 'ack', seq: 1 } })
    expect(await post('{"type":"report","seq":0}')).toMatchObject({
      status: 400,
      body: { type: 'error', code: 'bad-report', path: 'seq' },
    })
    expect(await post('{', {})).toMatchObject({ status: 400, body: { code: 'bad-message' } })
    expect(await post('{"type":"report","seq":1}', { authorization: `Bearer ${server.webKey}` })).toMatchObject({
      status: 403,
      body: { code: 'unauthorized', message: expect.stringContaining('POST /sdk/v1/page') },
    })
    expect(await post('{}', { authorization: 'Bearer srv_nobody_0123456789' })).toMatchObject({
      status: 401,
      body: { code: 'unauthorized' },
    })
    expect(await post('{}', { 'x-pipit-instance': '!' })).toMatchObject({
      status: 400,
      body: { path: 'x-pipit-instance' },
    })
  })
})
