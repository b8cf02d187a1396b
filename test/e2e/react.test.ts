/** Components that ask for decisions: rendered on a server in Node, hydrated in a real Chromium, against the real control plane. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createClient as createPageClient } from '@pipit/sdk-browser'
import { createClient, type NodeClient, type PageRuleset, pageScript } from '@pipit/sdk-node'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { createElement } from 'react'
import { renderToString } from 'react-dom/server'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { bundle } from '../support/bundle.ts'
import { launchChromium } from '../support/chromium.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { App } from './react-app.ts'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

let control: TestServer
let sdk: NodeClient
let browser: Browser
let site: Server
let origin: string
let key: string
let folder: string
let context: BrowserContext
let complaints: string[]
let html = ''

beforeAll(async () => {
  control = await startServer()
  mkdirSync(here('../../.tmp'), { recursive: true })
  folder = mkdtempSync(join(here('../../.tmp'), 'react-'))
  const file = join(folder, 'page.js')
  // React warns of what does not match in development alone.
  const define = { 'process.env.NODE_ENV': '"development"' }
  await bundle(here('./react-page.ts'), { file, platform: 'browser', define })
  const script = readFileSync(file, 'utf8')
  site = createServer(({ url }, response) => {
    const isScript = url === '/page.js'
    response.writeHead(200, { 'content-type': isScript ? 'text/javascript' : 'text/html; charset=utf-8' })
    response.end(isScript ? script : html)
  })
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`
  const web = await control.api('POST', '/keys', { kind: 'web', name: 'shop', origins: [origin] })
  key = (web.body as { secret: string }).secret
  sdk = createClient({ url: control.url, key: control.serverKey, cacheDir: false })
  expect(await sdk.ready()).toBe(true)
  browser = await launchChromium()
})
afterAll(async () => {
  await browser?.close()
  site?.close()
  await sdk?.close({ timeoutMs: 0 })
  await control?.stop()
  rmSync(folder, { recursive: true, force: true })
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

/** A started rollout, of which the shop's server knows. */
async function rollout(weight: number): Promise<string> {
  const rolloutKey = `react-${++serial}`
  const made = await control.api('POST', '/rollouts', {
    key: rolloutKey,
    browser: true,
    variants: [{ name: 'stable' }, { name: 'canary', payload: { color: 'red' } }],
    stages: [
      { name: 'first', weight, hold: '1h' },
      { name: 'full', weight: 100 },
    ],
    metrics: [{ key: 'buys', kind: 'conversion', event: 'buy' }],
    gates: [{ metric: 'buys', noWorseThan: { relative: 0.9 } }],
    analysis: { tick: '200ms', warmup: '0s' },
  })
  expect(made.status).toBe(201)
  await control.api('POST', `/rollouts/${rolloutKey}/start`)
  await expect.poll(() => sdk.pageRuleset('ada')?.rollouts[rolloutKey]?.phase).toBe('running')
  return rolloutKey
}

/** Of the ruleset that the page has heard of. */
const version = async (page: Page) => Number(await ask(page, 'seen.client.status().version'))

const setWeight = (rolloutKey: string, weight: number) =>
  control.api('POST', `/rollouts/${rolloutKey}/set-weight`, { weight })
const revert = (rolloutKey: string) => control.api('POST', `/rollouts/${rolloutKey}/revert`)

/** What the shop's server renders for its user. */
function render(rolloutKey: string, bootstrap: PageRuleset | undefined): string {
  const client = createPageClient({ url: control.url, key, rollout: rolloutKey, user: 'ada', bootstrap })
  return renderToString(createElement(App, { client }))
}

async function open(
  rolloutKey: string,
  more: object = {},
  { bootstrap, beforeOpen }: { bootstrap?: PageRuleset | undefined; beforeOpen?: () => Promise<unknown> } = {
    bootstrap: sdk.pageRuleset('ada'),
  },
): Promise<Page> {
  const config = { url: control.url, key, rollout: rolloutKey, user: 'ada', bootstrap, ...more }
  const script = pageScript(config as never)
  html = `<!doctype html><title>shop</title><div id="root">${render(rolloutKey, bootstrap)}</div><script type="application/json" id="config">${script}</script><script type="module" src="/page.js"></script>`
  await beforeOpen?.()
  const page = await context.newPage()
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (message) => {
    if (/^(error|warning)$/.test(message.type()) && !message.location().url.endsWith('favicon.ico'))
      complaints.push(message.text())
  })
  await page.goto(origin)
  await expect.poll(() => ask(page, 'seen.renders.variant')).toBeGreaterThan(0)
  return page
}

const ask = (page: Page, code: string): Promise<unknown> => page.evaluate(`(async () => ${code})()`)
const shown = async (page: Page): Promise<readonly (string | null)[]> =>
  Promise.all(['#first', '#buy', '#second'].map((at) => page.textContent(at)))
