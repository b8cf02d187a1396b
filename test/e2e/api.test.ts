/** The REST API as programs meet it: a real process, real HTTP, a real database. */
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

describe('a rollout', () => {
  it('is made from JSON, read with every default filled in, and started', async () => {
    const { key } = await makeRollout({
      guards: [{ metric: 'error_rate', worseThan: { relative: 1.5 }, action: 'revert' }],
    })
    expect(await server.api('GET', `/rollouts/${key}`)).toMatchObject({
      status: 200,
      body: { definition: { key, revertTo: 'zero', stages: [{ name: 'quarter', hold: '1h', minUnits: 30 }, {}] } },
    })
    expect(await server.api('POST', `/rollouts/${key}/start`, { reason: 'let us see' })).toMatchObject({
      status: 200,
      body: { phase: 'running', stage: 'quarter', weight: 25, epoch: 1 },
    })
    const history = await server.api('GET', `/rollouts/${key}/history`)
    expect(history.body).toMatchObject({ items: [{ event: 'start', reason: 'let us see' }, {}] })
  })

  it('is made from YAML as it stands in a repository', async () => {
    const key = freshKey('yaml')
    const file = `# ours\nkey: ${key}\nstages:\n  - { name: half, weight: 50, hold: 1h }\n  - { name: full, weight: 100 }\n`
    const answer = await server.api('POST', '/rollouts', file, { 'content-type': 'application/yaml' })
    expect(answer).toMatchObject({ status: 201, body: { key, stages: [{ name: 'half', weight: 50 }, {}] } })
  })

  it('is edited field by field, also while it runs', async () => {
    const { key } = await makeRollout({ description: 'before' })
    await server.api('POST', `/rollouts/${key}/start`)
    const edited = await server.api('PATCH', `/rollouts/${key}`, {
      description: null,
      stages: [
        { name: 'quarter', weight: 30, hold: '1h' },
        { name: 'full', weight: 100 },
      ],
    })
    expect(edited).toMatchObject({ status: 200, body: { phase: 'running', weight: 30, epoch: 2 } })
    expect(edited.body).not.toHaveProperty('description')
  })

  it('obeys every command', async () => {
    const { key } = await makeRollout()
    const command = async (name: string, body?: object) => {
      const answer = await server.api('POST', `/rollouts/${key}/${name}`, body)
      return [answer.status, (answer.body as { phase?: string }).phase]
    }
    expect(await command('start', { at: Date.now() + 3_600_000 })).toEqual([200, 'scheduled'])
    expect(await command('start')).toEqual([200, 'running'])
    expect(await command('pause')).toEqual([200, 'paused'])
    expect(await command('set-weight', { weight: 12.5 })).toEqual([200, 'paused'])
    expect(await command('resume')).toEqual([200, 'running'])
    expect(await command('override', { unit: 'user-1', variant: 'canary' })).toEqual([200, 'running'])
    expect(await command('override', { unit: 'user-1', variant: null })).toEqual([200, 'running'])
    expect(await command('revert', { reason: 'enough' })).toEqual([200, 'reverted'])
    expect(await command('restart', { people: 'fresh' })).toEqual([200, 'running'])
    expect(await command('complete')).toEqual([200, 'succeeded'])
    expect(await command('archive')).toEqual([200, 'archived'])
    expect(await command('start')).toEqual([409, undefined])
  })

  it('is removed once archived, and not before', async () => {
    const { key } = await makeRollout()
    await server.api('POST', `/rollouts/${key}/start`)
    expect(await server.api('DELETE', `/rollouts/${key}`)).toMatchObject({ status: 409 })
    await server.api('POST', `/rollouts/${key}/revert`)
    await server.api('POST', `/rollouts/${key}/archive`)
    expect(await server.api('DELETE', `/rollouts/${key}`)).toMatchObject({ status: 204 })
    expect(await server.api('GET', `/rollouts/${key}`)).toMatchObject({ status: 404, body: { code: 'not-found' } })
  })
})

describe('two people at once', () => {
  it('are kept apart by the version: the slower one is told both', async () => {
    const { key, version } = await makeRollout()
    const first = await server.api('PATCH', `/rollouts/${key}`, { description: 'hers', version })
    expect(first.status).toBe(200)
    const second = await server.api('PATCH', `/rollouts/${key}`, { description: 'his', version })
    const current = (first.body as { version: number }).version
    expect(second).toMatchObject({ status: 409, body: { code: 'stale-version', given: version, current } })
    expect(await server.api('GET', `/rollouts/${key}`)).toMatchObject({ body: { description: 'hers' } })
  })

  it('may name the version by If-Match, as the ETag told it', async () => {
    const { key } = await makeRollout()
    const etag = (await server.api('GET', `/rollouts/${key}`)).headers.get('etag') ?? ''
    expect((await server.api('POST', `/rollouts/${key}/start`, {}, { 'if-match': etag })).status).toBe(200)
    const stale = await server.api('POST', `/rollouts/${key}/revert`, {}, { 'if-match': etag })
    expect(stale).toMatchObject({ status: 409, body: { code: 'stale-version' } })
  })
})

