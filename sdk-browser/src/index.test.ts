import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { PagePost } from '@pipit/shared/protocol'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocketServer } from 'ws'
import { createClient } from './index.ts'
import { version } from './version.ts'

const ruleset = {
  version: 3,
  rollouts: {
    shop: {
      ...{ phase: 'running', salt: '0123456789abcdef', hash: 1, epoch: 1, weight: 100, events: ['purchase'] },
      canary: 'canary',
    },
  },
}

let stop = (): void => {}
afterEach(() => {
  stop()
  Reflect.deleteProperty(globalThis, 'document')
})

/** Greets every page and takes its reports, over real sockets. */
async function startServer() {
  const protocols: string[] = []
  const posts: PagePost[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const post = JSON.parse(body) as PagePost
    posts.push(post)
    response.end(JSON.stringify((post.reports ?? []).map(({ seq }) => ({ type: 'ack', seq }))))
  })
  const sockets = new WebSocketServer({
    server,
    handleProtocols: (offered) => {
      protocols.push(...offered)
      return 'pipit.v1'
    },
  })
  sockets.on('connection', (socket) => {
    socket.on('message', (data) => {
      if (JSON.parse(String(data)).type === 'hello')
        socket.send(JSON.stringify({ type: 'ruleset', ruleset, flushMs: 50, heartbeatMs: 15_000 }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stop = () => {
    for (const socket of sockets.clients) socket.terminate()
    server.close()
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, protocols, posts }
}

/** As much of a page as Node lacks. */
function becomeAPage(): void {
  const target = new EventTarget()
  const { addEventListener, removeEventListener } = EventTarget.prototype
  Object.assign(globalThis, {
    document: { hidden: false },
    addEventListener: addEventListener.bind(target),
    removeEventListener: removeEventListener.bind(target),
  })
}

describe('createClient', () => {
  it('talks to a server over a real socket, with the key as a subprotocol', async () => {
    becomeAPage()
    const { url, protocols, posts } = await startServer()
    const sdk = createClient({ url, key: 'web_k', rollout: 'shop', user: { id: 'ada' }, storage: false })
    expect(await sdk.ready()).toBe(true)
    expect(protocols).toEqual(['pipit.v1', 'key.web_k'])
    expect(sdk.variant()).toBe('canary')
    sdk.track(undefined, 'purchase', { value: 3 })
    expect(await sdk.flush()).toBe(true)
    expect(posts).toMatchObject([{ type: 'reports', key: 'web_k', reports: [{ seq: 1, user: { id: 'ada' } }] }])
    const items = Object.keys(posts[0]?.reports?.[0]?.items ?? {}).map((item) => JSON.parse(item))
    expect(items).toMatchObject([
      { rollout: 'shop', variant: 'canary' },
      { event: 'purchase', value: 3 },
    ])
    await sdk.close()
    expect(sdk.status().connected).toBe(false)
  })

  it.each([
    ['an address that is none', { url: 'pipit.test', key: 'web_k' }],
    ['a missing key', { url: 'https://pipit.test', key: '' }],
    ['nothing', {}],
  ])('refuses %s at once', (_, options) => {
    expect(() => createClient(options as never)).toThrow(TypeError)
  })

  it('knows the rollouts that the program tells it', () => {
    interface Rollouts {
      shop: { variant: 'stable' | 'canary'; payload: { color: string } | undefined }
    }
    const address = { url: 'http://127.0.0.1:1', key: 'web_k', storage: false } as const
    const sdk = createClient<Rollouts, 'shop'>({ ...address, rollout: 'shop' })
    const chosen: 'stable' | 'canary' = sdk.variant()
    const color: string | undefined = sdk.decide('ada').payload?.color
    expect([chosen, color, sdk.status().transport]).toEqual(['stable', undefined, 'none'])
    // @ts-expect-error there is no such rollout
    expect(sdk.variant('ada', 'shopp')).toBe('stable')
    const every = createClient<Rollouts>(address)
    // @ts-expect-error without a rollout nobody knows which is meant
    expect(every.variant('ada')).toBe('stable')
  })

  it('is of the version that its package says', () => {
    const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
    expect(JSON.parse(text).version).toBe(version)
  })
})
