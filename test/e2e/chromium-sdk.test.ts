/** The SDK for pages in a real Chromium: a real page from a server of its own, under a strict policy, against the real control plane. */
import { createHmac } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createClient } from '@pipit/sdk-node'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ask, connected, openShop, type Shop, shown } from '../support/shop.ts'

let shop: Shop
let context: BrowserContext

beforeAll(async () => {
  shop = await openShop()
})
afterAll(() => shop?.stop())

beforeEach(async () => {
  context = await shop.browser.newContext()
  shop.complaints.length = 0
  return async () => {
    await context.close()
    expect(shop.complaints).toEqual([])
  }
})

const must = async (method: string, path: string, body?: unknown): Promise<unknown> => {
  const answer = await shop.control.api(method, path, body)
  expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300)
  return answer.body
}
const setWeight = (rollout: string, weight: number) => must('POST', `/rollouts/${rollout}/set-weight`, { weight })
const revert = (rollout: string) => must('POST', `/rollouts/${rollout}/revert`)

/** What the page said by `console.warn`. */
const warnings = (page: Page): string[] => {
  const said: string[] = []
  page.on('console', (message) => message.type() === 'warning' && said.push(message.text()))
  return said
}

describe('a page', () => {
  it.each(['script', 'module'] as const)(
    'connects as %s under a strict policy, decides, and sees a new weight and a revert without a reload',
    async (as) => {
      const rollout = await shop.rollout(0)
      const page = await shop.open(context, { rollout, live: true }, { as })
      await connected(page)
      expect(await shown(page)).toBe('stable')
      await setWeight(rollout, 100)
      await expect.poll(() => shown(page)).toBe('canary')
      await revert(rollout)
      await expect.poll(() => shown(page), { timeout: 1000, interval: 20 }).toBe('stable')
    },
  )

  it('keeps its decision until it asks, but not over a revert', async () => {
    const rollout = await shop.rollout(0)
    const page = await shop.open(context, { rollout })
    expect(await ask(page, 'await sdk.ready(); return sdk.variant()')).toBe('stable')
    const version = () => ask<number>(page, 'return sdk.status().version')
    const before = await version()
    await setWeight(rollout, 100)
    await expect.poll(version).toBeGreaterThan(before)
    expect(await ask(page, 'return sdk.variant()')).toBe('stable')
    await expect.poll(() => ask(page, 'sdk.refresh(); return sdk.variant()')).toBe('canary')
    await revert(rollout)
    await expect.poll(() => ask(page, 'return sdk.variant()')).toBe('stable')
  })

  it('counts what it measures of itself by the web-vitals library', async () => {
    const names = ['lcp', 'inp', 'cls']
    const rollout = await shop.rollout(100, {
      metrics: names.map((event) => ({ key: event, kind: 'mean', event, better: 'lower' })),
      gates: [{ metric: 'lcp', noWorseThan: { relative: 1.5 } }],
    })
    const page = await shop.open(context, { rollout, vitals: true }, { as: 'module' })
    await connected(page)
    await ask(
      page,
      "document.querySelector('button').onclick = () => { const end = performance.now() + 60; while (performance.now() < end); }",
    )
    await page.click('button')
    await ask(page, 'await new Promise((painted) => requestAnimationFrame(() => setTimeout(painted, 100)))')
    await page.goto('about:blank')
    const measured = () => shop.values(rollout)
    await expect.poll(async () => Object.keys(await measured()).sort(), { timeout: 15_000 }).toEqual([...names].sort())
    const { lcp, inp, cls } = await measured()
    expect(lcp?.y).toBeGreaterThan(0)
    expect(lcp?.y).toBeLessThan(60_000)
    expect(inp?.y).toBeGreaterThanOrEqual(56)
    expect(cls?.y).toBeGreaterThanOrEqual(0)
    expect([lcp, inp, cls].map((one) => one?.units)).toEqual([1, 1, 1])
  })

  it('counts its errors, the canary’s as well as stable’s', async () => {
    const arms = [await shop.rollout(100), await shop.rollout(0)] as const
    for (const rollout of arms) {
      for (const fault of [
        "setTimeout(() => { throw new Error('of the page') })",
        "Promise.reject(new Error('of the page'))",
        '',
      ]) {
        const page = await shop.open(context, { rollout, errors: true }, { as: 'module' })
        await ask(page, `await sdk.ready(); sdk.variant(); ${fault}`)
        if (fault) await expect.poll(() => shop.complaints.splice(0).length).toBe(1)
        await page.close({ runBeforeUnload: true })
      }
    }
    await shop.expectCounted(arms[0], { n: 3, failed: 2 }, 'canary')
    await shop.expectCounted(arms[1], { n: 3, failed: 2 }, 'stable')
  })

  it('tells nobody else’s origin anything', async () => {
    // The same site at another port is another origin; its policy allows the connection, the control plane does not.
    const other = createServer((_request, response) => response.end('<!doctype html><title>hostile</title>'))
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const hostile = await context.newPage()
    await hostile.goto(`http://127.0.0.1:${(other.address() as AddressInfo).port}`)
    const answer = await hostile.evaluate(
      ([url, secret]) =>
        fetch(`${url}/sdk/v1/page`, {
          method: 'POST',
          body: JSON.stringify({ type: 'hello', protocol: 1, key: secret, sdk: 'probe/1', instance: 'probe-1' }),
        }).then(
          (response) => response.status,
          () => 'refused',
        ),
      [shop.control.url, shop.key] as const,
    )
    // Told that it may not, or not even that.
    expect([401, 403, 'refused']).toContain(answer)
    other.close()
  })
})

