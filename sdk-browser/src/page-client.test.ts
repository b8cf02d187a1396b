import {
  type PagePost,
  type PageRollout,
  type PageRuleset,
  parsePagePost,
  parseSdkMessage,
} from '@pipit/shared/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PageClientOptions } from './api.ts'
import { createFakePage, type FakePage } from './fake-page.ts'
import { createPageClient } from './page-client.ts'

const rolloutOf = (changes: Partial<PageRollout> = {}): PageRollout => ({
  ...{ phase: 'running', salt: '0123456789abcdef', hash: 1, epoch: 1, stage: 'half', weight: 100 },
  ...{ canary: 'canary', payloads: { canary: 'red' }, events: ['purchase'] },
  ...changes,
})
const rulesetOf = (changes: Partial<PageRollout> = {}, version = 1): PageRuleset => ({
  version,
  rollouts: { shop: rolloutOf(changes) },
})
const wholeOf = (ruleset: PageRuleset) => ({ type: 'ruleset', ruleset, flushMs: 1000, heartbeatMs: 15_000 })
const patchOf = (from: number, changes: object) => ({
  type: 'patch',
  from,
  version: from + 1,
  rollouts: { shop: changes },
})

const reverted = { phase: 'reverted', result: { variant: 'stable', reason: 'phase' } } as const

interface Told {
  readonly seq: number
  readonly user: unknown
  /** What happened, each with its latencies. */
  readonly items: readonly (readonly [{ readonly [field: string]: unknown }, readonly unknown[]])[]
  readonly dropped: object
}
type Posted = Extract<PagePost, { readonly type: 'hello' }>

const itemsOf = (posts: readonly Told[], field: string) =>
  posts.flatMap(({ items }) => items.filter(([item]) => field in item))
const outcomesOf = (posts: readonly Told[]) => itemsOf(posts, 'ok')

/** A page whose server greets with the ruleset and takes reports. */
function setup(
  options: Partial<PageClientOptions> = {},
  { fake = createFakePage(), ruleset = rulesetOf() }: { fake?: FakePage; ruleset?: PageRuleset } = {},
) {
  const reports: Told[] = []
  const posts: Posted[] = []
  const hellos: { readonly [field: string]: unknown }[] = []
  const faults: unknown[] = []
  fake.script = (message) => {
    const parsed = parseSdkMessage(JSON.stringify(message))
    if (!parsed.ok) faults.push(parsed.error)
    if (message.type !== 'hello') return undefined
    hellos.push(message)
    return wholeOf(ruleset)
  }
  fake.answer = (_, { body }) => {
    const text = String(body)
    const envelope = parsePagePost(text)
    const parsed = envelope.ok ? envelope.message.read() : envelope
    if (!parsed.ok || parsed.message.reports.some((one) => !one.ok || one.message.leftOut)) faults.push(parsed)
    const post = JSON.parse(text) as Posted
    posts.push(post)
    for (const { items, ...rest } of post.reports ?? []) {
      const read = Object.entries(items).map(([item, times]) => [JSON.parse(item), times] as const)
      reports.push({ ...rest, items: read } as never)
    }
    const acks = (post.reports ?? []).map(({ seq }) => ({ type: 'ack', seq }))
    return { status: 200, body: JSON.stringify(post.type === 'hello' ? [...acks, wholeOf(ruleset)] : acks) }
  }
  const sdk = createPageClient(
    { url: 'https://pipit.test/base/', key: 'web_k', rollout: 'shop', user: 'ada', ...options },
    fake.page,
  )
  return { fake, sdk, reports, posts, hellos, faults, clock: fake.clock }
}