describe('Idempotency-Key', () => {
  it('makes a change safe to repeat: the second answer is the first', async () => {
    const { key } = await makeRollout()
    await server.api('POST', `/rollouts/${key}/start`)
    const once = { 'idempotency-key': freshKey('once') }
    const first = await server.api('POST', `/rollouts/${key}/advance`, { reason: 'go' }, once)
    const again = await server.api('POST', `/rollouts/${key}/advance`, { reason: 'go' }, once)
    expect(again.status).toBe(first.status)
    expect(again.body).toEqual(first.body)
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    expect(await server.api('GET', `/rollouts/${key}`)).toMatchObject({ body: { stage: 'full' } })
  })

  it('of another request is refused', async () => {
    const { key } = await makeRollout()
    const once = { 'idempotency-key': freshKey('once') }
    await server.api('PATCH', `/rollouts/${key}`, { description: 'one' }, once)
    expect(await server.api('PATCH', `/rollouts/${key}`, { description: 'two' }, once)).toMatchObject({
      status: 422,
      body: { code: 'idempotency-mismatch' },
    })
  })

  it('lets one of two requests at the same time do it', async () => {
    const once = { 'idempotency-key': freshKey('once') }
    const body = { key: freshKey('twice'), stages }
    const answers = await Promise.all([1, 2, 3].map(() => server.api('POST', '/rollouts', body, once)))
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201])
  })

  it('does not keep the secret of a new key', async () => {
    const once = { 'idempotency-key': freshKey('once') }
    const body = { kind: 'srv', name: 'shop' }
    const first = await server.api('POST', '/keys', body, once)
    const again = await server.api('POST', '/keys', body, once)
    expect(first.body).toMatchObject({ secret: expect.stringMatching(/^srv_/) })
    const { secret: _shown, ...rest } = first.body as { secret: string }
    expect(again.body).toEqual(rest)
  })
})

describe('cohorts and metrics', () => {
  it('are made, replaced, given members, and removed', async () => {
    const key = freshKey('cohort')
    expect(await server.api('POST', '/cohorts', { key, when: { plan: 'beta' } })).toMatchObject({ status: 201 })
    expect(await server.api('POST', '/cohorts', { key, when: { plan: 'beta' } })).toMatchObject({
      status: 409,
      body: { code: 'exists' },
    })
    expect(await server.api('POST', `/cohorts/${key}/members`, { members: ['a', 'b', 'a'] })).toMatchObject({
      status: 200,
      body: { memberCount: 2 },
    })
    expect(await server.api('DELETE', `/cohorts/${key}/members`, { members: ['b'] })).toMatchObject({
      body: { memberCount: 1 },
    })
    expect(await server.api('GET', `/cohorts/${key}`)).toMatchObject({
      body: { when: { plan: 'beta' }, memberCount: 1 },
    })
    expect(await server.api('PUT', `/cohorts/${key}`, { members: ['z', 'y', 'x'] })).toMatchObject({
      status: 200,
      body: { memberCount: 3 },
    })
    const put = await server.api('PUT', `/cohorts/${key}`, { when: { plan: 'pro' } })
    expect(put).toMatchObject({ status: 200, body: { when: { plan: 'pro' }, memberCount: 3 } })
    expect(await server.api('PUT', `/cohorts/${key}`, {})).toMatchObject({ status: 422, body: { code: 'invalid' } })
    const bare = await server.api('PUT', `/cohorts/${key}`, { key })
    expect(bare).toMatchObject({ status: 200, body: { memberCount: 3 } })
    expect(bare.body).not.toHaveProperty('when')
    const page = async (query: string) => (await server.api('GET', `/cohorts/${key}/members${query}`)).body
    expect(await page('')).toEqual({ items: ['x', 'y', 'z'] })
    expect(await page('?limit=2')).toEqual({ items: ['x', 'y'], next: 'y' })
    expect(await page('?limit=2&after=y')).toEqual({ items: ['z'] })
    expect(await server.api('GET', '/cohorts/nobody-made-this/members')).toMatchObject({ status: 404 })
    expect(await server.api('DELETE', `/cohorts/${key}`)).toMatchObject({ status: 204 })
  })

  it('are not removed while a rollout uses them', async () => {
    const cohort = freshKey('cohort')
    await server.api('POST', '/cohorts', { key: cohort, when: { plan: 'beta' } })
    const { key } = await makeRollout({ rules: [{ name: 'beta', cohort, serve: 'canary' }] })
    const refused = await server.api('DELETE', `/cohorts/${cohort}`)
    expect(refused).toMatchObject({ status: 409, body: { code: 'in-use', detail: expect.stringContaining(key) } })
  })

  it('of an environment are there for its rollouts', async () => {
    const metric = freshKey('metric')
    expect(
      await server.api('POST', '/metrics', { key: metric, kind: 'conversion', event: 'signup', window: '2h' }),
    ).toMatchObject({
      status: 201,
      body: { window: '2h' },
    })
    await makeRollout({ guards: [{ metric, worseThan: { relative: 0.9 }, action: 'alert' }] })
    expect(await server.api('PUT', `/metrics/${metric}`, { kind: 'conversion', event: 'signup2' })).toMatchObject({
      body: { event: 'signup2', window: '7d' },
    })
    expect(await server.api('DELETE', `/metrics/${metric}`)).toMatchObject({ status: 409, body: { code: 'in-use' } })
  })
})

