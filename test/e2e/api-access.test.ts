/** Who may do what through the REST API, where, and what is recorded of it. */
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

async function makeToken(role: string): Promise<{ id: string; headers: { authorization: string } }> {
  const answer = await server.api('POST', '/keys', { kind: 'adm', role, name: freshKey(role) })
  const { id, secret } = answer.body as { id: string; secret: string }
  return { id, headers: { authorization: `Bearer ${secret}` } }
}

describe('who may do what', () => {
  it('goes from viewer over operator and editor to admin', async () => {
    const { key } = await makeRollout()
    const attempts = [
      ['GET', '/rollouts', undefined],
      ['POST', `/rollouts/${key}/start`, {}],
      ['POST', '/cohorts', () => ({ key: freshKey('cohort'), members: ['a'] })],
      ['POST', '/environments', () => ({ name: freshKey('env') })],
    ] as const
    for (const [role, allowed] of [
      ['viewer', 1],
      ['operator', 2],
      ['editor', 3],
      ['admin', 4],
    ] as const) {
      const { headers } = await makeToken(role)
      for (const [i, [method, path, body]] of attempts.entries()) {
        const { status } = await server.api(method, path, typeof body === 'function' ? body() : body, headers)
        expect([role, path, status === 403]).toEqual([role, path, i >= allowed])
      }
    }
  })

  it('ends with a revoked token at once', async () => {
    const { id, headers } = await makeToken('viewer')
    expect((await server.api('GET', '/me', undefined, headers)).status).toBe(200)
    expect((await server.api('DELETE', `/keys/${id}`)).status).toBe(204)
    expect(await server.api('GET', '/me', undefined, headers)).toMatchObject({
      status: 401,
      body: { code: 'unauthorized' },
    })
  })

  it.each([
    ['no token', {}],
    ['an unknown token', { authorization: 'Bearer adm_0123456789abcdefghijk' }],
    ['another scheme', { authorization: 'Basic YTpi' }],
    ['an SDK key', { authorization: 'Bearer srv_test_0123456789abcdefghij' }],
  ])('is nothing for %s', async (_what, headers) => {
    const response = await fetch(`${server.url}/api/v1/rollouts`, { headers })
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toContain('Bearer')
    expect(response.headers.get('content-type')).toBe('application/problem+json')
  })

  it('never shows a hash or a secret in the list of keys', async () => {
    const text = JSON.stringify((await server.api('GET', '/keys')).body)
    expect(text).toContain('"hint"')
    expect(text).not.toMatch(/"hash"|"secret"/)
  })
})

describe('environments', () => {
  it('are worlds of their own', async () => {
    const name = freshKey('staging')
    await server.api('POST', '/environments', { name })
    const { key } = await makeRollout()
    expect(await server.api('GET', `/rollouts?environment=${name}`)).toMatchObject({ status: 200, body: { items: [] } })
    expect(await server.api('GET', `/rollouts/${key}?environment=${name}`)).toMatchObject({ status: 404 })
    expect(await server.api('POST', `/rollouts?environment=${name}`, { key, stages })).toMatchObject({ status: 201 })
  })

  it('that do not exist are a 404 that names those that do', async () => {
    expect(await server.api('GET', '/rollouts?environment=prodution')).toMatchObject({
      status: 404,
      body: { code: 'unknown-environment', detail: expect.stringContaining('production') },
    })
  })

  it('are never guessed from a misspelt query', async () => {
    expect(await server.api('GET', '/rollouts?enviroment=staging')).toMatchObject({
      status: 400,
      body: { code: 'bad-query', errors: [{ path: 'enviroment', message: expect.stringContaining('environment') }] },
    })
  })
})

describe('what is recorded', () => {
  it('is in the audit log with who, why and the difference', async () => {
    const { key } = await makeRollout()
    await server.api('POST', `/rollouts/${key}/start`, { reason: 'release 7' })
    const audit = await server.api('GET', `/audit?target=rollout:${key}`)
    expect(audit.body).toMatchObject({ items: [{ reason: 'release 7', actor: { kind: 'person', name: 'admin' } }, {}] })
  })

  it('is paged', async () => {
    for (let i = 0; i < 3; i++) await makeRollout()
    const first = await server.api('GET', '/rollouts?limit=2')
    const { items, next } = first.body as { items: { key: string }[]; next: string }
    expect(items).toHaveLength(2)
    const second = await server.api('GET', `/rollouts?limit=2&after=${next}`)
    expect((second.body as typeof first.body & { items: { key: string }[] }).items[0]?.key).not.toBe(items[1]?.key)
  })
})