describe('a client in a page', () => {
  it('greets with its user, decides, and reports what happened once', async () => {
    const { fake, sdk, reports, posts, hellos, faults, clock } = setup({
      userHash: 'ab'.repeat(32),
      cookies: { trial: '1' },
    })
    expect(sdk.decide()).toMatchObject({ variant: 'stable', reason: 'not-ready' })
    const ready = sdk.ready()
    await clock.advance(0)
    expect(await ready).toBe(true)
    expect(fake.socket).toMatchObject({
      url: 'wss://pipit.test/base/sdk/v1/connect',
      protocols: ['pipit.v1', 'key.web_k'],
    })
    expect(hellos[0]).toMatchObject({
      protocol: 1,
      user: { id: 'ada' },
      userHash: 'ab'.repeat(32),
      cookies: { trial: '1' },
    })
    expect(fake.socket.sent).toContainEqual({ type: 'applied', version: 1 })
    const decision = sdk.decide()
    expect(decision).toMatchObject({ variant: 'canary', payload: 'red', reason: 'split', randomised: true })
    sdk.variant('ada')
    sdk.outcome(decision, { ok: true, latencyMs: 12.34 })
    sdk.outcome(decision, { ok: true, latencyMs: Number.NaN })
    sdk.outcome(decision, { ok: false, kind: '5xx' })
    sdk.track(undefined, 'purchase', { value: 5, id: 'order-1' })
    sdk.track(undefined, 'nobody counts this')
    expect(sdk.status().pending).toBe(1)
    await clock.advance(1000)
    expect(faults).toEqual([])
    expect(posts).toMatchObject([{ type: 'reports', key: 'web_k', sdk: { name: 'sdk-browser' }, now: 1000 }])
    expect(fake.requests[0]).toMatchObject({
      url: 'https://pipit.test/base/sdk/v1/page',
      // More than 64 KiB would be refused with `keepalive`.
      init: { method: 'POST', keepalive: false },
    })
    const head = { rollout: 'shop', epoch: 1, variant: 'canary', reason: 'split', randomised: true }
    expect(reports).toEqual([
      {
        ...{ seq: 1, dropped: {}, user: { id: 'ada' }, userHash: 'ab'.repeat(32), cookies: { trial: '1' } },
        items: [
          [head, [0]],
          [{ ...head, ok: true }, [12.3, null]],
          [{ ...head, ok: false, kind: '5xx' }, [null]],
          [{ event: 'purchase', value: 5, id: 'order-1', at: 0 }, [0]],
        ],
      },
    ])
    await clock.advance(60_000)
    expect(reports).toHaveLength(1)
    expect(sdk.status()).toMatchObject({
      ...{ connected: true, transport: 'socket', version: 1, source: 'server', lastError: undefined },
      ...{ pending: 0, dropped: 0 },
    })
  })

  it('keeps a decision in mid-page, until the page asks for a new one', async () => {
    const { fake, sdk, clock } = setup({}, { ruleset: rulesetOf({ weight: 0 }) })
    await clock.advance(0)
    expect(sdk.variant()).toBe('stable')
    fake.socket.say(patchOf(1, { weight: 100, epoch: 2 }))
    expect(sdk.variant()).toBe('stable')
    sdk.refresh()
    expect(sdk.variant()).toBe('canary')
    fake.socket.say(patchOf(2, { payloads: { canary: 'blue' } }))
    expect(sdk.decide().payload).toBe('red')
    const changes: unknown[] = []
    const off = sdk.on('change', (change) => changes.push(change))
    fake.socket.say(patchOf(3, { stage: 'full', epoch: 3 }))
    expect(sdk.decide()).toMatchObject({ payload: 'blue', epoch: 3 })
    expect(changes).toEqual([{ version: 4, rollouts: ['shop'] }])
    off()
    fake.socket.say(patchOf(4, { epoch: 4 }))
    expect(changes).toHaveLength(1)
    expect(sdk.decide().epoch).toBe(4)
  })

  it.each<[string, object]>([
    ['a revert', reverted],
    ['a lower weight that takes the user out', { weight: 0, epoch: 2 }],
  ])('lets %s through at once', async (_, change) => {
    const { fake, sdk, clock } = setup()
    await clock.advance(0)
    expect(sdk.variant()).toBe('canary')
    fake.socket.say(patchOf(1, change))
    expect(sdk.variant()).toBe('stable')
  })

  it('gives stable where the server was silent for as long as the rollout allows, and comes back', async () => {
    const { fake, sdk, clock } = setup({}, { ruleset: rulesetOf({ deadmanMs: 60_000 }) })
    await clock.advance(0)
    expect(sdk.variant()).toBe('canary')
    const { script, answer } = fake
    Object.assign(fake, { script: undefined, answer: undefined })
    fake.socket.lose()
    await clock.advance(61_000)
    expect(sdk.decide()).toMatchObject({ variant: 'stable', reason: 'deadman' })
    Object.assign(fake, { script, answer })
    await clock.advance(60_000)
    expect(sdk.variant()).toBe('canary')
  })

  it('asks for everything where a patch does not fit', async () => {
    const { fake, sdk, hellos, clock } = setup()
    await clock.advance(0)
    fake.socket.say(patchOf(7, reverted))
    expect([sdk.variant(), sdk.status().lastError]).toEqual(['canary', 'unreadable message'])
    await clock.advance(1000)
    expect(hellos).toHaveLength(2)
    expect(sdk.status()).toMatchObject({ version: 1, connected: true })
  })

  it('runs the path of the variant, tells its failure, and falls back', async () => {
    const { sdk, reports, clock } = setup()
    await clock.advance(0)
    const paths = {
      stable: () => 'old',
      canary: () => {
        throw new Error('broken')
      },
    }
    expect(await sdk.run(undefined, paths, { fallback: true })).toBe('old')
    await expect(sdk.run(undefined, paths)).rejects.toThrow('broken')
    expect(await sdk.run(undefined, { stable: () => 'only' } as never)).toBe('only')
    await clock.advance(1000)
    expect(outcomesOf(reports).map(([item, ms]) => [item.variant, item.ok, item.randomised, ms])).toEqual([
      ['canary', false, true, [0, 0]],
      ['stable', true, false, [0, 0]],
    ])
  })

  it('has a run without a path for stable fail, and judges by what it is given', async () => {
    const { sdk, reports, clock } = setup()
    await clock.advance(0)
    await expect(sdk.run(undefined, {} as never)).rejects.toThrow('no path stable')
    const judged = { isOk: (n: unknown) => n === 1, kindOf: () => 'application' as const }
    const paths = { stable: () => 0, canary: () => 2 }
    expect(await sdk.run(undefined, paths, judged)).toBe(2)
    const broken = () => {
      throw new Error('a judge')
    }
    expect(await sdk.run(undefined, paths, { isOk: broken, kindOf: broken })).toBe(2)
    await clock.advance(1000)
    expect(outcomesOf(reports).map(([{ ok, kind }]) => [ok, kind])).toEqual([
      [false, 'application'],
      [false, undefined],
    ])
  })
})

