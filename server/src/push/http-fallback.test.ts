import { createFakeClock } from '@pipit/shared/testing'
import { describe, expect, it } from 'vitest'
import { instanceFault, readLabels, reportResponse, rulesetResponse } from './http-fallback.ts'
import { hubOf, rulesetOf, seated } from './hub-fixture.ts'

const request = { environment: 'production', keyId: 'k1', instance: 'http-instance', sdk: 'sdk-node/0.1.0' }

describe('SDKs without sockets', () => {
  it('get the ruleset once per version', async () => {
    const { hub, publish } = hubOf()
    const first = await rulesetResponse(hub, request, undefined)
    expect(first).toMatchObject({ status: 200 })
    expect(JSON.parse(first.body)).toMatchObject({ type: 'ruleset', ruleset: { version: 1 } })
    expect(await rulesetResponse(hub, request, first.etag)).toEqual({ status: 304, etag: first.etag, body: '' })
    await publish(rulesetOf(2, 25))
    expect((await rulesetResponse(hub, request, first.etag)).status).toBe(200)
    expect(hub.instances('production')).toMatchObject([
      { instance: 'http-instance', transport: 'http', appliedVersion: 1, sdk: { name: 'sdk-node', version: '0.1.0' } },
    ])
  })

  it('do not take the version of another database for the same', async () => {
    const one = hubOf()
    const other = hubOf({ projectRuleset: async () => ({ ...rulesetOf(1, 5), unitSalt: 'another' }) })
    const { etag } = await rulesetResponse(one.hub, request, undefined)
    expect((await rulesetResponse(other.hub, request, etag)).status).toBe(200)
  })

  it('give their receipt with the next poll', async () => {
    const { hub, publish } = hubOf()
    await rulesetResponse(hub, request, undefined)
    await publish(rulesetOf(2, 25))
    const { etag } = await rulesetResponse(hub, request, undefined)
    expect(hub.convergence('production')[0]).toMatchObject({
      version: 2,
      applied: 0,
      behind: [{ instance: 'http-instance' }],
    })
    await rulesetResponse(hub, request, etag)
    expect(hub.convergence('production')[0]).toMatchObject({ version: 2, instances: 1, applied: 1, behind: [] })
  })

  it('are gone a minute after they were heard last, and then named as not reached', async () => {
    const clock = createFakeClock()
    const { hub, publish } = hubOf({ clock })
    await rulesetResponse(hub, request, undefined)
    await publish(rulesetOf(2, 25))
    await clock.advance(90_000)
    expect(hub.instances('production')).toEqual([])
    expect(hub.convergence('production')[0]).toMatchObject({
      behind: [],
      unreached: [{ instance: 'http-instance' }],
    })
  })

  it('count once when a socket opens after all', async () => {
    const { hub } = hubOf()
    await rulesetResponse(hub, request, undefined)
    const { leave } = await seated(hub, request.instance)
    await rulesetResponse(hub, request, undefined)
    expect(hub.instances('production')).toMatchObject([{ instance: 'http-instance', transport: 'socket' }])
    leave()
    expect(hub.instances('production')).toEqual([])
  })

  it('are remembered up to a bound', async () => {
    const { hub } = hubOf({ limits: { maxHttpInstances: 2 } })
    for (const instance of ['instance-a', 'instance-b', 'instance-c', 'instance-a'])
      expect((await rulesetResponse(hub, { ...request, instance }, undefined)).status).toBe(200)
    expect(hub.instances('production').map((view) => view.instance)).toEqual(['instance-a', 'instance-b'])
    expect(hub.counters()).toMatchObject({ unknown_http_instances: 1 })
  })

  it('are answered as over the socket', async () => {
    const { hub, taken } = hubOf()
    expect(await reportResponse(hub, request, '{"type":"report","seq":1}')).toEqual({
      status: 200,
      body: '{"type":"ack","seq":1}',
    })
    expect(await reportResponse(hub, request, '{"type":"report","seq":0}')).toMatchObject({ status: 400 })
    expect(await reportResponse(hub, request, '{"type":"ping"}')).toMatchObject({ status: 400 })
    expect(taken).toEqual([1])
  })

  it('are asked to come again when a report cannot be stored', async () => {
    const { hub } = hubOf({ ingest: { submit: () => Promise.reject(new Error('disk full')) } })
    const answer = await reportResponse(hub, request, '{"type":"report","seq":7}')
    expect(answer.status).toBe(503)
    expect(JSON.parse(answer.body)).toMatchObject({ type: 'error', code: 'unavailable', retry: true, seq: 7 })
  })

  it('tell of their breakers', async () => {
    const { hub } = hubOf()
    const tally = { n: 10, failed: 5 }
    const report = { type: 'report', seq: 1, breakers: [{ rollout: 'r', epoch: 1, canary: tally, stable: tally }] }
    await reportResponse(hub, request, JSON.stringify(report))
    expect(hub.breakers('production', 'r')).toEqual({ open: 1, instances: 1 })
  })
})

it('an instance id is 8 to 64 plain characters', () => {
  expect(instanceFault('abcdefgh')).toBeUndefined()
  expect(instanceFault(undefined)).toContain('x-pipit-instance')
  expect(instanceFault('short')).toContain('8 to 64')
  expect(instanceFault('a b c d e f')).toContain('8 to 64')
})

describe('labels in a header', () => {
  const header = (labels: unknown): string => encodeURIComponent(JSON.stringify(labels))

  it('are those of the greeting on a socket', async () => {
    const { hub, reports } = hubOf()
    const labels = { region: 'eu', Ort: 'Zürich' }
    expect(readLabels(header(labels))).toEqual({ labels })
    await rulesetResponse(hub, { ...request, labels }, undefined)
    await reportResponse(hub, { ...request, labels }, '{"type":"report","seq":1}')
    expect(hub.instances('production')).toMatchObject([{ labels }])
    expect(reports[0]?.instance).toEqual({ id: 'http-instance', sdk: 'sdk-node@0.1.0', labels })
  })

  it.each([
    ['no JSON', '%7Bregion', 'x-pipit-labels is not URI-encoded JSON'],
    ['a broken escape', '%E0%A4%A', 'x-pipit-labels is not URI-encoded JSON'],
    ['a list', header([1]), expect.stringMatching(/^x-pipit-labels is refused: /)],
    ['a number as value', header({ region: 7 }), expect.stringMatching(/^x-pipit-labels is refused: /)],
    [
      'too many',
      header(Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`l${i}`, '']))),
      expect.stringMatching(/at most 16/),
    ],
    ['too long', header({ region: 'x'.repeat(5000) }), expect.stringMatching(/at most 4096 are taken$/)],
  ])('are refused where they are %s', (_name, text, fault) => {
    expect(readLabels(text)).toEqual({ fault })
  })
})
