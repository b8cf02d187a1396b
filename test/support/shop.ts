/** A shop: a real page under a strict policy, from a site of its own, in a real Chromium, with the real control plane behind it. */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { openSqlite } from '@pipit/server/storage/sqlite'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { expect } from 'vitest'
import { launchChromium } from './chromium.ts'
import { startServer, type TestServer } from './server.ts'

/** What the server has counted of a rollout: outcomes, those that failed, users exposed and converted, and events bought. */
export interface Counted {
  readonly n: number
  readonly failed: number
  readonly exposed: number
  readonly converted: number
  readonly bought: number
}

export interface Shop {
  readonly control: TestServer
  readonly browser: Browser
  readonly origin: string
  readonly key: string
  /** Starts a rollout for browsers at a weight and resolves to its key; it counts the event `buy-<key>`. */
  rollout(weight: number, more?: object): Promise<string>
  /**
   * Opens the page with a client of these options (`live`: it follows changes), as script tag or as module. What the page does wrong goes to
   * `complaints`.
   */
  open(context: BrowserContext, options: object, more?: OpenOptions): Promise<Page>
  /** What is counted of an arm, read from the database itself. */
  counted(rollout: string, variant?: string): Promise<Counted>
  /** What the canary's metrics of values have: their sum and how many users it is of. */
  values(rollout: string): Promise<{ readonly [metric: string]: { readonly y: number; readonly units: number } }>
  /** Waits until exactly this is counted, and whether it stays so. */
  expectCounted(rollout: string, expected: Partial<Counted>, variant?: string): Promise<void>
  readonly complaints: string[]
  stop(): Promise<void>
}

export interface OpenOptions {
  readonly as?: 'script' | 'module'
  /** Before it goes anywhere. */
  readonly prepare?: (page: Page) => Promise<unknown>
}

/** What the page does: it shows what it gets, and lets the test call the SDK. */
const app = `
const config = JSON.parse(document.getElementById('config').textContent)
const sdk = createClient(config)
if (config.errors) watchErrors(sdk)
window.sdk = sdk
window.seen = [sdk.status()]
window.shown = [sdk.variant()]
const show = () => {
  document.getElementById('variant').textContent = sdk.variant()
  window.shown.push(sdk.variant())
  window.seen.push(sdk.status())
}
sdk.on('decisions', show)
if (config.live) sdk.on('change', show)
show()
sdk.ready().then(show)
`

const file = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

function served(path: string): string | undefined {
  if (path === '/app.js') return `const { createClient } = pipit, { watchErrors } = pipitErrors\n${app}`
  if (path === '/module.js')
    return `import { createClient } from '/dist/index.js'
import { watchErrors } from '/dist/errors.js'
import { reportVitals } from '/dist/vitals.js'
import * as webVitals from '/web-vitals.js'
${app}
if (config.vitals) reportVitals(sdk, webVitals)`
  if (path === '/web-vitals.js') return readFileSync(new URL(import.meta.resolve('web-vitals')), 'utf8')
  return /^\/dist\/[\w.-]+\.js$/.test(path) ? file(`sdk-browser${path}`) : undefined
}

/** The page; whoever frames it may. */
function pageOf(query: URLSearchParams): string {
  const config = (query.get('config') ?? '{}').replaceAll('<', '\\u003c')
  const scripts =
    query.get('as') === 'module'
      ? '<script type="module" src="/module.js"></script>'
      : '<script src="/dist/pipit.js"></script><script src="/dist/pipit-errors.js"></script><script src="/app.js"></script>'
  return `<!doctype html><title>shop</title><h1>Shop</h1><p id="variant"></p><button type="button">Buy</button><script type="application/json" id="config">${config}</script>${scripts}`
}