describe('where a ruleset comes from', () => {
  it('is the bootstrap at once, then the server', async () => {
    const { sdk, clock } = setup({
      bootstrap: rulesetOf({ result: { variant: 'canary', reason: 'override' }, weight: 0 }),
    })
    expect(sdk.decide()).toMatchObject({ variant: 'canary', reason: 'override' })
    expect(sdk.status()).toMatchObject({ source: 'bootstrap', ageMs: 0, version: 1 })
    await clock.advance(0)
    expect(sdk.status().source).toBe('server')
  })

  it('is there before a socket is, and a client that is closed at once leaves none open', async () => {
    const { fake, sdk, clock } = setup({ bootstrap: rulesetOf() })
    expect([sdk.variant(), fake.sockets.length]).toEqual(['canary', 0])
    const early = setup()
    await Promise.all([early.sdk.close(), early.clock.advance(0), clock.advance(0)])
    await early.clock.advance(60_000)
    expect([fake.sockets.length, early.fake.sockets.every(({ isClosed }) => isClosed)]).toEqual([1, true])
  })

  it('is storage for the next page of the same user, with its age, and for nobody else', async () => {
    const first = setup()
    await first.clock.advance(0)
    const later = createFakePage(first.fake.storage)
    await later.clock.advance(5000)
    const stored = createPageClient({ url: 'https://pipit.test/base/', key: 'web_k', user: 'ada' }, later.page)
    expect(stored.status()).toMatchObject({ source: 'store', ageMs: 5000, version: 1 })
    expect(stored.variant(undefined, 'shop')).toBe('canary')
    later.clock.jump(-3_600_000)
    for (const user of ['bob', { id: 'ada', plan: 'beta' }]) {
      const other = createPageClient({ url: 'https://pipit.test/base/', key: 'web_k', user }, later.page)
      expect(other.status().source).toBe('none')
    }
    const early = createPageClient({ url: 'https://pipit.test/base/', key: 'web_k', user: 'ada' }, later.page)
    expect(early.status()).toMatchObject({ source: 'store', ageMs: 0 })
  })

  it.each([
    ['blocked', (fake: FakePage) => Object.assign(fake, { blocksStorage: true })],
    ['damaged', (fake: FakePage) => Object.assign(fake.storage, { get: () => '[1,' })],
    ['somebody else’s', (fake: FakePage) => Object.assign(fake.storage, { get: () => '{"print":1}' })],
    ['full', (fake: FakePage) => Object.assign(fake.storage, { set: () => fc.assert(undefined as never) })],
  ])('is the server alone where storage is %s', async (_, harm) => {
    const fake = createFakePage()
    harm(fake)
    const { sdk, clock } = setup({}, { fake })
    expect(sdk.status().source).toBe('none')
    await clock.advance(0)
    expect(sdk.variant()).toBe('canary')
  })

  it('is another tab, where that one heard of a change first', async () => {
    const storage = new Map<string, string>()
    const [one, two] = [setup({}, { fake: createFakePage(storage) }), setup({}, { fake: createFakePage(storage, 2) })]
    await one.clock.advance(0)
    await two.clock.advance(0)
    expect(two.sdk.variant()).toBe('canary')
    one.fake.socket.say(patchOf(1, reverted))
    two.fake.happen('storage')
    expect(two.sdk.variant()).toBe('stable')
  })
})