describe('what a page decides from', () => {
  it('is the bootstrap, else storage, then the server, and status tells which and how old it is', async () => {
    const rollout = await shop.rollout(100)
    const server = createClient({ url: shop.control.url, key: shop.control.serverKey, cacheDir: false })
    expect(await server.ready()).toBe(true)
    const bootstrap = server.pageRuleset('ada')
    await server.close({ timeoutMs: 0 })
    type Seen = { readonly source: string; readonly ageMs: number | undefined; readonly version: number }
    const first = async (page: Page) => (await ask<Seen[]>(page, 'return seen'))[0]
    const page = await shop.open(context, { rollout, bootstrap })
    expect(await first(page)).toMatchObject({ source: 'bootstrap', version: bootstrap?.version })
    expect((await first(page))?.ageMs).toBeLessThan(10_000)
    expect(await ask(page, 'return shown[0]')).toBe('canary')
    await connected(page)
    await expect.poll(() => ask<Seen>(page, 'return sdk.status()')).toMatchObject({ source: 'server' })
    const sources = (await ask<Seen[]>(page, 'return seen')).map(({ source }) => source)
    expect(sources).toEqual([...sources].sort())
    // Kept meanwhile: as old as it is when nobody answers, and only where the page brings nothing itself.
    await revert(rollout)
    await expect.poll(() => ask(page, 'return sdk.variant()')).toBe('stable')
    await page.close()
    const prepare = async (next: Page) => {
      await next.route(/\/sdk\/v1\//, (route) => route.abort())
      await next.routeWebSocket(/\/sdk\/v1\//, (socket) => socket.close())
    }
    await new Promise((resolve) => setTimeout(resolve, 300))
    const later = await shop.open(context, { rollout }, { prepare })
    const kept = await first(later)
    expect(kept?.source).toBe('store')
    expect(kept?.version).toBeGreaterThan(bootstrap?.version ?? 0)
    expect(kept?.ageMs).toBeGreaterThanOrEqual(290)
    expect(kept?.ageMs).toBeLessThan(30_000)
    expect(await ask(later, 'return shown[0]')).toBe('stable')
    const rendered = await shop.open(context, { rollout, bootstrap }, { prepare })
    expect((await first(rendered))?.source).toBe('bootstrap')
  })

  it('is what the first tab kept, in a second one and after a reload', async () => {
    const rollout = await shop.rollout(100)
    const first = await shop.open(context, { rollout })
    await connected(first)
    await expect.poll(() => first.evaluate('localStorage.length')).toBeGreaterThan(0)
    const second = await shop.open(context, { rollout })
    expect(await ask(second, 'return [shown[0], seen[0].source]')).toEqual(['canary', 'store'])
    await first.reload()
    expect(await ask(first, 'return [shown[0], seen[0].source]')).toEqual(['canary', 'store'])
  })
})

describe('storage', () => {
  it('may be full', async () => {
    const rollout = await shop.rollout(100)
    const filler = await context.newPage()
    await filler.goto(`${shop.origin}/elsewhere`)
    const length = await filler.evaluate(`(() => {
      for (let size = 1 << 22, i = 0; size >= 1; size /= 2)
        for (;;) try { localStorage.setItem('f' + i, 'x'.repeat(size)); i++ } catch { break }
      return localStorage.length
    })()`)
    const page = await shop.open(context, { rollout, live: true })
    await connected(page)
    expect(await shown(page)).toBe('canary')
    await revert(rollout)
    await expect.poll(() => shown(page)).toBe('stable')
    expect(await page.evaluate('localStorage.length')).toBe(length)
  })

  it('may be forbidden, by the browser or to a frame in a sandbox', async () => {
    const rollout = await shop.rollout(100)
    const forbid = `Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('blocked', 'SecurityError') } })`
    const page = await shop.open(context, { rollout }, { prepare: (it_) => it_.addInitScript(forbid) })
    await connected(page)
    expect(await shown(page)).toBe('canary')
    // A frame without an origin: only a key for any origin takes it.
    const outer = await context.newPage()
    outer.on('pageerror', (error) => shop.complaints.push(String(error)))
    await outer.goto(`${shop.origin}/elsewhere`)
    const src = `/?config=${encodeURIComponent(JSON.stringify({ url: shop.control.url, key: shop.control.webKey, user: 'ada', rollout }))}`
    await outer.evaluate(`{
      const frame = document.createElement('iframe')
      frame.sandbox = 'allow-scripts'
      frame.src = ${JSON.stringify(src)}
      document.body.append(frame)
    }`)
    const shownInside = () => outer.frameLocator('iframe').locator('#variant').textContent()
    await expect.poll(shownInside).toBe('canary')
    const frame = outer.frames()[1]
    await expect(frame?.evaluate('localStorage.length')).rejects.toThrow(/sandboxed/)
  })

  it('may be damaged, before a page and while it is open', async () => {
    const rollout = await shop.rollout(100)
    const page = await shop.open(context, { rollout, live: true })
    await connected(page)
    const [place, text] = (await page.evaluate('Object.entries(localStorage)[0]')) as [string, string]
    const damaged = [
      ...[
        '',
        '{',
        'null',
        '[]',
        '7',
        '"x"',
        '{"at":1e999}',
        text.slice(0, -1),
        text.slice(0, text.length / 2),
        '['.repeat(20_000),
      ],
      ...[
        text.replace(/"rollouts":\{/, '"rollouts":[{'),
        text.replace(/"variants":\[.*?\]/, '"variants":7'),
        text.replace(/"version":\d+/, '"version":"x"'),
      ],
      ...[text.replace(/"at":\d+/, '"at":"yesterday"'), text.replace(/"rollouts":.*/, '"rollouts":null}}')],
    ]
    const other = await context.newPage()
    await other.goto(`${shop.origin}/elsewhere`)
    const put = (garbage: string) =>
      other.evaluate(`localStorage.setItem(${JSON.stringify(place)}, ${JSON.stringify(garbage)})`)
    for (const garbage of damaged) await put(garbage)
    expect(await shown(page)).toBe('canary')
    for (const garbage of damaged) {
      await page.goto('about:blank')
      await put(garbage)
      await page.goBack()
      await connected(page)
      expect(await shown(page)).toBe('canary')
    }
    await revert(rollout)
    await expect.poll(() => shown(page)).toBe('stable')
  })
})

describe('a user who has to be proved', () => {
  beforeEach(async () => {
    await must('PATCH', '/environments/production', { userHash: 'required' })
    return () => must('PATCH', '/environments/production', { userHash: 'off' })
  })

  it.each(['socket', 'http'] as const)(
    'is anonymous without a proof over %s, and the console says why',
    async (transport) => {
      const { secret } = (await must('POST', '/environments/production/page-secret')) as { secret: string }
      const userHash = createHmac('sha256', secret).update('ada').digest('hex')
      const rules = [{ name: 'ada', when: { id: 'ada' }, serve: 'canary' }]
      const rollout = await shop.rollout(0, { rules })
      const split = await shop.rollout(100)
      const cut = (page: Page) => page.routeWebSocket(/\/sdk\/v1\/connect/, (socket) => socket.close())
      const found = async (options: object): Promise<{ readonly decided: unknown; readonly said: string }> => {
        const within = await shop.browser.newContext()
        if (transport === 'http') await within.clock.install()
        let said: string[] = []
        const prepare = async (page: Page) => {
          said = warnings(page)
          if (transport === 'http') await cut(page)
        }
        const page = await shop.open(within, { rollout, ...options }, { prepare })
        const heard = async () => {
          if (transport === 'http') await page.clock.runFor(3000)
          return ask(page, 'return sdk.status().source + " " + sdk.status().transport')
        }
        await expect.poll(heard, { timeout: 15_000, interval: 100 }).toBe(`server ${transport}`)
        const decided = await ask(
          page,
          `return ['${rollout}', '${split}'].map((of) => { const { variant, reason } = sdk.decide(undefined, of); return variant + ' ' + reason })`,
        )
        await within.close()
        return { decided, said: said.join('\n') }
      }
      const proved = await found({ userHash })
      expect(proved.decided).toEqual(['canary rule', 'canary split'])
      expect(proved.said).not.toMatch(/userHash/)
      for (const wrong of [undefined, '0'.repeat(64), 'no hash']) {
        const { decided, said } = await found({ userHash: wrong })
        expect(decided).toEqual(['stable no-unit', 'stable no-unit'])
        expect(said).toMatch(/userHash/)
      }
      // An anonymous id needs no proof, and is what is split by.
      const anonymous = await found({ user: { id: 'ada', anonymousId: 'visitor-1' } })
      expect(anonymous.decided).toEqual(['stable split', 'canary split'])
      expect(anonymous.said).toMatch(/userHash/)
    },
  )
})