export async function openShop(): Promise<Shop> {
  const control = await startServer()
  const browser = await launchChromium()
  const complaints: string[] = []
  let serial = 0

  const site = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://shop')
    const script = served(pathname)
    if (script !== undefined) return response.writeHead(200, { 'content-type': 'text/javascript' }).end(script)
    if (pathname !== '/')
      return response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>elsewhere</title>')
    const { url = '' } = JSON.parse(searchParams.get('config') ?? '{}') as { url?: string }
    return response
      .writeHead(200, {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': `default-src 'none'; script-src 'self'; connect-src ${url} ${url.replace('http', 'ws')}`,
      })
      .end(pageOf(searchParams))
  })
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`
  const made = await control.api('POST', '/keys', { kind: 'web', name: 'shop', origins: [origin] })
  const key = (made.body as { secret: string }).secret

  async function values(rollout: string): ReturnType<Shop['values']> {
    const storage = openSqlite({ file: control.databaseFile })
    try {
      const { id = '' } = (await storage.rollouts.get('production', rollout)) ?? {}
      const buckets = await storage.evidence.buckets(id, 0)
      const found = buckets.flatMap((bucket) => Object.entries(bucket.values ?? {}))
      return Object.fromEntries(
        found
          .filter(([, { canary }]) => canary.contributing > 0)
          .map(([name, { canary }]) => [
            name,
            { y: [...canary.y].reduce((sum, y) => sum + y, 0), units: canary.contributing },
          ]),
      )
    } finally {
      await storage.close()
    }
  }

  async function counted(rollout: string, variant = 'canary'): Promise<Counted> {
    const storage = openSqlite({ file: control.databaseFile })
    try {
      const { id = '' } = (await storage.rollouts.get('production', rollout)) ?? {}
      const totals = (await storage.evidence.totals(id, 0)).filter((total) => total.variant === variant)
      const buckets = await storage.evidence.buckets(id, 0)
      const sum = (one: (total: (typeof totals)[number]) => number): number =>
        totals.reduce((before, total) => before + one(total), 0)
      const bought = buckets.flatMap(({ values }) => [
        ...(values?.count?.[variant === 'canary' ? 'canary' : 'stable'].y ?? []),
      ])
      return {
        n: sum(({ n }) => n),
        failed: sum(({ failed }) => failed),
        exposed: sum(({ exposed }) => exposed),
        converted: sum(({ conversions }) => conversions.buys?.converted ?? 0),
        bought: bought.reduce((before, one) => before + one, 0),
      }
    } finally {
      await storage.close()
    }
  }

  return {
    control,
    browser,
    origin,
    key,
    complaints,
    counted,
    values,
    async rollout(weight, more = {}) {
      const rollout = `page-${++serial}`
      const created = await control.api('POST', '/rollouts', {
        key: rollout,
        browser: true,
        stages: [
          { name: 'first', weight, hold: '1h' },
          { name: 'full', weight: 100 },
        ],
        metrics: [
          { key: 'buys', kind: 'conversion', event: `buy-${rollout}` },
          { key: 'count', kind: 'count', event: `buy-${rollout}` },
        ],
        gates: [{ metric: 'buys', noWorseThan: { relative: 0.9 } }],
        analysis: { tick: '200ms', warmup: '0s' },
        ...more,
      })
      expect(created.status, JSON.stringify(created.body)).toBe(201)
      await control.api('POST', `/rollouts/${rollout}/start`)
      return rollout
    },
    async open(context, options, { as = 'script', prepare } = {}) {
      const config = JSON.stringify({ url: control.url, key, user: 'ada', ...options })
      const page = await context.newPage()
      page.on('pageerror', (error) => complaints.push(String(error)))
      page.on('console', (message) => {
        if (message.text().includes('Content Security Policy')) complaints.push(message.text())
      })
      await prepare?.(page)
      await page.goto(`${origin}/?${new URLSearchParams({ as, config })}`)
      return page
    },
    async expectCounted(rollout, expected, variant) {
      const names = Object.keys(expected) as (keyof Counted)[]
      const now = async () => {
        const all = await counted(rollout, variant)
        return Object.fromEntries(names.map((name) => [name, all[name]]))
      }
      await expect.poll(now, { timeout: 15_000, interval: 100 }).toEqual(expected)
      // Whatever would count it twice has come by then.
      await new Promise((resolve) => setTimeout(resolve, 500))
      expect(await now()).toEqual(expected)
    },
    async stop() {
      await browser.close()
      site.close()
      site.closeAllConnections()
      await control.stop()
    },
  }
}

/** Runs code in the page, where `sdk` is the client. */
export const ask = <T = unknown>(page: Page, code: string): Promise<T> => page.evaluate(`(async () => { ${code} })()`)

/** What the page shows as its variant. */
export const shown = (page: Page): Promise<string | null> => page.textContent('#variant')

/** Waits until the page's client has a socket and has heard the server on it. */
export const connected = (page: Page): Promise<void> =>
  expect
    .poll(() => ask(page, "return sdk.status().connected && sdk.status().source === 'server'"), { timeout: 15_000 })
    .toBe(true)
