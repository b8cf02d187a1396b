import { createClientCore } from '@pipit/shared/client'
import { HttpResponse, http } from 'msw'
import { setupServer } from 'msw/node'
import { afterEach, describe, expect, it } from 'vitest'
import { rulesetMessage } from '../scripted-server.ts'
import { version } from '../version.ts'
import { nodeClock, nodeRandom } from './clock.ts'
import { request } from './http.ts'

const cleanUps: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

describe('http', () => {
  const url = 'http://control.example'

  it('asks for the ruleset and posts reports as the control plane expects them, where no socket opens', async () => {
    const asked: {
      method: string
      path: string
      key: string | null
      instance: string | null
      sdk: string | null
      labels: string | null
      body: string
    }[] = []
    const edge = setupServer(
      http.all(`${url}/sdk/v1/*`, async ({ request }) => {
        const { headers } = request
        asked.push({
          method: request.method,
          path: new URL(request.url).pathname,
          key: headers.get('authorization'),
          instance: headers.get('x-pipit-instance'),
          sdk: headers.get('x-pipit-sdk'),
          labels: headers.get('x-pipit-labels'),
          body: await request.text(),
        })
        if (request.method === 'POST') return HttpResponse.json({ type: 'ack', seq: 1 })
        return HttpResponse.text(rulesetMessage(), { headers: { etag: '"3"' } })
      }),
    )
    edge.listen()
    cleanUps.push(() => edge.close())
    const sdk = createClientCore(
      {
        sdk: { name: 'sdk-node', version },
        clock: nodeClock,
        random: nodeRandom,
        request,
        log: { warn: () => undefined },
      },
      { url, key: 'srv_x', rollout: 'checkout', labels: { region: 'Zürich' } },
    )
    cleanUps.push(() => sdk.close({ timeoutMs: 0 }))
    expect(await sdk.ready({ timeoutMs: 10_000 })).toBe(true)
    sdk.outcome(sdk.decide('user-1'), { ok: true })
    expect(await sdk.flush({ timeoutMs: 10_000 })).toBe(true)
    const [first, report] = asked
    expect(first).toMatchObject({
      method: 'GET',
      path: '/sdk/v1/ruleset',
      key: 'Bearer srv_x',
      sdk: `sdk-node/${version}`,
      labels: '%7B%22region%22%3A%22Z%C3%BCrich%22%7D',
    })
    expect(report).toMatchObject({ method: 'POST', path: '/sdk/v1/reports', instance: first?.instance })
    expect(JSON.parse(report?.body ?? '')).toMatchObject({
      type: 'report',
      seq: 1,
      outcomes: [{ rollout: 'checkout' }],
    })
  })

  it('brings status, etag and body, and rejects where nobody answers', async () => {
    const edge = setupServer(
      http.get(`${url}/there`, () => HttpResponse.text('body', { headers: { etag: '"7"', 'retry-after': '2' } })),
    )
    edge.listen()
    cleanUps.push(() => edge.close())
    expect(await request({ method: 'GET', url: `${url}/there`, headers: {}, timeoutMs: 5000 })).toEqual({
      status: 200,
      etag: '"7"',
      body: 'body',
      retryAfterMs: 2000,
    })
    await expect(request({ method: 'GET', url: 'http://127.0.0.1:9/', headers: {}, timeoutMs: 5000 })).rejects.toThrow()
  })
})