describe('the way to the server', () => {
  it('brings again what another tab has told already, which is no trouble', async () => {
    const storage = new Map<string, string>()
    const [one, two] = [setup({}, { fake: createFakePage(storage) }), setup({}, { fake: createFakePage(storage, 2) })]
    await one.clock.advance(0)
    await two.clock.advance(0)
    for (const version of [1, 2]) one.fake.socket.say(patchOf(version, { weight: 100 - version }))
    two.fake.happen('storage')
    expect(two.sdk.status()).toMatchObject({ version: 3, source: 'store' })
    for (const version of [1, 2, 3]) two.fake.socket.say(patchOf(version, { weight: 100 - version }))
    expect(two.sdk.status()).toMatchObject({ version: 4, source: 'server', lastError: undefined, connected: true })
    expect(two.hellos).toHaveLength(1)
    one.fake.socket.say(patchOf(3, { weight: 96 }))
    one.fake.socket.say(patchOf(4, { weight: 95 }))
    two.fake.happen('storage')
    // The hour changed what a rule says, before the version that the other tab has.
    two.fake.socket.say({ ...patchOf(4, { result: { variant: 'stable', reason: 'rule' } }), version: 4 })
    expect(two.sdk.status()).toMatchObject({ version: 5, lastError: undefined, connected: true })
    two.fake.socket.say({ ...patchOf(5, { result: { variant: 'stable', reason: 'rule' } }), version: 5 })
    two.sdk.refresh()
    expect([two.sdk.decide().reason, two.hellos.length]).toEqual(['rule', 1])
  })

  it('is tried again after ever longer times, and by HTTP after three failures', async () => {
    const { fake, sdk, posts, reports, clock } = setup()
    const { script, answer } = fake
    fake.script = undefined
    fake.answer = undefined
    await clock.advance(0)
    for (let i = 0; i < 3; i++) {
      fake.socket.lose()
      await clock.advance(4000)
    }
    expect(fake.requests.length).toBeGreaterThan(0)
    expect(sdk.status().transport).toBe('none')
    fake.answer = answer
    await clock.advance(30_000)
    expect(posts[0]).toMatchObject({ type: 'hello', protocol: 1, user: { id: 'ada' }, reports: [] })
    expect(sdk.status()).toMatchObject({ transport: 'http', connected: true, version: 1 })
    sdk.outcome(sdk.decide(), { ok: true })
    await clock.advance(1000)
    expect(reports).toMatchObject([{ seq: 1 }])
    expect(sdk.status().pending).toBe(0)
    fake.answer = () => ({ status: 502, body: '<html>a proxy</html>' })
    await clock.advance(30_000)
    expect(sdk.status()).toMatchObject({ transport: 'none', version: 1 })
    fake.script = script
    await clock.advance(60_000)
    expect(sdk.status().transport).toBe('socket')
  })

  it('comes ever more seldom where the server answers a greeting with a refusal', async () => {
    const { fake, clock } = setup()
    fake.answer = undefined
    const refusal = { type: 'error', code: 'protocol-version', message: 'upgrade', retry: false }
    fake.script = (_, socket) => {
      queueMicrotask(() => {
        socket.say(refusal)
        socket.lose(4400, 'protocol version')
      })
      return undefined
    }
    await clock.advance(600_000)
    expect(fake.sockets.length).toBeLessThan(80)
    expect(fake.requests.length).toBeGreaterThan(5)
  })

  it('hears nothing over HTTP that was true before the socket', async () => {
    const { fake, sdk, clock } = setup()
    const { script, answer } = fake
    fake.script = undefined
    let late = (): void => undefined
    fake.page.fetch = (url, init) =>
      new Promise((resolve) => {
        const { body } = answer?.(url, init) ?? { body: '' }
        late = () => resolve({ ok: true, text: async () => body })
      })
    await clock.advance(0)
    for (let i = 0; i < 3; i++) {
      fake.socket.lose()
      await clock.advance(2 ** i * 1000 - (i === 2 ? 3990 : 0))
    }
    fake.script = (message, socket) => (script?.(message, socket) ? wholeOf(rulesetOf(reverted, 2)) : undefined)
    await clock.advance(9000)
    expect(sdk.status()).toMatchObject({ transport: 'socket', version: 2 })
    late()
    await clock.advance(0)
    expect([sdk.variant(), sdk.status().version]).toEqual(['stable', 2])
  })

  it('gives a request up that gets no answer, and asks again', async () => {
    const fake = createFakePage()
    Object.assign(fake.page, { WebSocket: undefined })
    const { sdk, clock } = setup({}, { fake })
    fake.hangs = true
    await clock.advance(10_000)
    expect([fake.requests.length > 0, sdk.status().transport]).toEqual([true, 'none'])
    fake.hangs = false
    await clock.advance(40_000)
    expect(sdk.status()).toMatchObject({ transport: 'http', version: 1 })
  })

  it('sends a report again, unchanged, until it is acknowledged, with what came since', async () => {
    const { fake, sdk, reports, clock } = setup()
    await clock.advance(0)
    const { answer } = fake
    const lost: unknown[] = []
    fake.answer = (_, { body }) => {
      lost.push(JSON.parse(String(body)).reports)
      return {
        status: 503,
        body: JSON.stringify([{ type: 'error', code: 'unavailable', message: 'later', retry: true, seq: 1 }]),
      }
    }
    sdk.outcome(sdk.decide(), { ok: true })
    await clock.advance(1000)
    sdk.outcome(sdk.decide(), { ok: true })
    await clock.advance(11_000)
    expect(lost).toMatchObject([[{ seq: 1 }], [{ seq: 1 }, { seq: 2 }]])
    expect((lost as unknown[][])[1]?.[0]).toEqual((lost as unknown[][])[0]?.[0])
    expect(sdk.status()).toMatchObject({ pending: 2, dropped: 0, transport: 'socket' })
    fake.answer = answer
    await clock.advance(10_000)
    expect(reports.map(({ seq }) => seq)).toEqual([1, 2])
    expect(sdk.status().pending).toBe(0)
  })

  it('is given up where the server is silent for three heartbeats', async () => {
    const { fake, sdk, clock } = setup()
    await clock.advance(0)
    fake.script = () => undefined
    await clock.advance(50_000)
    expect(fake.sockets[0]?.isClosed).toBe(true)
    expect(sdk.variant()).toBe('canary')
  })

  it('is quiet in a hidden tab, and there again when it is looked at', async () => {
    const { fake, sdk, reports, clock } = setup()
    await clock.advance(0)
    sdk.outcome(sdk.decide(), { ok: true })
    fake.hidden = true
    fake.happen('visibilitychange')
    expect([fake.requests.length, fake.socket.isClosed, clock.timers]).toEqual([1, true, 1])
    await clock.advance(600_000)
    expect([fake.requests.length, fake.sockets.length, clock.timers]).toEqual([1, 1, 0])
    fake.hidden = false
    fake.happen('visibilitychange')
    await clock.advance(1000)
    expect(sdk.status()).toMatchObject({ connected: true, pending: 0 })
    expect(reports).toHaveLength(1)
  })

  it('tells its last report when the page is left, and the same again when it comes back without an answer', async () => {
    const { fake, sdk, reports, clock } = setup()
    await clock.advance(0)
    const { answer } = fake
    fake.answer = undefined
    sdk.outcome(sdk.decide(), { ok: true })
    fake.happen('pagehide')
    expect(fake.requests[0]?.init.keepalive).toBe(true)
    const [first] = JSON.parse(String(fake.requests[0]?.init.body)).reports
    await clock.advance(20_000)
    expect([fake.socket.isClosed, fake.requests.length, clock.timers]).toEqual([true, 1, 0])
    fake.answer = answer
    fake.happen('pageshow')
    await clock.advance(1000)
    expect(reports.map(({ seq }) => seq)).toEqual([first.seq])
    expect(sdk.status().pending).toBe(0)
  })

  it('leaves nothing behind where the page ends while a report is on its way', async () => {
    const { fake, sdk, clock } = setup()
    await clock.advance(0)
    fake.hangs = true
    sdk.outcome(sdk.decide(), { ok: true })
    await clock.advance(1500)
    sdk.track(undefined, 'purchase')
    fake.happen('pagehide')
    const sent = fake.requests.map(({ init }) => JSON.parse(String(init.body)).reports.map(({ seq }: Told) => seq))
    expect(sent).toEqual([[1], [1, 2]])
  })

  it('comes back at once when the network does', async () => {
    const { fake, clock } = setup()
    await clock.advance(0)
    fake.script = undefined
    fake.happen('offline')
    await clock.advance(20_000)
    const before = fake.sockets.length
    fake.socket.lose()
    fake.happen('online')
    expect(fake.sockets.length).toBe(before + 1)
  })

  it('is not there on a server that renders pages', () => {
    const { page, sockets } = createFakePage()
    const sdk = createPageClient(
      { url: 'https://pipit.test', key: 'web_k', rollout: 'shop', user: 'ada', bootstrap: rulesetOf() },
      { ...page, document: undefined, localStorage: undefined } as never,
    )
    expect([sdk.variant(), sockets.length]).toEqual(['canary', 0])
  })

  it('is over after close, which sends what was pending', async () => {
    const { fake, sdk, reports, clock } = setup()
    await clock.advance(0)
    sdk.variant()
    await Promise.all([sdk.close(), clock.advance(10)])
    expect(reports).toHaveLength(1)
    expect([fake.socket.isClosed, fake.listeners]).toEqual([true, 0])
    expect(sdk.variant()).toBe('canary')
  })
})

