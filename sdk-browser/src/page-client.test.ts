import { hashSeeds, prepareSalt, userBucket } from '@pipit/shared/hash'
import type { PageRollout, PageRuleset } from '@pipit/shared/protocol'
import { parseSdkMessage } from '@pipit/shared/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PageClientOptions } from './api.ts'
import { createFakePage, type FakePage } from './fake-page.ts'
import { createPageClient } from './page-client.ts'

const rolloutOf = (changes: Partial<PageRollout> = {}): PageRollout => ({
  ...{ phase: 'running', salt: '0123456789abcdef', hash: 1, epoch: 1, stage: 'half', weight: 100 },
  variants: [{ name: 'stable' }, { name: 'canary', payload: 'red' }],
  events: ['purchase'],
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

interface Report {
  readonly seq: number
  readonly outcomes: readonly { readonly variant: string; readonly buckets: readonly number[] }[]
  readonly exposures: readonly { readonly units: readonly string[] }[]
  readonly events: readonly { readonly event: string }[]
}

/** A page whose server greets with the ruleset and takes reports. */
function setup(
  options: Partial<PageClientOptions> = {},
  { fake = createFakePage(), ruleset = rulesetOf() }: { fake?: FakePage; ruleset?: PageRuleset } = {},
) {
  const reports: Report[] = []
  const hellos: { readonly [field: string]: unknown }[] = []
  const faults: unknown[] = []
  fake.script = (message) => {
    const parsed = parseSdkMessage(JSON.stringify(message))
    if (!parsed.ok) faults.push(parsed.error)
    if (message.type === 'hello') {
      hellos.push(message)
      return wholeOf(ruleset)
    }
    if (message.type !== 'report') return message.type === 'ping' ? { type: 'pong' } : undefined
    reports.push(message as never)
    return { type: 'ack', seq: message.seq }
  }
  const sdk = createPageClient(
    { url: 'https://pipit.test/base/', key: 'web_k', rollout: 'shop', user: 'ada', ...options },
    fake.page,
  )
  return { fake, sdk, reports, hellos, faults, clock: fake.clock }
}

/** That of ada, the same as in every SDK. */
const bucket = userBucket(prepareSalt('0123456789abcdef', hashSeeds.user), 'ada')

describe('a client in a page', () => {
  it('greets with its user, decides, and reports what happened once', async () => {
    const { fake, sdk, reports, hellos, faults, clock } = setup({ userHash: 'ab'.repeat(32), cookies: { trial: '1' } })
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
    sdk.outcome(decision, { ok: true, latencyMs: 12 })
    sdk.outcome(decision, { ok: false, kind: '5xx' })
    sdk.track(undefined, 'purchase', { value: 5, id: 'order-1' })
    sdk.track(undefined, 'nobody counts this')
    expect(sdk.status().pending).toEqual({ reports: 0, outcomes: 1, exposures: 1, events: 2 })
    await clock.advance(1000)
    expect(faults).toEqual([])
    expect(reports).toHaveLength(1)
    expect(reports[0]).toMatchObject({
      seq: 1,
      outcomes: [
        { rollout: 'shop', epoch: 1, variant: 'canary', stratum: 'split', columns: 4, kinds: { '5xx': [bucket, 1] } },
      ],
      exposures: [{ rollout: 'shop', reason: 'split', units: ['0000000000000000'] }],
      events: [{ event: 'purchase', unit: '0000000000000000', value: 5, id: 'order-1', ageMs: 1000 }],
    })
    expect(reports[0]?.outcomes[0]?.buckets).toEqual([bucket, 2, 1, 1])
    await clock.advance(60_000)
    expect(reports).toHaveLength(1)
    expect(sdk.status()).toMatchObject({
      ...{ connected: true, transport: 'socket', version: 1, source: 'server', breakers: [], lastError: undefined },
      pending: { reports: 0, outcomes: 0, exposures: 0, events: 0 },
    })
  })

  it('counts outcomes above the thresholds of the ruleset, by slices too', async () => {
    const { sdk, reports, clock } = setup(
      { user: { id: 'ada', country: 'NZ' } },
      { ruleset: rulesetOf({ thresholds: { version: 3, ms: [10, 100] }, slices: ['country'] }) },
    )
    await clock.advance(0)
    for (const latencyMs of [5, 50, 500, Number.NaN]) sdk.outcome(sdk.decide(), { ok: true, latencyMs })
    await clock.advance(1000)
    expect(reports[0]?.outcomes).toMatchObject([
      { thresholds: 3, columns: 6, buckets: [bucket, 4, 0, 3, 2, 1], slices: { country: { NZ: [4, 0, 3, 2, 1] } } },
    ])
  })

  it('keeps a decision in mid-page, until the page asks for a new one', async () => {
    const { fake, sdk, clock } = setup({}, { ruleset: rulesetOf({ weight: 0 }) })
    await clock.advance(0)
    expect(sdk.variant()).toBe('stable')
    fake.socket.say(patchOf(1, { weight: 100, epoch: 2 }))
    expect(sdk.variant()).toBe('stable')
    expect(sdk.variant('bob')).toBe('canary')
    sdk.refresh()
    expect(sdk.variant()).toBe('canary')
    fake.socket.say(patchOf(2, { variants: [{ name: 'stable' }, { name: 'canary', payload: 'blue' }] }))
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
    ['a revert', { phase: 'reverted' }],
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
    const script = fake.script
    fake.script = undefined
    fake.socket.lose()
    await clock.advance(61_000)
    expect(sdk.decide()).toMatchObject({ variant: 'stable', reason: 'deadman' })
    fake.script = script
    await clock.advance(60_000)
    expect(sdk.variant()).toBe('canary')
  })

  it('asks for everything where a patch does not fit', async () => {
    const { fake, sdk, hellos, clock } = setup()
    await clock.advance(0)
    fake.socket.say(patchOf(7, { phase: 'reverted' }))
    expect(hellos).toHaveLength(2)
    await clock.advance(0)
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
    const cells = reports[0]?.outcomes.map(({ variant, buckets }) => [variant, buckets[1], buckets[2]])
    expect(cells).toEqual([
      ['canary', 2, 2],
      ['stable', 2, 0],
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

  it('is there before a socket is, and a client that is closed at once opens none', async () => {
    const { fake, sdk, clock } = setup({ bootstrap: rulesetOf() })
    expect([sdk.variant(), fake.sockets.length]).toEqual(['canary', 0])
    const early = setup()
    await Promise.all([early.sdk.close(), early.clock.advance(0), clock.advance(0)])
    await early.clock.advance(60_000)
    expect([fake.sockets.length, early.fake.sockets.length]).toEqual([1, 0])
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
    ['damaged', (fake: FakePage) => Object.assign(fake.storage, { get: () => '{"print":' })],
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
    one.fake.socket.say(patchOf(1, { phase: 'reverted' }))
    two.fake.happen('storage', { key: [...storage.keys()][0] as string })
    expect(two.sdk.variant()).toBe('stable')
  })
})

describe('the way to the server', () => {
  it('is tried again after ever longer times, and by HTTP after three failures', async () => {
    const { fake, sdk, clock } = setup()
    const script = fake.script
    fake.script = undefined
    await clock.advance(0)
    for (let i = 0; i < 3; i++) {
      fake.socket.lose()
      await clock.advance(4000)
    }
    expect(fake.requests.length).toBeGreaterThan(0)
    expect(sdk.status().transport).toBe('none')
    let reported = ''
    fake.answer = (url, init) => {
      if (url.endsWith('/page')) return { status: 200, body: JSON.stringify(wholeOf(rulesetOf())), etag: '"1"' }
      reported = String(init.body)
      return { status: 200, body: JSON.stringify({ type: 'ack', seq: JSON.parse(reported).seq }) }
    }
    await clock.advance(30_000)
    expect(sdk.status()).toMatchObject({ transport: 'http', connected: true, version: 1 })
    sdk.outcome(sdk.decide(), { ok: true })
    await clock.advance(1000)
    expect(JSON.parse(reported)).toMatchObject({ type: 'report', seq: 1, outcomes: [{ variant: 'canary' }] })
    expect(sdk.status().pending.reports).toBe(0)
    fake.answer = (_url, { headers }) => ({
      status: JSON.stringify(headers).includes('none-match') ? 304 : 500,
      body: '',
    })
    await clock.advance(30_000)
    expect(sdk.status()).toMatchObject({ transport: 'http', version: 1 })
    fake.script = script
    await clock.advance(60_000)
    expect(sdk.status().transport).toBe('socket')
  })

  it('gives a request up that gets no answer, and asks again', async () => {
    const fake = createFakePage()
    Object.assign(fake.page, { WebSocket: undefined })
    const { sdk, clock } = setup({}, { fake })
    fake.hangs = true
    await clock.advance(20_000)
    expect(fake.requests).toHaveLength(1)
    fake.hangs = false
    fake.answer = () => ({ status: 200, body: JSON.stringify(wholeOf(rulesetOf())) })
    await clock.advance(40_000)
    expect(sdk.status()).toMatchObject({ transport: 'http', version: 1 })
  })

  it('sends a report again, unchanged, until it is acknowledged', async () => {
    const { fake, sdk, reports, clock } = setup()
    await clock.advance(0)
    const script = fake.script
    const lost: unknown[] = []
    fake.script = (message) => (message.type === 'report' ? void lost.push(message) : { type: 'pong' })
    sdk.outcome(sdk.decide(), { ok: true })
    await clock.advance(1000)
    sdk.outcome(sdk.decide(), { ok: true })
    await clock.advance(11_000)
    expect(lost).toHaveLength(2)
    expect(lost[1]).toEqual(lost[0])
    fake.script = script
    fake.socket.lose()
    await clock.advance(3000)
    expect(reports.map(({ seq }) => seq)).toEqual([1, 2])
    expect(reports[0]).toEqual(lost[0])
  })

  it('is given up where the server is silent for three heartbeats', async () => {
    const { fake, sdk, clock } = setup()
    await clock.advance(0)
    fake.script = () => undefined
    await clock.advance(50_000)
    expect(fake.sockets[0]?.isClosed).toBe(true)
    expect(sdk.variant()).toBe('canary')
  })

  it('is quiet in a hidden tab after a minute, and there again when it is looked at', async () => {
    const { fake, sdk, clock } = setup()
    await clock.advance(0)
    sdk.outcome(sdk.decide(), { ok: true })
    fake.hidden = true
    fake.happen('visibilitychange')
    expect(fake.beacons).toHaveLength(1)
    await clock.advance(61_000)
    expect(fake.socket.isClosed).toBe(true)
    expect(clock.timers).toBe(0)
    fake.hidden = false
    fake.happen('visibilitychange')
    await clock.advance(0)
    expect(sdk.status().connected).toBe(true)
  })

  it('tells its last report when the page is left, and the same again when it comes back', async () => {
    const { fake, sdk, reports, clock } = setup()
    await clock.advance(0)
    sdk.outcome(sdk.decide(), { ok: true })
    fake.happen('pagehide')
    expect(fake.beacons[0]?.url).toBe('https://pipit.test/base/sdk/v1/beacon')
    const { key, instance, report } = JSON.parse(fake.beacons[0]?.body ?? '{}')
    expect([key, report.seq, report.outcomes[0].buckets[1]]).toEqual(['web_k', 1, 1])
    expect(instance).toMatch(/^[\w.-]{8,64}$/)
    expect([fake.socket.isClosed, clock.timers]).toEqual([true, 0])
    fake.happen('pageshow')
    await clock.advance(0)
    expect(reports).toEqual([report])
    expect(sdk.status().pending.reports).toBe(0)
  })

  it('uses fetch where the browser takes no beacon', async () => {
    const { fake, sdk, clock } = setup()
    await clock.advance(0)
    fake.takesBeacons = false
    sdk.variant()
    fake.happen('freeze')
    expect(fake.requests[0]).toMatchObject({ url: expect.stringMatching(/beacon$/), init: { keepalive: true } })
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
  it('changes after what was counted for the one before was sent as theirs', async () => {
    const { fake, sdk, hellos, clock } = setup()
    await clock.advance(0)
    sdk.variant()
    const ready = sdk.setUser({ id: 'bob' }, { userHash: 'cd'.repeat(32) })
    expect(sdk.decide()).toMatchObject({ randomised: false, unit: 'bob' })
    await clock.advance(0)
    expect(await ready).toBe(true)
    const types = fake.socket.sent.map(({ type }) => type)
    expect(types).toEqual(['hello', 'applied', 'report', 'hello', 'applied'])
    expect(hellos[1]).toMatchObject({ user: { id: 'bob' }, userHash: 'cd'.repeat(32) })
    expect(sdk.decide()).toMatchObject({ randomised: true, unit: 'bob' })
  })

  it('is another one for a moment: decided by the split alone, and no event of theirs is told', async () => {
    const ruleset = rulesetOf({ weight: 0, result: { variant: 'canary', reason: 'override' } })
    const { sdk, clock } = setup({}, { ruleset })
    await clock.advance(0)
    expect([sdk.variant('ada'), sdk.variant('bob'), sdk.variant({ id: 'ada' })]).toEqual(['canary', 'stable', 'canary'])
    expect(sdk.variants()).toEqual({ shop: 'canary' })
    expect(sdk.variants('bob')).toEqual({ shop: 'stable' })
    sdk.track('bob', 'purchase')
    expect(sdk.status().dropped.invalid).toBe(1)
  })

  it('is assigned by the anonymous id where the server does not believe who it is', async () => {
    const { fake, sdk, clock } = setup({ user: { id: 'ada', anonymousId: 'cookie-1' }, userHash: 'made up' })
    const answer = fake.script
    fake.script = (message, socket) => {
      if (message.type === 'hello') {
        expect(message).not.toHaveProperty('userHash')
        queueMicrotask(() => socket.say({ type: 'error', code: 'user-hash', message: 'prove it', retry: false }))
      }
      return answer?.(message, socket)
    }
    const ready = sdk.ready()
    await clock.advance(0)
    expect(await ready).toBe(true)
    expect(sdk.decide()).toMatchObject({ variant: 'canary', reason: 'split', randomised: true, unit: 'cookie-1' })
    expect(sdk.decide('ada')).toMatchObject({ randomised: false })
    await clock.advance(3000)
    const anonymous = userBucket(prepareSalt('0123456789abcdef', hashSeeds.user), 'cookie-1')
    sdk.outcome(sdk.decide(), { ok: true })
    await clock.advance(3000)
    const reported = fake.socket.sent.filter(({ type }) => type === 'report') as unknown as readonly Report[]
    expect(reported.at(-1)?.outcomes[0]?.buckets[0]).toBe(anonymous)
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

describe('views of a page', () => {
  it('fail with the first uncaught error, and are well when the page is left without one', async () => {
    const { fake, sdk, clock } = setup({ watchErrors: true })
    await clock.advance(0)
    sdk.variant()
    fake.happen('error', { target: 'an image' })
    fake.happen('error', { target: fake.page })
    fake.happen('unhandledrejection', { target: fake.page })
    fake.happen('pagehide')
    const failed = JSON.parse(fake.beacons[0]?.body ?? '{}').report.outcomes
    expect(failed).toMatchObject([{ variant: 'canary', buckets: [bucket, 1, 1, 0] }])
    const well = setup({ watchErrors: { rollout: 'shop' } }, { ruleset: rulesetOf({ weight: 0 }) })
    await well.clock.advance(0)
    well.sdk.variant()
    well.fake.happen('pagehide')
    const { report } = JSON.parse(well.fake.beacons[0]?.body ?? '{}')
    expect(report.outcomes).toMatchObject([{ variant: 'stable', buckets: [bucket, 1, 0, 0] }])
  })
})

describe('what could go wrong', () => {
  it('keeps the last good state through anything that a server may say, and never throws', async () => {
    const { fake, sdk, clock } = setup()
    await clock.advance(0)
    const good = JSON.stringify(wholeOf(rulesetOf({}, 2)))
    const fields = [
      'phase',
      'salt',
      'hash',
      'epoch',
      'weight',
      'variants',
      'events',
      'slices',
      'deal',
      'result',
      'thresholds',
    ]
    const wrong = fc.record({
      field: fc.constantFrom(...fields),
      value: fc.constantFrom<unknown>(null, {}, true, [3], [null]),
    })
    const junk = fc.oneof(
      fc.string(),
      fc.json(),
      fc.nat(good.length - 1).map((end) => good.slice(0, end)),
      wrong.map(({ field, value }) =>
        JSON.stringify(wholeOf({ version: 2, rollouts: { shop: { ...rolloutOf(), [field]: value } } } as never)),
      ),
      wrong.map(({ field, value }) => JSON.stringify(patchOf(1, { [field]: value ?? true }))),
      fc
        .record({
          type: fc.constantFrom('patch', 'ack', 'error', 'ping', 'ruleset'),
          ruleset: fc.anything(),
          seq: fc.anything(),
        })
        .map((message) => JSON.stringify(message)),
    )
    fc.assert(
      fc.property(junk, (text) => {
        fake.socket.say(text)
        expect(sdk.decide()).toMatchObject({ variant: 'canary', version: 1 })
      }),
      { numRuns: 5000 },
    )
    await clock.advance(0)
    fake.socket.say(good)
    expect(sdk.status().version).toBe(2)
  })

  it('never throws over a ruleset of strange values, and takes the next good one', async () => {
    const { fake, sdk, clock } = setup()
    await clock.advance(0)
    const strange = fc.dictionary(fc.constantFrom(...Object.keys(rolloutOf())), fc.anything())
    fc.assert(
      fc.property(strange, fc.string(), (fields, key) => {
        fake.socket.say(
          wholeOf({ version: 3, rollouts: { shop: { ...rolloutOf(), ...fields }, [key]: rolloutOf() } } as never),
        )
        expect(typeof sdk.variant()).toBe('string')
        fake.socket.say(wholeOf(rulesetOf({}, 4)))
        expect(sdk.status().version).toBe(4)
      }),
      { numRuns: 1000 },
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
    for (let i = 0; i < 3; i++) fake.socket.say('{"type":')
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
        sdk.variants(a as never)
      }),
      { numRuns: 1000 },
    )
    expect(sdk.status().dropped.invalid).toBeGreaterThan(0)
    const trap = new Proxy({}, { get: () => fc.assert(undefined as never) })
    expect(sdk.decide(undefined, trap)).toMatchObject({ variant: 'stable', reason: 'not-ready' })
    expect(sdk.variant(trap, 'shop')).toBe('stable')
  })

  it('bounds what waits while nobody takes it, and counts what it drops', async () => {
    const { fake, sdk, clock } = setup()
    await clock.advance(0)
    fake.script = () => undefined
    for (let i = 0; i < 2000; i++) sdk.track(undefined, 'purchase')
    for (let i = 0; i < 500; i++) sdk.outcome({ ...sdk.decide(), epoch: i }, { ok: true })
    const { pending, dropped } = sdk.status()
    expect(pending).toMatchObject({ events: 500, outcomes: 100 })
    expect(dropped).toMatchObject({ events: 1500, outcomes: 400 })
  })

  it('lets a report go that the server refuses for good, and counts it', async () => {
    const { fake, sdk, clock } = setup()
    await clock.advance(0)
    fake.script = ({ type, seq }) =>
      type === 'report' ? { type: 'error', code: 'bad-report', message: 'no', retry: false, seq } : undefined
    sdk.outcome(sdk.decide(), { ok: true })
    await clock.advance(1000)
    expect(sdk.status()).toMatchObject({ pending: { reports: 0 }, dropped: { outcomes: 1, exposures: 1 } })
  })
})

describe('what a page renders from', () => {
  const bootstrap = rulesetOf({}, 1)

  it('is what the bootstrap says, whoever came and whatever happened after, without exposing anybody', async () => {
    const { sdk, clock } = setup({ bootstrap }, { ruleset: rulesetOf({ phase: 'reverted', weight: 0 }, 2) })
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
      return one.reports.flatMap((report) => report.exposures).length
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
    fake.socket.say(patchOf(2, { phase: 'reverted' }))
    expect(seen.slice(2)).toEqual(['canary', 'stable'])
    await sdk.setUser('eve')
    expect(news).toBeGreaterThan(4)
    off()
    const before = news
    sdk.refresh()
    expect(news).toBe(before)
  })
})
