/** A page that nobody looks at, that ends, or whose server is not there or out of its mind: in a real Chromium, against the real control plane. */
import type { BrowserContext, Page, WebSocketRoute } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ask, connected, openShop, type Shop, shown } from '../support/shop.ts'
import { type SlowWire, slowWire } from '../support/slow-wire.ts'

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

const setWeight = (rollout: string, weight: number) =>
  shop.control.api('POST', `/rollouts/${rollout}/set-weight`, { weight })
const revert = (rollout: string) => shop.control.api('POST', `/rollouts/${rollout}/revert`)

/** An exposure, outcomes of which one failed, and two purchases of which one is told twice. */
const use = (page: Page, rollout: string, outcomes: number) =>
  ask(
    page,
    `const decision = sdk.decide()
     for (let i = 0; i < ${outcomes}; i++) sdk.outcome(decision, { ok: i > 0, latencyMs: 5 })
     for (const id of ['a', 'a', 'b']) sdk.track(undefined, 'buy-${rollout}', { id: id + '-${rollout}' })`,
  )
const used = (n: number) => ({ n, failed: 1, exposed: 1, converted: 1, bought: 2 })

/** As if another tab was looked at, or this one again. */
const look = (page: Page, hidden: boolean) =>
  ask(
    page,
    `Object.defineProperty(document, 'hidden', { configurable: true, get: () => ${hidden} })
     Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => '${hidden ? 'hidden' : 'visible'}' })
     document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))`,
  )

/** Lets the page's clock run while real answers arrive, until it is so. */
async function inTime<T>(page: Page, step: number, found: () => Promise<T>, wanted: T): Promise<void> {
  const next = async () => {
    await page.clock.runFor(step)
    return found()
  }
  await expect.poll(next, { timeout: 20_000, interval: 100 }).toEqual(wanted)
}