describe('the user of a page', () => {
  it('changes: what was counted for the one before is sent as theirs', async () => {
    const { fake, sdk, hellos, reports, clock } = setup()
    await clock.advance(0)
    sdk.variant()
    const ready = sdk.setUser({ id: 'bob' }, { userHash: 'cd'.repeat(32) })
    expect(sdk.decide()).toMatchObject({ variant: 'stable', reason: 'not-ready' })
    sdk.track(undefined, 'purchase')
    await clock.advance(0)
    expect(await ready).toBe(true)
    expect(fake.sockets.map(({ isClosed }) => isClosed)).toEqual([true, false])
    expect(hellos[1]).toMatchObject({ user: { id: 'bob' }, userHash: 'cd'.repeat(32) })
    expect(sdk.decide()).toMatchObject({ randomised: true, unit: 'bob' })
    await clock.advance(3000)
    expect(reports.map(({ user, items }) => [user, items.map(([item]) => item.event ?? item.variant)])).toEqual([
      [{ id: 'ada' }, ['canary']],
      [{ id: 'bob' }, ['purchase', 'canary']],
    ])
  })

  it('is asked about anew: what was said of the one before is not heard', async () => {
    const { fake, sdk, posts, clock } = setup()
    Object.assign(fake.page, { WebSocket: undefined })
    const { answer } = fake
    const tell: (() => void)[] = []
    fake.page.fetch = (url, init) =>
      new Promise((resolve) => {
        const { body } = answer?.(url, init) ?? { body: '' }
        tell.push(() => resolve({ ok: true, text: async () => body }))
      })
    await clock.advance(10_000)
    expect(posts[0]).toMatchObject({ type: 'hello', user: { id: 'ada' } })
    const ready = sdk.setUser('bob')
    tell[0]?.()
    await clock.advance(0)
    expect(sdk.status()).toMatchObject({ version: 0, source: 'none' })
    expect(posts.at(-1)).toMatchObject({ type: 'hello', user: { id: 'bob' } })
    tell.at(-1)?.()
    await clock.advance(0)
    expect([await ready, sdk.status().source]).toEqual([true, 'server'])
  })

  it('may be changed by a listener: what is said of the one before is neither heard any more nor kept as theirs', async () => {
    const storage = new Map<string, string>()
    const { fake, sdk, clock } = setup({}, { fake: createFakePage(storage) })
    const { script } = fake
    fake.script = (message, socket) =>
      (message.user as { id?: unknown } | undefined)?.id === 'ada' ? script?.(message, socket) : undefined
    sdk.on('change', () => void sdk.setUser('bob'))
    await clock.advance(0)
    expect(fake.socket.sent[0]).toMatchObject({ type: 'hello', user: { id: 'bob' } })
    const next = (user: string) => setup({ user }, { fake: createFakePage(storage, 2) }).sdk.status().source
    expect([sdk.status().source, next('bob'), next('ada')]).toEqual(['none', 'none', 'store'])
  })

  it('may be changed by a listener that hears of trouble, over HTTP too', async () => {
    const { fake, sdk, clock } = setup()
    Object.assign(fake.page, { WebSocket: undefined })
    const { answer } = fake
    fake.answer = (url, init) => {
      const { body } = answer?.(url, init) ?? { body: '' }
      if (JSON.parse(String(init.body)).user.id !== 'ada') return { status: 200, body: '[]' }
      const wrong = { type: 'error', code: 'user-hash', message: 'not proved', retry: false }
      return { status: 200, body: JSON.stringify([wrong, ...JSON.parse(body)]) }
    }
    sdk.on('error', () => void sdk.setUser('bob'))
    await clock.advance(10_000)
    expect(fake.requests.length).toBeGreaterThan(1)
    expect(sdk.status()).toMatchObject({ version: 0, lastError: 'not proved' })
  })

  it('may change ever again while nobody takes reports: what waits is bounded', async () => {
    const { fake, sdk, reports, clock } = setup({ bootstrap: rulesetOf() })
    const { answer } = fake
    fake.answer = undefined
    await clock.advance(0)
    for (let i = 0; i < 200; i++) {
      void sdk.setUser(`user-${i}`)
      sdk.track(undefined, 'purchase')
    }
    expect(sdk.status().pending).toBeLessThan(25)
    fake.answer = answer
    await clock.advance(60_000)
    const { dropped, pending } = sdk.status()
    expect([reports.length + dropped, pending]).toEqual([200, 0])
    const told = reports.map(({ dropped: counts }) => (counts as { reports?: number }).reports ?? 0)
    expect(told.reduce((sum, n) => sum + n, 0)).toBeGreaterThan(0)
  })

  it('is the only one that a page knows: of anybody else it says stable, and tells nothing', async () => {
    const ruleset = rulesetOf({ weight: 0, result: { variant: 'canary', reason: 'override' } })
    const { sdk, reports, clock } = setup({}, { ruleset })
    await clock.advance(0)
    expect([sdk.variant('ada'), sdk.variant('bob'), sdk.variant({ id: 'ada' })]).toEqual(['canary', 'stable', 'canary'])
    expect(sdk.decide('bob')).toMatchObject({ reason: 'not-ready', randomised: false })
    sdk.outcome(sdk.decide('bob'), { ok: true })
    sdk.track('bob', 'purchase')
    expect(sdk.status().dropped).toBe(1)
    await clock.advance(1000)
    expect(outcomesOf(reports)).toEqual([])
  })

  it('is assigned by the anonymous id where the server says so', async () => {
    const user = { id: 'ada', anonymousId: 'cookie-1' }
    const { fake, sdk, clock } = setup({ user, userHash: 'made up' }, { ruleset: rulesetOf({ unit: 'anonymousId' }) })
    await clock.advance(0)
    fake.socket.say({ type: 'error', code: 'user-hash', message: 'prove it', retry: false })
    expect(sdk.decide()).toMatchObject({ variant: 'canary', reason: 'split', randomised: true, unit: 'cookie-1' })
    expect(fake.warnings).toEqual(['pipit: prove it'])
  })

  it('may be what no server can be told: the id is what counts', async () => {
    const loop: { id: string; self?: unknown } = { id: 'ada' }
    loop.self = loop
    const { sdk, hellos, clock } = setup({ user: loop })
    await clock.advance(0)
    expect(hellos[0]).toMatchObject({ user: { id: 'ada' } })
    expect(sdk.variant()).toBe('canary')
  })
})

