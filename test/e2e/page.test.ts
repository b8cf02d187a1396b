/** The page in a real browser, on a real server with a rollout that has been judged. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeMessage } from '@pipit/shared/protocol'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { launchChromium } from '../support/chromium.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let browser: Browser
let page: Page
let complaints: string[]
/** Where the screenshots go; SCREENSHOTS keeps them for people. */
const kept = process.env.SCREENSHOTS
const pictures = kept ?? mkdtempSync(join(tmpdir(), 'pipit-pictures-'))

const evil = '<img src=x onerror=alert(1)>'

beforeAll(async () => {
  server = await startServer()
  await server.api('POST', '/rollouts', {
    key: 'checkout-v2',
    description: `One-page checkout ${evil}`,
    stages: [
      { name: 'internal', weight: 0 },
      { name: 'quarter', weight: 25, hold: '1h' },
      { name: 'half', weight: 50, hold: '1h', approval: true },
      { name: 'full', weight: 100 },
    ],
    guards: [{ metric: 'error_rate', worseThan: { relative: 1.5 }, action: 'alert' }],
    analysis: { tick: '200ms' },
  })
  await server.api('POST', '/rollouts', { key: 'search-v3', stages: [{ name: 'full', weight: 100 }] })
  await server.api('POST', '/rollouts/checkout-v2/start', { reason: `because ${evil}` })
  await server.api('POST', '/rollouts/checkout-v2/advance')
  await reportTraffic()
  browser = await launchChromium()
})

afterAll(async () => {
  await browser?.close()
  await server?.stop()
  if (kept === undefined) rmSync(pictures, { recursive: true, force: true })
})

beforeEach(async () => {
  const context = await browser.newContext({ viewport: { width: 1100, height: 800 } })
  page = await context.newPage()
  complaints = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().includes('Failed to load resource'))
      complaints.push(message.text())
  })
  return async () => {
    await context.close()
    expect(complaints).toEqual([])
  }
})

/** Outcomes as an SDK would report them, in the epoch the rollout is in, until there is a judgement to show. */
async function reportTraffic(): Promise<void> {
  const { body } = await server.api('GET', '/rollouts/checkout-v2')
  const { epoch } = body as { epoch: number }
  for (let seq = 1; seq <= 4; seq++) {
    const cell = (variant: string, n: number, failed: number) => ({
      ...{ rollout: 'checkout-v2', epoch, variant, stratum: 'split', thresholds: 0, columns: 4 },
      buckets: [seq, n, failed, 0],
    })
    const units = (variant: string, first: number) => ({
      ...{ rollout: 'checkout-v2', epoch, variant, stratum: 'split', reason: 'split' },
      units: Array.from({ length: 40 }, (_, i) => (first + i + seq * 1000).toString(16).padStart(16, '0')),
    })
    await fetch(`${server.url}/sdk/v1/reports`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${server.serverKey}`,
        'x-pipit-instance': 'page-test-1',
        'x-pipit-sdk': 'test/1',
      },
      body: encodeMessage({
        type: 'report',
        seq,
        outcomes: [cell('canary', 250, 6), cell('stable', 750, 9)],
        exposures: [units('canary', 1), units('stable', 500_000)],
      }),
    })
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
  for (let attempt = 0; attempt < 100; attempt++) {
    const { verdict } = (await server.api('GET', '/rollouts/checkout-v2')).body as {
      verdict?: { errorRate?: { stable: { n: number } } }
    }
    if (verdict?.errorRate?.stable.n === 3000) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`the traffic was not judged:\n${server.output()}`)
}

async function signIn(token = server.token): Promise<void> {
  await page.goto(server.url)
  await page.getByLabel('Admin token').fill(token)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

const shot = (name: string) => page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true })

describe('the page', () => {
  it('asks for a token, and says what is wrong with one', async () => {
    await signIn('adm_nobody_knows_this_token')
    await page.getByRole('alert').filter({ hasText: 'not known here' }).waitFor()
    await shot('sign-in')
  })

  it('lists the rollouts as they are, and stays signed in over a reload', async () => {
    await signIn()
    const card = page.locator('#rollout-checkout-v2')
    await card.waitFor()
    expect(await card.textContent()).toMatch(/checkout-v2.*running.*quarter.*25 %.*2\.40 %canary1\.20 %stable/s)
    expect(await page.locator('#connection').textContent()).toContain('live')
    expect(await page.getByText(evil).count()).toBe(1)
    await shot('list')
    await page.reload()
    await card.waitFor()
    await page.emulateMedia({ colorScheme: 'dark' })
    await page.setViewportSize({ width: 390, height: 800 })
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
    await shot('list-phone-dark')
  })

  it('shows a rollout with its metrics, history and instances', async () => {
    await signIn()
    await page.getByRole('link', { name: 'checkout-v2' }).click()
    await page.getByRole('row', { name: /error_rate/ }).waitFor()
    await page.getByText(`because ${evil}`).first().waitFor()
    await page.getByRole('heading', { name: 'Instances' }).waitFor()
    await shot('detail')
    await page.emulateMedia({ colorScheme: 'dark' })
    await page.setViewportSize({ width: 390, height: 800 })
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
    await shot('detail-phone-dark')
  })

  it('shows a change that somebody else makes', async () => {
    await signIn()
    await page.locator('#rollout-search-v3').waitFor()
    await server.api('POST', '/rollouts/search-v3/start', { at: Date.now() + 3_600_000 })
    await page.locator('#rollout-search-v3', { hasText: 'scheduled' }).waitFor()
  })

  it('pauses, resumes, and takes back after one confirmation', async () => {
    await signIn()
    await page.getByRole('link', { name: 'checkout-v2' }).click()
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.getByRole('button', { name: 'Resume' }).click()
    await page.getByRole('button', { name: 'Pause' }).waitFor()
    await page.getByRole('button', { name: 'Revert…' }).click()
    await shot('confirm')
    await page.getByRole('button', { name: 'Keep it' }).click()
    expect(await server.api('GET', '/rollouts/checkout-v2')).toMatchObject({ body: { phase: 'running' } })
    await page.getByRole('button', { name: 'Revert…' }).click()
    await page.getByLabel('Why').fill('people complain')
    await page.locator('#confirm-revert').click()
    await page.locator('.detail', { hasText: 'reverted' }).waitFor()
    expect(await server.api('GET', '/rollouts/checkout-v2/history?limit=1')).toMatchObject({
      body: { items: [{ event: 'revert', reason: 'people complain' }] },
    })
    await shot('reverted')
  })

  it('gives a viewer nothing to press', async () => {
    const made = await server.api('POST', '/keys', { kind: 'adm', role: 'viewer', name: 'guest' })
    await signIn((made.body as { secret: string }).secret)
    await page.getByRole('link', { name: 'search-v3' }).click()
    await page.getByText('This token may look').waitFor()
    expect(await page.locator('[data-action]').count()).toBe(0)
  })

  it('says so when the server is gone, and goes on when it is back', async () => {
    await signIn()
    await page.locator('#rollout-search-v3').waitFor()
    await server.kill('SIGTERM')
    await page.locator('#connection', { hasText: 'connection lost' }).waitFor()
    await shot('lost')
    await server.restart()
    await page.locator('#connection', { hasText: 'live' }).waitFor({ timeout: 60_000 })
  })
})
