/**
 * The application of the demo: a small web shop that serves four pages, each with a rollout on it. It runs in several
 * processes; all it knows of Pipit is the SDK.
 */
import { serve } from '@hono/node-server'
import { createClient } from '@pipit/sdk-node'
import { seededRandom } from '@pipit/shared/testing'
import { type Context, Hono } from 'hono'

const [url = '', key = '', port = '0', seed = '1', name = 'shop'] = process.argv.slice(2)
const random = seededRandom(Number(seed))
const sdk = createClient({ url, key, labels: { host: name }, cacheDir: false })

/** A failure that the shop itself makes: the demo tells it from one that Pipit would cause. */
class ShopFault extends Error {}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** A log-normal number with this median. */
const logNormal = (median: number, sigma: number): number => {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  return median * Math.exp(sigma * normal)
}

const page = (text: string, medianMs: number, sigma: number, failing: number) => async (): Promise<string> => {
  await sleep(logNormal(medianMs, sigma))
  if (random() < failing) throw new ShopFault(`${text} failed`)
  return text
}

/** What the pages do, by variant. sigma 0.4 → 0.79 makes the p99 of a log-normal 2.5 times as long at the same median. */
const pages = {
  'search-v3': { stable: page('results', 6, 0.3, 0.02), canary: page('new results', 6, 0.3, 0.04) },
  'product-page-v2': { stable: page('product', 8, 0.4, 0.005), canary: page('new product', 8, 0.794, 0.005) },
  'cart-v2': { stable: page('cart', 5, 0.3, 0.005), canary: page('new cart', 5, 0.3, 0.005) },
  'checkout-v2': { stable: page('checkout', 5, 0.3, 0.005), canary: page('new checkout', 5, 0.3, 0.005) },
} as const
type Page = keyof typeof pages

/** Who is asking: the shop's own attributes, from headers that its login would set. */
function userOf(c: Context): { id: string; email: string; plan: string } {
  return {
    id: c.req.header('x-user') ?? 'nobody',
    email: c.req.header('x-email') ?? '',
    plan: c.req.header('x-plan') ?? 'free',
  }
}

async function answer(c: Context, rollout: Page): Promise<Response> {
  const options = { rollout, headers: c.req.raw.headers }
  const user = userOf(c)
  const decision = sdk.decide(user, options)
  c.header('x-variant', decision.variant)
  c.header('x-reason', decision.reason)
  try {
    return c.text(await sdk.run(user, pages[rollout], options))
  } catch (error) {
    c.header('x-fault', error instanceof ShopFault ? 'shop' : 'other')
    return c.text(String(error), 500)
  }
}

const app = new Hono()
app.get('/search', (c) => answer(c, 'search-v3'))
app.get('/product', (c) => answer(c, 'product-page-v2'))
app.get('/cart', (c) => answer(c, 'cart-v2'))
app.get('/checkout', (c) => answer(c, 'checkout-v2'))
app.post('/purchase', async (c) => {
  const { order, value } = await c.req.json<{ order: string; value: number }>()
  sdk.track(userOf(c), 'purchase', { value, id: order })
  return c.text('thank you')
})

await sdk.ready({ timeoutMs: 5000 })
const server = serve({ fetch: app.fetch, port: Number(port), hostname: '127.0.0.1' }, (info) => {
  process.send?.({ type: 'listening', port: info.port })
})
process.on('message', (message: { type?: string }) => {
  if (message.type === 'status') process.send?.({ type: 'status', status: sdk.status() })
})
process.on('SIGTERM', () => {
  server.close()
  void sdk.close().then(() => process.exit(0))
})
