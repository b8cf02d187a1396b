import { type Context, Hono } from 'hono'
import { afterEach, describe, expect, it } from 'vitest'
import { type PipitVariables, pipit } from './hono.ts'
import { type Client, createClient, type Decision } from './index.ts'
import { startScriptedServer, tally } from './scripted-server.ts'

const cleanUps: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function setup() {
  const server = await startScriptedServer()
  const sdk = createClient({ url: server.url, key: 'srv_x', rollout: 'checkout', cacheDir: false })
  cleanUps.push(server.stop, () => sdk.close({ timeoutMs: 0 }))
  await sdk.ready({ timeoutMs: 10_000 })
  const app = new Hono<{ Variables: PipitVariables }>()
  app.use(pipit(sdk, { user: (c) => c.req.header('x-user') }))
  return {
    sdk,
    app,
    /** What was reported until now: [ok, failed] of an arm. */
    async reported(rollout: string, variant: string): Promise<[number, number]> {
      await sdk.flush({ timeoutMs: 10_000 })
      return tally(server.reports, rollout, variant)
    },
    events: async () => {
      await sdk.flush({ timeoutMs: 10_000 })
      return server.reports.flatMap(({ events = [] }) => events.map(({ event }) => event))
    },
  }
}

const asUser = { headers: { 'x-user': 'user-1' } }

describe('the middleware of Hono', () => {
  it('decides for the request’s user, and reports how the request went', async () => {
    const { app, reported } = await setup()
    app.get('/', (c) => c.text(c.var.pipit.variant()))
    expect(await (await app.request('/', asUser)).text()).toBe('canary')
    expect(await (await app.request('/')).text()).toBe('stable')
    expect(await reported('checkout', 'canary')).toEqual([1, 0])
  })

  it('looks at headers and cookies', async () => {
    const { app } = await setup()
    app.get('/', (c) => {
      const { variant, reason } = c.var.pipit.decide('search')
      return c.json([variant, reason])
    })
    const answer = async (headers: object): Promise<unknown> =>
      (await app.request('/', { headers: { ...asUser.headers, ...headers } })).json()
    expect(await answer({})).toEqual(['stable', 'split'])
    expect(await answer({ 'x-canary': 'true' })).toEqual(['canary', 'header'])
    expect(await answer({ cookie: 'trial=1; other=2' })).toEqual(['canary', 'cookie'])
  })

  it.each<[string, (c: Context) => Response, [number, number]]>([
    ['a status of 500', (c) => c.text('', 500), [0, 1]],
    ['a status of 404', (c) => c.text('', 404), [1, 0]],
    [
      'an error that is thrown',
      () => {
        throw new Error('broken')
      },
      [0, 1],
    ],
  ])('counts %s as it should', async (_what, respond, expected) => {
    const { app, reported } = await setup()
    app.onError((_error, c) => c.text('sorry', 500))
    app.get('/', (c) => {
      c.var.pipit.variant()
      return respond(c)
    })
    await app.request('/', asUser)
    expect(await reported('checkout', 'canary')).toEqual(expected)
  })

  it('reports each rollout once, however often and by whatever name it is asked for', async () => {
    const { app, reported } = await setup()
    app.get('/', (c) => {
      const { pipit: bound } = c.var
      return c.json([bound.variant(), bound.variant('checkout'), bound.variant(), bound.variant('search')])
    })
    expect(await (await app.request('/', asUser)).json()).toEqual(['canary', 'canary', 'canary', 'stable'])
    expect(await reported('checkout', 'canary')).toEqual([1, 0])
    expect(await reported('search', 'stable')).toEqual([1, 0])
  })

  it('reports nothing for a request that asked nothing', async () => {
    const { app, sdk } = await setup()
    app.get('/', (c) => c.text('plain'))
    await app.request('/', asUser)
    expect(sdk.status().pending).toEqual({ reports: 0, outcomes: 0, exposures: 0, events: 0 })
  })

  it('tracks for the request’s user', async () => {
    const { app, events } = await setup()
    app.post('/buy', (c) => {
      c.var.pipit.track('purchase', { value: 5, id: 'order-1' })
      return c.text('')
    })
    await app.request('/buy', { method: 'POST', ...asUser })
    expect(await events()).toEqual(['purchase'])
  })

  it('gives one answer for a whole request, whatever is published meanwhile', async () => {
    let weight = 'canary'
    const decided: string[] = []
    const sdk = {
      decide: () => {
        decided.push(weight)
        return { rollout: 'checkout', variant: weight } as Decision
      },
      outcome: () => undefined,
    } as unknown as Client
    const app = new Hono<{ Variables: PipitVariables }>()
    app.use(pipit(sdk, { user: () => 'user-1' }))
    app.get('/', (c) => {
      const first = c.var.pipit.variant()
      weight = 'stable'
      return c.json([first, c.var.pipit.variant(), c.var.pipit.variant('checkout')])
    })
    expect(await (await app.request('/')).json()).toEqual(['canary', 'canary', 'canary'])
  })

  it('lets an error of the application’s own `user` through', async () => {
    const { sdk } = await setup()
    const app = new Hono()
    app.use(
      pipit(sdk, {
        user: () => {
          throw new Error('no session')
        },
      }),
    )
    app.onError((error, c) => c.text(error.message, 500))
    app.get('/', (c) => c.text(''))
    expect(await (await app.request('/')).text()).toBe('no session')
  })
})
