/** The SDK for pages in a real Chromium: a real page from a server of its own, under a strict policy, against the real control plane. */
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { launchChromium } from '../support/chromium.ts'
import { startServer, type TestServer } from '../support/server.ts'

const script = readFileSync(new URL('../../sdk-browser/dist/pipit.js', import.meta.url), 'utf8')

/** What the page does: it shows what it gets, and lets the test call the SDK. */
const app = `
const config = JSON.parse(document.getElementById('config').textContent)
const sdk = pipit.createClient(config)
window.sdk = sdk
const show = () => { document.getElementById('variant').textContent = sdk.variant() }
if (config.live) sdk.on('change', show)
show()
sdk.ready().then(show)
`

let control: TestServer
let browser: Browser
let site: Server
let origin: string
let key: string
let context: BrowserContext
let complaints: string[]
let config: object

beforeAll(async () => {
  control = await startServer()
  site = createServer((request, response) => {
    const path = (request.url ?? '/').split('?')[0]
    const policy = `default-src 'none'; script-src 'self'; connect-src ${control.url} ${control.url.replace('http', 'ws')}`
    if (path === '/pipit.js' || path === '/app.js') {
      response.writeHead(200, { 'content-type': 'text/javascript' }).end(path === '/app.js' ? app : script)
      return
    }
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy })
    response.end(
      `<!doctype html><title>shop</title><p id="variant"></p><script type="application/json" id="config">${JSON.stringify(config)}</script><script src="/pipit.js"></script><script src="/app.js"></script>`,
    )
  })
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`
  const made = await control.api('POST', '/keys', { kind: 'web', name: 'shop', origins: [origin] })
  key = (made.body as { secret: string }).secret
  browser = await launchChromium()
})
afterAll(async () => {
  await browser?.close()
  site?.close()
  await control?.stop()
})

beforeEach(async () => {
  context = await browser.newContext()
  complaints = []
  return async () => {
    await context.close()
    expect(complaints).toEqual([])
  }
})

let serial = 0

/** A rollout for browsers, started at a weight. */
async function rollout(weight: number): Promise<string> {
  const rolloutKey = `page-${++serial}`
  const made = await control.api('POST', '/rollouts', {
    key: rolloutKey,
    browser: true,
    stages: [
      { name: 'first', weight, hold: '1h' },
      { name: 'full', weight: 100 },
    ],
    metrics: [{ key: 'buys', kind: 'conversion', event: `buy-${rolloutKey}` }],
    gates: [{ metric: 'buys', noWorseThan: { relative: 0.9 } }],
    analysis: { tick: '200ms', warmup: '0s' },
  })
  expect(made.status).toBe(201)
  await control.api('POST', `/rollouts/${rolloutKey}/start`)
  return rolloutKey
}

async function open(more: object, within: BrowserContext = context): Promise<Page> {
  config = { url: control.url, key, user: 'ada', ...more }
  const page = await within.newPage()
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.goto(origin)
  return page
}

const shown = (page: Page): Promise<string | null> => page.textContent('#variant')
/** Calls the SDK of the page. */
const ask = (page: Page, code: string): Promise<unknown> => page.evaluate(`(async () => { ${code} })()`)

/** Outcomes that the server has counted of a rollout. */
async function counted(rolloutKey: string): Promise<number> {
  const { body } = await control.api('GET', `/rollouts/${rolloutKey}/series`)
  return sumOf(body, 'n')
}

/** The sum of all numbers of a name, wherever they are. */
function sumOf(value: unknown, name: string): number {
  if (typeof value !== 'object' || value === null) return 0
  return Object.entries(value).reduce(
    (sum, [key_, inner]) => sum + (key_ === name && typeof inner === 'number' ? inner : sumOf(inner, name)),
    0,
  )
}

describe('a page', () => {
  it('connects under a strict policy, decides, and sees a new weight and a revert without a reload', async () => {
    const rolloutKey = await rollout(0)
    const page = await open({ rollout: rolloutKey, live: true })
    await expect.poll(() => ask(page, 'return sdk.status().connected')).toBe(true)
    expect(await shown(page)).toBe('stable')
    await control.api('POST', `/rollouts/${rolloutKey}/set-weight`, { weight: 100 })
    await expect.poll(() => shown(page)).toBe('canary')
    await control.api('POST', `/rollouts/${rolloutKey}/revert`)
    await expect.poll(() => shown(page), { timeout: 1000, interval: 20 }).toBe('stable')
  })

  it('keeps its decision until it asks, but not over a revert', async () => {
    const rolloutKey = await rollout(0)
    const page = await open({ rollout: rolloutKey })
    expect(await ask(page, 'await sdk.ready(); return sdk.variant()')).toBe('stable')
    await control.api('POST', `/rollouts/${rolloutKey}/set-weight`, { weight: 100 })
    // Of somebody else the split alone is known, by the newest weight: then this page has heard of it.
    await expect.poll(() => ask(page, "return sdk.variant('somebody else')")).toBe('canary')
    expect(await ask(page, 'return sdk.variant()')).toBe('stable')
    await expect.poll(() => ask(page, 'sdk.refresh(); return sdk.variant()')).toBe('canary')
    await control.api('POST', `/rollouts/${rolloutKey}/revert`)
    await expect.poll(() => ask(page, 'return sdk.variant()')).toBe('stable')
  })

  it('is counted once when its tab is closed', async () => {
    const rolloutKey = await rollout(100)
    const page = await open({ rollout: rolloutKey })
    await ask(page, 'await sdk.ready()')
    await ask(
      page,
      `for (let i = 0; i < 7; i++) sdk.outcome(sdk.decide(), { ok: true }); sdk.track(undefined, 'buy-${rolloutKey}', { id: 'order-${rolloutKey}' })`,
    )
    await page.close({ runBeforeUnload: true })
    await expect.poll(() => counted(rolloutKey), { timeout: 15_000 }).toBe(7)
    await new Promise((resolve) => setTimeout(resolve, 1500))
    expect(await counted(rolloutKey)).toBe(7)
  })

  it('loses nothing while it is offline', async () => {
    const rolloutKey = await rollout(100)
    const page = await open({ rollout: rolloutKey })
    await ask(page, 'await sdk.ready(); sdk.variant()')
    await context.setOffline(true)
    await ask(page, 'for (let i = 0; i < 5; i++) sdk.outcome(sdk.decide(), { ok: i > 0 })')
    await context.setOffline(false)
    expect(await ask(page, 'return sdk.flush({ timeoutMs: 40000 })')).toBe(true)
    await expect.poll(() => counted(rolloutKey), { timeout: 15_000 }).toBe(5)
  })

  it('decides in a second tab, and after a reload, from what the first one kept', async () => {
    const rolloutKey = await rollout(100)
    const first = await open({ rollout: rolloutKey })
    await ask(first, 'await sdk.ready()')
    await expect.poll(() => first.evaluate('localStorage.length')).toBeGreaterThan(0)
    const second = await open({ rollout: rolloutKey })
    expect(await ask(second, 'return [sdk.variant(), sdk.status().source !== "none"]')).toEqual(['canary', true])
    await first.reload()
    expect(await shown(first)).toBe('canary')
  })

  it('works where storage is blocked or damaged', async () => {
    const rolloutKey = await rollout(100)
    await context.addInitScript(
      `Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('blocked', 'SecurityError') } })`,
    )
    const page = await open({ rollout: rolloutKey })
    expect(await ask(page, 'await sdk.ready(); return sdk.variant()')).toBe('canary')
  })

  it('comes back from the back-forward cache, connected', async () => {
    const rolloutKey = await rollout(100)
    const page = await open({ rollout: rolloutKey })
    await ask(page, 'await sdk.ready()')
    await page.goto('about:blank')
    await page.goBack()
    expect(await ask(page, 'await sdk.ready(); return sdk.variant()')).toBe('canary')
    await expect.poll(() => ask(page, 'return sdk.status().connected'), { timeout: 15_000 }).toBe(true)
  })

  it('counts errors of the page, and tells nobody else’s origin anything', async () => {
    const rolloutKey = await rollout(100)
    const page = await open({ rollout: rolloutKey, watchErrors: true })
    await ask(page, 'await sdk.ready(); sdk.variant(); setTimeout(() => { throw new Error("of the page") })')
    await expect.poll(() => complaints.length).toBe(1)
    complaints = []
    expect(await ask(page, 'return sdk.flush()')).toBe(true)
    await expect.poll(() => counted(rolloutKey), { timeout: 15_000 }).toBe(1)
    // The same site at another port is another origin; its policy allows the connection, the control plane does not.
    const other = createServer((_request, response) => response.end('<!doctype html><title>hostile</title>'))
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const elsewhere = await browser.newContext()
    const hostile = await elsewhere.newPage()
    await hostile.goto(`http://127.0.0.1:${(other.address() as AddressInfo).port}`)
    const answer = await hostile.evaluate(
      ([url, secret]) =>
        fetch(`${url}/sdk/v1/page`, {
          method: 'POST',
          headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
          body: '{}',
        }).then(
          (response) => response.status,
          () => 'refused',
        ),
      [control.url, key] as const,
    )
    // Told that it may not, or not even that.
    expect([403, 'refused']).toContain(answer)
    await elsewhere.close()
    other.close()
  })
})
