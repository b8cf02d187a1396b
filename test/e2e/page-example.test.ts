/** The example of sdk-browser, as its README says to run it, in a real browser. SCREENSHOTS keeps the pictures. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { launchChromium } from '../support/chromium.ts'
import { startServer, type TestServer } from '../support/server.ts'

const kept = process.env.SCREENSHOTS
const pictures = kept ?? mkdtempSync(join(tmpdir(), 'pipit-pictures-'))

let control: TestServer
let shop: ChildProcess
let url: string
let browser: Browser
let page: Page
const complaints: string[] = []

beforeAll(async () => {
  control = await startServer()
  const made = await control.api('POST', '/rollouts', {
    key: 'checkout-v2',
    browser: true,
    unit: 'anonymousId',
    stages: [
      { name: 'nobody', weight: 0, hold: '1h' },
      { name: 'all', weight: 100, hold: '1h' },
    ],
    metrics: [{ key: 'purchases', kind: 'conversion', event: 'purchase' }],
    gates: [{ metric: 'purchases', noWorseThan: { relative: 0.9 } }],
    analysis: { tick: '200ms', warmup: '0s' },
  })
  expect(made.status, JSON.stringify(made.body)).toBe(201)
  await control.api('POST', '/rollouts/checkout-v2/start')
  const key = await control.api('POST', '/keys', { kind: 'web', name: 'shop' })
  shop = spawn(process.execPath, [fileURLToPath(new URL('../../sdk-browser/example/server.js', import.meta.url))], {
    env: {
      ...process.env,
      PIPIT_URL: control.url,
      PIPIT_SERVER_KEY: control.serverKey,
      PIPIT_WEB_KEY: (key.body as { secret: string }).secret,
      PORT: '0',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(createInterface({ input: shop.stdout as NodeJS.ReadableStream }), 'line')) as [string]
  url = /http:\S+/.exec(line)?.[0] ?? ''
  browser = await launchChromium()
  page = await (await browser.newContext({ viewport: { width: 700, height: 480 } })).newPage()
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
})

afterAll(async () => {
  await browser?.close()
  shop?.kill('SIGTERM')
  await control?.stop()
  if (kept === undefined) rmSync(pictures, { recursive: true, force: true })
})

/** Light and dark, as wide as a desk and as narrow as a phone. */
async function shot(name: string): Promise<void> {
  const wide = page.viewportSize() ?? { width: 1280, height: 720 }
  for (const [device, size] of Object.entries({ desktop: wide, phone: { width: 390, height: 700 } }))
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.setViewportSize(size)
      await page.emulateMedia({ colorScheme })
      const path = join(pictures, `example-${name}-${device}-${colorScheme}.png`)
      await page.screenshot({ path, fullPage: true })
      expect(statSync(path).size).toBeGreaterThan(1000)
      const fits = await page.evaluate('document.documentElement.scrollWidth <= innerWidth')
      expect([device, fits]).toEqual([device, true])
    }
  await page.setViewportSize(wide)
  await page.emulateMedia({ colorScheme: null })
}

describe('the example', () => {
  it('decides from what came with the page, before there is a connection', async () => {
    const response = await page.goto(url)
    expect(response?.headers()['content-security-policy']).toMatch(/default-src 'none'; script-src 'self';/)
    expect(await page.textContent('#pipit')).toContain('"checkout-v2"')
    await page.locator('#stable').waitFor()
    expect(await page.locator('#canary').isHidden()).toBe(true)
    await page.locator('#status', { hasText: 'from bootstrap · socket' }).waitFor()
    await shot('stable')
  })

  it('shows the canary without a reload, and what is bought arrives', async () => {
    await control.api('POST', '/rollouts/checkout-v2/advance')
    await page.locator('#canary').waitFor()
    await page.getByRole('button', { name: 'Buy now' }).click()
    await page.getByText('Thank you!').waitFor()
    await shot('canary')
    const bought = { variant: 'canary', conversions: { purchases: { atRisk: 1, converted: 1 } } }
    await expect
      .poll(async () => (await control.api('GET', '/rollouts/checkout-v2/analysis')).body, { timeout: 20_000 })
      .toMatchObject({ totals: expect.arrayContaining([expect.objectContaining(bought)]) })
  })

  it('goes back as soon as somebody takes the canary back', async () => {
    await control.api('POST', '/rollouts/checkout-v2/revert', { reason: 'an example' })
    await page.locator('#stable').waitFor({ timeout: 2000 })
    await shot('reverted')
    expect(complaints).toEqual([])
  })
})