describe('who takes part', () => {
  it('is told by holdback, prerequisites and layers, from the definition to the decision', async () => {
    const base = await makeRollout()
    const next = await makeRollout({ prerequisites: [{ rollout: base.key, variant: 'canary' }] })
    const layered = await makeRollout({ layer: { name: 'search', from: 0, to: 40 } })
    const taken = await server.api('POST', '/rollouts', {
      key: freshKey('r'),
      stages,
      layer: { name: 'search', from: 30, to: 50 },
    })
    expect(taken).toMatchObject({
      status: 422,
      body: { code: 'invalid', errors: [{ path: 'layer', message: expect.stringMatching(/free: 40 to 100 %/) }] },
    })
    const circle = await server.api('PATCH', `/rollouts/${base.key}`, { prerequisites: [{ rollout: next.key }] })
    expect(circle).toMatchObject({
      status: 422,
      body: { errors: [{ path: 'prerequisites', message: expect.stringMatching(/circle/) }] },
    })
    for (const { key } of [base, next, layered]) await server.api('POST', `/rollouts/${key}/start`)
    const reasons = async (key: string) => {
      const found: { [reason: string]: number } = {}
      for (let i = 0; i < 40; i++) {
        const { body } = await server.api('POST', `/rollouts/${key}/decide`, { user: `user-${i}` })
        const { reason } = body as { reason: string }
        found[reason] = (found[reason] ?? 0) + 1
      }
      return found
    }
    expect(Object.keys(await reasons(next.key)).toSorted()).toEqual(['prerequisite', 'split'])
    expect(Object.keys(await reasons(layered.key)).toSorted()).toEqual(['layer', 'split'])
    expect(await server.api('PATCH', '/environments/production', { holdback: 100 })).toMatchObject({
      status: 200,
      body: { holdback: 100 },
    })
    expect(await reasons(base.key)).toEqual({ holdback: 40 })
    expect(await server.api('PATCH', '/environments/production', { holdback: 0 })).toMatchObject({ status: 200 })
    expect(await server.api('POST', `/rollouts/${base.key}/revert`)).toMatchObject({ status: 200 })
    expect(await server.api('POST', `/rollouts/${base.key}/archive`)).toMatchObject({
      status: 409,
      body: { code: 'in-use' },
    })
  })

  it('is told before a change is made', async () => {
    const { key } = await makeRollout()
    await server.api('POST', `/rollouts/${key}/start`)
    const preview = (body: object) => server.api('POST', `/rollouts/${key}/preview`, body)
    const arms = { changes: { variants: [{ name: 'stable' }, { name: 'canary' }, { name: 'b' }] } }
    expect(await preview(arms)).toMatchObject({
      status: 200,
      body: { newEpoch: true, moves: [{ from: 'canary', to: 'b', share: 12.5 }] },
    })
    expect(await preview({ command: 'revert' })).toMatchObject({
      body: { moves: [{ from: 'canary', to: 'stable', share: 25 }] },
    })
    expect(await preview({ changes: { unit: 7 } })).toMatchObject({ status: 422 })
    expect(await preview({ command: 'fly' })).toMatchObject({ status: 422 })
    expect(await server.api('GET', `/rollouts/${key}`)).toMatchObject({ body: { version: 2, weight: 25 } })
  })
})