describe('what could go wrong', () => {
  it('keeps the last good state through anything that a server may say, never throws, and asks anew', async () => {
    const { fake, sdk, clock } = setup()
    await clock.advance(0)
    const good = JSON.stringify(wholeOf(rulesetOf({}, 2)))
    const wrong = fc.record({
      field: fc.constantFrom('hash', 'result', 'weight', 'unit'),
      value: fc.constantFrom<unknown>({}, true, [3], [null], 'x'),
    })
    const junk = fc.oneof(
      fc.string(),
      fc.json(),
      fc.nat(good.length - 1).map((end) => good.slice(0, end)),
      fc
        .constantFrom(null, [null], { shop: null }, { shop: 7 }, { shop: {} })
        .map((rollouts) => JSON.stringify(wholeOf({ version: 2, rollouts } as never))),
      fc.constantFrom(null, 'x', {}).map((version) => JSON.stringify(wholeOf({ ...rulesetOf(), version } as never))),
      wrong.map(({ field, value }) => JSON.stringify(patchOf(7, { [field]: value }))),
      fc
        .record({
          type: fc.constantFrom('patch', 'ack', 'error', 'ping', 'ruleset'),
          ruleset: fc.anything(),
          seq: fc.anything(),
          code: fc.anything(),
          message: fc.anything(),
        })
        .map((message) => JSON.stringify(message)),
    )
    await fc.assert(
      fc.asyncProperty(junk, async (text) => {
        fake.socket.say(text)
        expect(sdk.decide()).toMatchObject({ variant: 'canary', reason: 'split' })
        await clock.advance(31_000)
        expect(sdk.decide()).toMatchObject({ variant: 'canary', version: 1 })
        expect(sdk.status().transport).toBe('socket')
      }),
      { numRuns: 1000 },
    )
    fake.socket.say(good)
    expect(sdk.status().version).toBe(2)
  })

  it('never throws over a ruleset of strange values, and takes the next good one', async () => {
    const { fake, sdk, clock } = setup()
    await clock.advance(0)
    const strange = fc.dictionary(fc.constantFrom(...Object.keys(rolloutOf()), 'result', 'deadmanMs'), fc.anything())
    await fc.assert(
      fc.asyncProperty(strange, fc.string(), async (fields, key) => {
        fake.socket.say(
          JSON.stringify(
            wholeOf({ version: 3, rollouts: { shop: { ...rolloutOf(), ...fields }, [key]: rolloutOf() } } as never),
          ),
        )
        sdk.decide()
        sdk.track(undefined, 'purchase')
        await clock.advance(31_000)
        fake.socket.say(wholeOf(rulesetOf({}, 4)))
        expect(sdk.status()).toMatchObject({ version: 4, transport: 'socket' })
        sdk.refresh()
        expect(sdk.variant()).toBe('canary')
      }),
      { numRuns: 500 },
    )
  })

  it('says so once, and to listeners each time', async () => {
    const { fake, sdk, clock } = setup()
    await clock.advance(0)
    const errors: string[] = []
    sdk.on('error', ({ code }) => errors.push(code))
    sdk.on('error', () => {
      throw new Error('a listener')
    })
    for (let i = 0; i < 3; i++) {
      fake.socket.say('{"type":')
      await clock.advance(10_000)
    }
    expect(errors).toEqual(['bad-message', 'bad-message', 'bad-message'])
    expect(fake.warnings).toHaveLength(1)
  })

  it('takes no harm from calls in a wrong form, and counts them', async () => {
    const { sdk, clock } = setup()
    await clock.advance(0)
    fc.assert(
      fc.property(fc.anything(), fc.anything(), fc.anything(), (a, b, c) => {
        sdk.variant(a as never, b as never)
        sdk.outcome(a as never, b as never)
        sdk.track(a as never, b as never, c as never)
      }),
      { numRuns: 1000 },
    )
    expect(sdk.status().dropped).toBeGreaterThan(0)
    const trap = new Proxy({}, { get: () => fc.assert(undefined as never) })
    expect(sdk.decide(undefined, trap)).toMatchObject({ variant: 'stable', reason: 'not-ready' })
    expect(sdk.variant(trap, 'shop')).toBe('stable')
  })

  it('bounds what waits while nobody takes it, counts what it drops, and tells the server', async () => {
    const { fake, sdk, reports, clock } = setup()
    await clock.advance(0)
    const { answer } = fake
    fake.answer = undefined
    for (let i = 0; i < 2000; i++) sdk.track(undefined, 'purchase', { id: `order-${i}` })
    for (let i = 0; i < 5000; i++) sdk.outcome(sdk.decide(), { ok: true, latencyMs: i })
    const { dropped } = sdk.status()
    expect(dropped).toBeGreaterThan(4000)
    await clock.advance(1000)
    const body = String(fake.requests[0]?.init.body)
    expect(body.length).toBeGreaterThan(18_000)
    expect(body.length).toBeLessThan(30_000)
    fake.answer = answer
    await clock.advance(10_000)
    sdk.outcome(sdk.decide(), { ok: true })
    await clock.advance(2000)
    const kept = itemsOf(reports, 'event').length + outcomesOf(reports).reduce((n, [, ms]) => n + ms.length, 0)
    // With the exposure, for which there was no room either.
    expect(kept + dropped).toBe(7002)
    expect(reports[0]?.dropped).toEqual({ events: expect.any(Number), outcomes: expect.any(Number), exposures: 1 })
  })

  it('keeps what happens in a minute without the network', async () => {
    const { fake, sdk, reports, clock } = setup()
    await clock.advance(0)
    const { script, answer } = fake
    fake.script = undefined
    fake.answer = undefined
    fake.happen('offline')
    for (let i = 0; i < 600; i++) {
      sdk.outcome(sdk.decide(), { ok: true, latencyMs: i })
      if (i % 10 === 0) sdk.track(undefined, 'purchase', { id: `order-${i}` })
      await clock.advance(100)
    }
    Object.assign(fake, { script, answer })
    fake.happen('online')
    await clock.advance(20_000)
    expect(outcomesOf(reports).reduce((n, [, ms]) => n + ms.length, 0)).toBe(600)
    expect(itemsOf(reports, 'event')).toHaveLength(60)
    expect(sdk.status()).toMatchObject({ pending: 0, dropped: 0 })
  })

  it('lets a report go that the server refuses for good, and counts it', async () => {
    const { fake, sdk, clock } = setup()
    await clock.advance(0)
    fake.answer = () => {
      const refusal = { type: 'error', code: 'bad-report', message: 'no', retry: false, seq: 1 }
      return { status: 200, body: JSON.stringify([refusal]) }
    }
    sdk.outcome(sdk.decide(), { ok: true })
    await clock.advance(1000)
    expect(sdk.status()).toMatchObject({ pending: 0, dropped: 1, lastError: 'no' })
  })
})