/** Blocks what is opened to this address from now on. */
const cutSockets = (page: Page) => page.routeWebSocket(/\/sdk\/v1\/connect/, (socket) => socket.close())
const cutRequests = (page: Page) => page.route(/\/sdk\/v1\//, (route) => route.abort())

describe('a page without its network', () => {
  it('goes on for a minute, and is counted once of what happened meanwhile', async () => {
    const rollout = await shop.rollout(100)
    await context.clock.install()
    const page = await shop.open(context, { rollout })
    await connected(page)
    await context.setOffline(true)
    for (let second = 0; second < 60; second += 15) {
      await page.clock.runFor(15_000)
      expect(await ask(page, 'return sdk.variant()')).toBe('canary')
      await ask(page, 'for (let i = 0; i < 3; i++) sdk.outcome(sdk.decide(), { ok: i > 0 })')
      await ask(page, `sdk.track(undefined, 'buy-${rollout}', { id: '${rollout}-${second}' })`)
    }
    expect(await shop.counted(rollout)).toMatchObject({ n: 0, bought: 0 })
    await context.setOffline(false)
    await inTime(page, 5000, () => ask(page, 'return sdk.status().connected'), true)
    await inTime(page, 2000, async () => (await shop.counted(rollout)).n, 12)
    await shop.expectCounted(rollout, { n: 12, failed: 4, exposed: 1, converted: 1, bought: 4 })
    expect(await ask(page, 'return Object.values(sdk.status().dropped).some(Boolean)')).toBe(false)
  })

  it.each([
    ['a year early', -1],
    ['a year late', 1],
  ])('is counted though its clock is %s', async (_when, years) => {
    const rollout = await shop.rollout(100)
    const year = 365 * 86_400_000 * years
    await context.clock.install({ time: Date.now() + year })
    const page = await shop.open(context, { rollout })
    await connected(page)
    await use(page, rollout, 3)
    expect(await ask(page, 'return sdk.flush()')).toBe(true)
    await shop.expectCounted(rollout, used(3))
    // What was kept is of a clock that somebody mends.
    await cutSockets(page)
    await cutRequests(page)
    await page.clock.setSystemTime(Date.now())
    await page.reload()
    const [first] = await ask<{ source: string; ageMs: number }[]>(page, 'return seen')
    expect(first?.source).toBe('store')
    expect(first?.ageMs).toBeGreaterThanOrEqual(0)
    expect(await shown(page)).toBe('canary')
  })

  it('decides, follows and reports by HTTP where something cuts its sockets', async () => {
    const rollout = await shop.rollout(0)
    await context.clock.install()
    const page = await shop.open(context, { rollout, live: true, storage: false }, { prepare: cutSockets })
    await inTime(page, 5000, () => ask(page, 'return sdk.status().transport'), 'http')
    expect(await shown(page)).toBe('stable')
    await setWeight(rollout, 100)
    await inTime(page, 10_000, () => shown(page), 'canary')
    await use(page, rollout, 4)
    const flushed = ask(page, 'return sdk.flush()')
    await page.clock.runFor(1000)
    expect(await flushed).toBe(true)
    await revert(rollout)
    await inTime(page, 10_000, () => shown(page), 'stable')
    await shop.expectCounted(rollout, used(4))
  })
})

describe('a page that ends', () => {
  let wire: SlowWire
  beforeEach(async () => {
    wire = await slowWire(shop.control.url)
    return () => wire.stop()
  })

  it('is counted once with what was pending when its tab was closed', async () => {
    const rollout = await shop.rollout(100)
    const page = await shop.open(context, { rollout })
    await ask(page, 'await sdk.ready()')
    await use(page, rollout, 7)
    await page.close({ runBeforeUnload: true })
    await shop.expectCounted(rollout, used(7))
  })

  it.each([
    ['was taken, unknown to the page', 'down'],
    ['arrives after its last words', 'late'],
    ['is lost', 'lost'],
  ])('is counted once where a report that was under way %s', async (_what, fate) => {
    const rollout = await shop.rollout(100)
    const page = await shop.open(context, { rollout, url: wire.url })
    await connected(page)
    await use(page, rollout, 5)
    wire.hold(fate === 'down' ? 'down' : 'up')
    await ask(page, 'void sdk.flush()')
    await expect.poll(() => wire.held()).toBeGreaterThan(0)
    if (fate === 'down') await expect.poll(async () => (await shop.counted(rollout)).n).toBe(5)
    await ask(page, 'for (let i = 0; i < 2; i++) sdk.outcome(sdk.decide(), { ok: true })')
    wire.pass()
    await page.close({ runBeforeUnload: true })
    await expect.poll(async () => (await shop.counted(rollout)).n, { timeout: 15_000 }).toBe(7)
    if (fate === 'lost') wire.cut()
    else wire.release()
    await shop.expectCounted(rollout, used(7))
  })

  it('tells what is pending when it is frozen, and is there again when it is not', async () => {
    const rollout = await shop.rollout(100)
    const page = await shop.open(context, { rollout, live: true })
    await connected(page)
    await use(page, rollout, 3)
    const devtools = await context.newCDPSession(page)
    await devtools.send('Page.setWebLifecycleState', { state: 'frozen' })
    await shop.expectCounted(rollout, used(3))
    await revert(rollout)
    await devtools.send('Page.setWebLifecycleState', { state: 'active' })
    await expect.poll(() => shown(page), { timeout: 5000 }).toBe('stable')
    await connected(page)
    await shop.expectCounted(rollout, used(3))
  })

  // Chromium's headless shell has no back-forward cache: what a page is told on its way in and out is real, the cache is not.
  it('lets nothing keep it out of the back-forward cache, is counted once, and connected when it comes back', async () => {
    const rollout = await shop.rollout(100)
    const sockets: { isClosed(): boolean }[] = []
    const prepare = async (page: Page) => page.on('websocket', (socket) => sockets.push(socket))
    const page = await shop.open(context, { rollout, live: true }, { prepare })
    await connected(page)
    const devtools = await context.newCDPSession(page)
    const { result } = await devtools.send('Runtime.evaluate', { expression: 'window' })
    const { listeners } = await devtools.send('DOMDebugger.getEventListeners', { objectId: result.objectId ?? '' })
    const types = listeners.map(({ type }) => type)
    expect(types).toContain('pagehide')
    expect(types.filter((type) => /unload/.test(type))).toEqual([])
    await use(page, rollout, 3)
    const transition = (type: string) =>
      ask(page, `dispatchEvent(new PageTransitionEvent('${type}', { persisted: true }))`)
    await transition('pagehide')
    await expect.poll(() => sockets.map((socket) => socket.isClosed())).toEqual([true])
    await devtools.send('Page.setWebLifecycleState', { state: 'frozen' })
    await shop.expectCounted(rollout, used(3))
    await revert(rollout)
    await devtools.send('Page.setWebLifecycleState', { state: 'active' })
    await transition('pageshow')
    await expect.poll(() => shown(page), { timeout: 5000 }).toBe('stable')
    await connected(page)
    await ask(page, 'return sdk.flush()')
    await shop.expectCounted(rollout, used(3))
  })
})

describe('tabs', () => {
  it('are quiet after a minute in the background, and there at once when looked at', async () => {
    const rollout = await shop.rollout(100)
    await context.clock.install()
    const sockets: { isClosed(): boolean }[] = []
    const requests: string[] = []
    const prepare = async (page: Page) => {
      page.on('websocket', (socket) => sockets.push(socket))
      page.on('request', (request) => requests.push(request.url()))
    }
    const page = await shop.open(context, { rollout, live: true }, { prepare })
    await connected(page)
    await use(page, rollout, 2)
    await look(page, true)
    await shop.expectCounted(rollout, used(2))
    // What happens in the background waits for the end of the minute.
    await page.clock.runFor(61_000)
    await expect.poll(() => sockets.map((socket) => socket.isClosed())).toEqual(sockets.map(() => true))
    const before = [sockets.length, requests.length]
    await page.clock.runFor(600_000)
    await revert(rollout)
    expect([sockets.length, requests.length]).toEqual(before)
    expect(await shown(page)).toBe('canary')
    await look(page, false)
    await expect.poll(() => shown(page), { timeout: 5000 }).toBe('stable')
    expect(sockets).toHaveLength((before[0] ?? 0) + 1)
  })

  it('hear of a change from each other, even those that reach no server', async () => {
    const rollout = await shop.rollout(0)
    const first = await shop.open(context, { rollout, live: true })
    await connected(first)
    const alone = async (page: Page) => {
      await cutSockets(page)
      await cutRequests(page)
    }
    const second = await shop.open(context, { rollout, live: true }, { prepare: alone })
    expect(await ask(second, 'return [sdk.variant(), sdk.status().source, sdk.status().connected]')).toEqual([
      'stable',
      'store',
      false,
    ])
    await setWeight(rollout, 100)
    await expect.poll(() => shown(second), { timeout: 5000 }).toBe('canary')
    await revert(rollout)
    await expect.poll(() => shown(second), { timeout: 5000 }).toBe('stable')
    expect(await ask(second, 'return sdk.status().connected')).toBe(false)
  })
})

describe('a server out of its mind', () => {
  it('takes no decision away, and none of the page’s life', async () => {
    const rollout = await shop.rollout(100, {
      variants: [{ name: 'stable' }, { name: 'canary', payload: { color: 'red' } }],
    })
    const told: string[] = []
    let route: WebSocketRoute | undefined
    const prepare = (page: Page) =>
      page.routeWebSocket(/\/sdk\/v1\/connect/, (socket) => {
        route = socket
        const server = socket.connectToServer()
        server.onMessage((text) => {
          told.push(`${text}`)
          socket.send(text)
        })
      })
    const page = await shop.open(context, { rollout, live: true, user: { id: 'ada', plan: 'beta' } }, { prepare })
    await connected(page)
    // So that there are patches too.
    await setWeight(rollout, 90)
    await expect.poll(() => told.some((text) => text.includes('"patch"'))).toBe(true)
    await setWeight(rollout, 100)
    await expect.poll(() => told.filter((text) => text.includes('"patch"')).length).toBe(2)
    const kinds = [...new Map(told.map((text) => [JSON.parse(text).type as string, text])).values()]
    expect(kinds.length).toBeGreaterThan(1)
    kinds.push('{"type":"ping"}', '{"type":"ack","seq":1}', '{"type":"error","code":"x","message":"y","retry":false}')
    const decide = () =>
      ask(page, 'const { variant, reason, payload } = sdk.decide(); return { variant, reason, payload }')
    const good = await decide()
    expect(good).toEqual({ variant: 'canary', reason: 'split', payload: { color: 'red' } })
    const send = (text: string | Buffer) => route?.send(text)
    for (const text of kinds) for (let i = 0; i < text.length; i++) send(text.slice(0, i))
    for (const text of kinds) {
      const { type } = JSON.parse(text) as { type: string }
      for (const wrong of [null, 1, 'x', [], {}, [null], { rollouts: null }, { version: 'x' }]) {
        send(JSON.stringify(wrong))
        send(JSON.stringify({ type, ruleset: wrong }))
        send(JSON.stringify({ type, from: wrong, to: wrong, version: wrong, changed: wrong, rollouts: wrong }))
        send(JSON.stringify({ type, seq: wrong, code: wrong, message: wrong, flushMs: wrong, heartbeatMs: wrong }))
      }
      send(Buffer.from(text))
    }
    for (const garbage of [
      '',
      ' ',
      '\0',
      '\ud800',
      '😀',
      '{"__proto__":{"type":"ruleset"}}',
      '['.repeat(50_000),
      '9'.repeat(5000),
    ])
      send(garbage)
    // All was heard by then.
    await expect.poll(() => ask(page, 'return sdk.status().lastError === undefined')).toBe(false)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(await decide()).toEqual(good)
    // Wrong in its depth, a ruleset may be taken, but breaks nothing.
    const whole = kinds.find((text) => text.includes('"ruleset"')) ?? ''
    for (const deep of spoiled(JSON.parse(whole))) send(JSON.stringify(deep))
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(['canary', 'stable']).toContain(await ask(page, 'return sdk.variant()'))
    // The next good word heals.
    send(whole.replace(/"version":\d+/, '"version":999999'))
    await expect.poll(decide).toEqual(good)
    await use(page, rollout, 3)
    expect(await ask(page, 'return sdk.flush()')).toBe(true)
    await page.close({ runBeforeUnload: true })
    await shop.expectCounted(rollout, { n: 3, converted: 1, bought: 2 })
  })
})

/** The same with something else at one of its places. */
function* spoiled(value: unknown): Generator<unknown> {
  if (typeof value !== 'object' || value === null) return
  for (const [name, inner] of Object.entries(value)) {
    const copy = (put: unknown) => (Array.isArray(value) ? value.with(Number(name), put) : { ...value, [name]: put })
    for (const wrong of [null, -1, 'x', [], {}, true]) if (name !== 'type') yield copy(wrong)
    for (const deeper of spoiled(inner)) yield copy(deeper)
  }
}