const canary = ['canary', '{"color":"red"} split', 'canary']
const stable = ['stable', '"none" split', 'stable']
const reverted = ['stable', '"none" phase', 'stable']
const connected = (page: Page) => expect.poll(() => ask(page, 'seen.client.status().source')).toBe('server')
/** Nothing that React had to mend, and no moment in which two components differed. */
const isWhole = async (page: Page) => expect(await ask(page, '[seen.errors, seen.torn]')).toEqual([[], []])

describe('components', () => {
  it('are hydrated as the server rendered them, once, and follow a revert without being live', async () => {
    const rolloutKey = await rollout(100)
    const page = await open(rolloutKey)
    expect(html).toContain('<p id="first">canary</p>')
    expect(await shown(page)).toEqual(canary)
    await connected(page)
    // Two components of `Variant`.
    expect(await ask(page, '[seen.renders.variant, seen.renders.payload]')).toEqual([2, 1])
    await revert(rolloutKey)
    await expect.poll(() => shown(page), { timeout: 1000, interval: 20 }).toEqual(reverted)
    await isWhole(page)
  })

  it('stay as they were over a higher weight, until the page asks', async () => {
    const rolloutKey = await rollout(0)
    const page = await open(rolloutKey)
    await connected(page)
    const before = await version(page)
    await setWeight(rolloutKey, 100)
    await expect.poll(() => version(page)).toBeGreaterThan(before)
    expect(await shown(page)).toEqual(stable)
    await ask(page, 'seen.client.refresh()')
    await expect.poll(() => shown(page)).toEqual(canary)
    await isWhole(page)
  })

  it('follow every change where they are live', async () => {
    const rolloutKey = await rollout(0)
    const page = await open(rolloutKey, { live: true })
    expect(await shown(page)).toEqual(stable)
    await connected(page)
    await setWeight(rolloutKey, 100)
    await expect.poll(() => shown(page)).toEqual(canary)
    await setWeight(rolloutKey, 0)
    await expect.poll(() => shown(page)).toEqual(stable)
    await isWhole(page)
  })

  it('catch up where they become live, and are those of another client once that is given', async () => {
    const rolloutKey = await rollout(0)
    const page = await open(rolloutKey)
    await connected(page)
    const before = await version(page)
    await setWeight(rolloutKey, 100)
    await expect.poll(() => version(page)).toBeGreaterThan(before)
    expect(await shown(page)).toEqual(stable)
    await ask(page, 'again(true)')
    await expect.poll(() => shown(page)).toEqual(canary)
    const { [rolloutKey]: known } = sdk.pageRuleset('ada')?.rollouts ?? {}
    const bootstrap = { version: 1, rollouts: { [rolloutKey]: { ...known, weight: 0 } } }
    // Not live, that client keeps what it was first asked.
    await ask(page, `again(false, ${JSON.stringify(bootstrap)})`)
    await expect.poll(() => shown(page)).toEqual(stable)
    await isWhole(page)
  })

  it('are hydrated as they were rendered though the client has heard of a revert, and follow it then', async () => {
    const rolloutKey = await rollout(100)
    const page = await open(
      rolloutKey,
      { late: true },
      {
        bootstrap: sdk.pageRuleset('ada'),
        beforeOpen: () => revert(rolloutKey),
      },
    )
    expect(html).toContain('<p id="first">canary</p>')
    await expect.poll(() => shown(page)).toEqual(reverted)
    await isWhole(page)
  })

  it('begin as stable without a bootstrap and go on as the server says, then as somebody else', async () => {
    const rolloutKey = await rollout(100)
    const page = await open(rolloutKey, {}, {})
    expect(html).toContain('<p id="first">stable</p>')
    await expect.poll(() => shown(page)).toEqual(canary)
    await revert(rolloutKey)
    await expect.poll(() => shown(page)).toEqual(reverted)
    await ask(page, `seen.client.setUser('eve')`)
    expect(await shown(page)).toEqual(reverted)
    await isWhole(page)
  })

  it('count who saw them and what happened', async () => {
    const rolloutKey = await rollout(100)
    const page = await open(rolloutKey)
    await connected(page)
    await page.click('#buy')
    expect(await ask(page, 'seen.client.status().pending')).toBeGreaterThan(0)
    expect(await ask(page, 'seen.client.flush()')).toBe(true)
    // Rendered on the server as well, which counts nobody.
    const counted = async () => {
      const { body } = await control.api('GET', `/rollouts/${rolloutKey}/series`)
      const [first] = (body as { items: readonly { canary: object; stable: object }[] }).items
      return first
    }
    await expect.poll(counted, { timeout: 15_000 }).toMatchObject({
      canary: { exposed: 1, conversions: { buys: { atRisk: 1, converted: 1 } } },
      stable: { exposed: 0 },
    })
    await isWhole(page)
  })
})