describe('what a page renders from', () => {
  const bootstrap = rulesetOf({}, 1)

  it('is what the bootstrap says, whoever came and whatever happened after, without exposing anybody', async () => {
    const { sdk, clock } = setup({ bootstrap }, { ruleset: rulesetOf({ ...reverted, weight: 0 }, 2) })
    expect(sdk.initial()).toMatchObject({ variant: 'canary', payload: 'red', reason: 'split', unit: 'ada' })
    await clock.advance(5000)
    expect(sdk.variant()).toBe('stable')
    await sdk.setUser('eve')
    expect(sdk.initial('shop')).toMatchObject({ variant: 'canary', unit: 'ada', version: 1 })
    expect(sdk.initial('constructor')).toMatchObject({ variant: 'stable', reason: 'unknown-rollout' })
    expect(setup().sdk.initial()).toMatchObject({ variant: 'stable', reason: 'not-ready' })
    const exposures = async (ask: 'initial' | 'decide') => {
      const one = setup({ bootstrap })
      one.sdk[ask]()
      await one.clock.advance(5000)
      return one.reports.flatMap(({ items }) => items).length
    }
    expect([await exposures('initial'), await exposures('decide')]).toEqual([0, 1])
  })

  it('is told of news, another user and a refresh, and keeps what is kept', async () => {
    const { fake, sdk, clock } = setup(
      { bootstrap: rulesetOf({ weight: 0 }, 1) },
      { ruleset: rulesetOf({ weight: 0 }, 1) },
    )
    let news = 0
    const seen: string[] = []
    const off = sdk.on('decisions', () => {
      news++
      seen.push(sdk.variant())
    })
    expect(sdk.variant()).toBe('stable')
    await clock.advance(1000)
    expect(news).toBe(1)
    fake.socket.say(patchOf(1, { weight: 100 }))
    expect(seen).toEqual(['stable', 'stable'])
    sdk.refresh()
    expect(seen.at(-1)).toBe('canary')
    fake.socket.say(patchOf(2, reverted))
    expect(seen.slice(2)).toEqual(['canary', 'stable'])
    await sdk.setUser('eve')
    expect(news).toBeGreaterThan(4)
    off()
    const before = news
    sdk.refresh()
    expect(news).toBe(before)
  })
})
