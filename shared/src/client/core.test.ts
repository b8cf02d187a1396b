import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Ruleset, RulesetRollout } from '../rules/index.ts'
import { createFakeClock, createFakeServer, fairWeather, seededRandom, type Weather } from '../testing/index.ts'
import type { ClientOptions } from './api.ts'
import { createClientCore } from './core.ts'
import type { Store } from './platform.ts'

const rollout: RulesetRollout = {
  phase: 'running',
  salt: '0123456789abcdef',
  hash: 1,
  epoch: 1,
  stage: 'half',
  weight: 50,
  variants: [{ name: 'stable' }, { name: 'canary' }],
  thresholds: { version: 1, ms: [10, 20] },
  events: ['purchase'],
}

const rulesetOf = (version: number, changes: Partial<RulesetRollout> = {}): Ruleset => ({
  version,
  environment: 'production',
  unitSalt: 'unit-salt-012345',
  rollouts: { checkout: { ...rollout, ...changes } },
  cohorts: {},
})

function setup(
  options: Partial<ClientOptions> & {
    readonly store?: Store
    readonly seed?: number
    readonly sockets?: boolean
    readonly ruleset?: Ruleset
  } = {},
) {
  const clock = createFakeClock()
  const random = seededRandom(options.seed ?? 1)
  const server = createFakeServer(clock, random, options.ruleset ?? rulesetOf(1))
  const warnings: string[] = []
  const { store, seed: _seed, sockets, ruleset: _ruleset, ...clientOptions } = options
  const sdk = createClientCore(
    {
      sdk: { name: 'test', version: '1' },
      clock,
      random,
      ...(sockets === false ? {} : { connect: server.connect }),
      request: server.request,
      ...(store === undefined ? {} : { store }),
      log: { warn: (message) => warnings.push(message) },
    },
    { url: 'http://127.0.0.1:4400', key: 'srv_x', rollout: 'checkout', ...clientOptions },
  )
  return { clock, server, sdk, warnings }
}

const counted = (
  reports: readonly {
    readonly outcomes?: readonly { readonly buckets: readonly number[]; readonly columns: number }[]
  }[],
): number => {
  let n = 0
  for (const report of reports)
    for (const cell of report.outcomes ?? [])
      for (let i = 1; i < cell.buckets.length; i += cell.columns) n += cell.buckets[i] as number
  return n
}

describe('deciding', () => {
  it('serves stable before there is a ruleset, and decides once it has come', async () => {
    const { clock, sdk } = setup()
    expect(sdk.decide('user-2')).toMatchObject({ variant: 'stable', reason: 'not-ready' })
    await clock.advance(10)
    expect(sdk.decide('user-2').reason).toBe('split')
    expect(sdk.status()).toMatchObject({ connected: true, transport: 'socket', version: 1, source: 'server' })
  })

  it('tells who waits for readiness, and who waits in vain', async () => {
    const { clock, server, sdk } = setup()
    server.state = 'away'
    const inVain = sdk.ready({ timeoutMs: 1000 })
    await clock.advance(1000)
    expect(await inVain).toBe(false)
    server.state = 'up'
    const inTime = sdk.ready({ timeoutMs: 60_000 })
    await clock.advance(60_000)
    expect(await inTime).toBe(true)
  })

  it('takes what is newest of bootstrap, store and server', async () => {
    const stored = JSON.stringify({ type: 'ruleset', flushMs: 1000, heartbeatMs: 15_000, ruleset: rulesetOf(7) })
    const { clock, server, sdk } = setup({
      bootstrap: rulesetOf(5),
      store: { load: async () => stored, save: async () => undefined },
    })
    server.state = 'away'
    expect(sdk.status()).toMatchObject({ version: 5, source: 'bootstrap' })
    await clock.advance(0)
    expect(sdk.status()).toMatchObject({ version: 7, source: 'store' })
    server.state = 'up'
    await clock.advance(60_000)
    expect(sdk.status()).toMatchObject({ version: 1, source: 'server' })
  })

  it('leaves a damaged store out, says so once, and writes a good one over it', async () => {
    const saved: string[] = []
    const { clock, sdk, warnings } = setup({
      store: { load: async () => '{"half', save: async (text) => void saved.push(text) },
    })
    await clock.advance(5000)
    expect(sdk.status().version).toBe(1)
    expect(warnings).toEqual([expect.stringContaining('damaged')])
    expect(saved).toHaveLength(1)
    expect(JSON.parse(saved[0] as string)).toMatchObject({ ruleset: { version: 1 } })
  })

  it('applies patches, confirms them, and asks for the whole ruleset when one does not fit', async () => {
    const { clock, server, sdk } = setup()
    await clock.advance(10)
    const changes: unknown[] = []
    sdk.on('change', (change) => changes.push(change))
    server.setRuleset(rulesetOf(2, { weight: 100, epoch: 2 }))
    server.broadcast({ type: 'patch', from: 1, version: 2, rollouts: { checkout: { weight: 100, epoch: 2 } } })
    await clock.advance(10)
    expect(sdk.variant('user-1')).toBe('canary')
    expect(changes).toEqual([{ version: 2, rollouts: ['checkout'] }])
    expect(server.received).toContainEqual({ type: 'applied', version: 2 })
    for (const version of [3, 4, 5])
      server.broadcast({ type: 'patch', from: version - 1, version, rollouts: { checkout: { weight: version } } })
    await clock.advance(10)
    expect(server.received.filter(({ type }) => type === 'applied').slice(-2)).toEqual([
      { type: 'applied', version: 2 },
      { type: 'applied', version: 5 },
    ])
    server.setRuleset(rulesetOf(9, { weight: 0, epoch: 3 }))
    server.broadcast({ type: 'patch', from: 8, version: 9, rollouts: { checkout: { weight: 0, epoch: 3 } } })
    await clock.advance(10)
    expect(server.received.filter((message) => message.type === 'hello').at(-1)).not.toHaveProperty('version')
    expect(sdk.status().version).toBe(9)
  })

  it('serves stable after so long without contact, and decides again with it', async () => {
    const { clock, server, sdk } = setup({ ruleset: rulesetOf(1, { deadmanMs: 600_000, weight: 100 }) })
    await clock.advance(10)
    server.state = 'away'
    await clock.advance(599_000)
    expect(sdk.variant('user-1')).toBe('canary')
    await clock.advance(10_000)
    expect(sdk.decide('user-1')).toMatchObject({ variant: 'stable', reason: 'deadman' })
    server.state = 'up'
    await clock.advance(60_000)
    expect(sdk.variant('user-1')).toBe('canary')
  })
})

describe('counting', () => {
  it('sends each outcome, exposure and event once, in one report a second', async () => {
    const { clock, server, sdk } = setup()
    await clock.advance(10)
    for (let i = 0; i < 100; i++) {
      const decision = sdk.decide(`user-${i % 10}`)
      sdk.outcome(decision, { ok: Math.floor(i / 10) % 4 !== 0, latencyMs: i })
    }
    sdk.track('user-1', 'purchase', { value: 3, id: 'order-1' })
    sdk.track('user-1', 'seen-by-no-metric')
    await clock.advance(3000)
    expect(server.accepted).toHaveLength(1)
    const [report] = server.accepted
    expect(counted(server.accepted)).toBe(100)
    expect(report?.exposures?.flatMap((cell) => cell.units)).toHaveLength(10)
    expect(report?.events).toEqual([
      {
        event: 'purchase',
        unit: expect.stringMatching(/^[0-9a-f]{16}$/),
        ageMs: expect.any(Number),
        value: 3,
        id: 'order-1',
      },
    ])
    expect(sdk.status().pending).toEqual({ reports: 0, outcomes: 0, exposures: 0, events: 0 })
  })

  it('sends a report that is on its way once, though changes come meanwhile, and again on a new socket', async () => {
    const { clock, server, sdk } = setup()
    await clock.advance(10)
    const reports = () => server.received.filter((message) => message.type === 'report').length
    server.weather = { ...fairWeather, delayMs: 400 }
    sdk.outcome(sdk.decide('user-1'), { ok: true })
    await clock.advance(1000)
    for (let version = 1; version < 5; version++) {
      server.broadcast({
        type: 'patch',
        from: version,
        version: version + 1,
        rollouts: { checkout: { weight: version } },
      })
      await clock.advance(50)
    }
    await clock.advance(2000)
    expect(sdk.status().version).toBe(5)
    expect(reports()).toBe(1)
    sdk.outcome(sdk.decide('user-2'), { ok: true })
    await clock.advance(1100)
    server.closeAll(1006, '')
    await clock.advance(4000)
    expect(counted(server.accepted)).toBe(2)
  })

  it('keeps an hour of outage in bounded memory and loses nothing of it', async () => {
    const { clock, server, sdk } = setup()
    await clock.advance(10)
    server.state = 'away'
    server.closeAll(1006, '')
    await clock.advance(5)
    for (let minute = 0; minute < 60; minute++) {
      for (let i = 0; i < 16_667; i++) sdk.outcome(sdk.decide(`user-${i % 500}`), { ok: true, latencyMs: 5 })
      await clock.advance(60_000)
    }
    expect(sdk.status().pending.outcomes).toBeLessThanOrEqual(4)
    server.state = 'up'
    await clock.advance(120_000)
    expect(counted(server.accepted)).toBe(60 * 16_667)
    expect(sdk.status().dropped.outcomes).toBe(0)
  })

  it('counts once whatever the network does', async () => {
    const weather = fc.record({
      refuse: fc.double({ min: 0, max: 0.5, noNaN: true }),
      cut: fc.double({ min: 0, max: 0.3, noNaN: true }),
      damage: fc.double({ min: 0, max: 0.3, noNaN: true }),
      delayMs: fc.integer({ min: 0, max: 3000 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.nat(), weather, async (seed, bad: Weather) => {
        const { clock, server, sdk } = setup({ seed })
        await clock.advance(10)
        server.weather = bad
        const units = new Set<string>()
        let n = 0
        for (let step = 0; step < 20; step++) {
          for (let i = 0; i < 5; i++) {
            const unit = `user-${(step * 5 + i) % 30}`
            const decision = sdk.decide(unit)
            if (decision.reason !== 'split') continue
            sdk.outcome(decision, { ok: true })
            units.add(unit)
            n++
          }
          await clock.advance(700)
        }
        server.weather = { refuse: 0, cut: 0, damage: 0, delayMs: 1 }
        await clock.advance(120_000)
        expect(counted(server.accepted)).toBe(n)
        const told = server.accepted.flatMap((report) => report.exposures ?? []).flatMap((cell) => cell.units)
        expect(told).toHaveLength(units.size)
        expect(new Set(told).size).toBe(units.size)
      }),
      { numRuns: 40 },
    )
  })

  it('counts each user once whose exposure is lost because too many wait', async () => {
    const { clock, server, sdk } = setup({ maxRememberedUnits: 200_000 })
    await clock.advance(10)
    server.state = 'away'
    const decideAll = (): number => {
      let split = 0
      for (let i = 0; i < 100_500; i++) if (sdk.decide(`user-${i}`).reason === 'split') split++
      return split
    }
    const all = decideAll()
    expect(decideAll()).toBe(all)
    expect(sdk.status().pending.exposures).toBe(100_000)
    server.state = 'up'
    server.closeAll(1006, '')
    await clock.advance(60_000)
    const told = server.accepted.flatMap(({ exposures = [] }) => exposures.flatMap(({ units }) => units))
    expect(new Set(told).size).toBe(100_000)
    const dropped = server.accepted.reduce((sum, report) => sum + (report.dropped?.exposures ?? 0), 0)
    expect(dropped).toBe(all - 100_000)
    expect(sdk.status().dropped.exposures).toBe(dropped)
  })

  it('drops and counts a report that the server refuses for good, and goes on', async () => {
    const { clock, server, sdk, warnings } = setup()
    await clock.advance(10)
    server.weather = { refuse: 0, cut: 0, damage: 1, delayMs: 1 }
    sdk.outcome(sdk.decide('user-1'), { ok: true })
    await clock.advance(1500)
    server.weather = { refuse: 0, cut: 0, damage: 0, delayMs: 1 }
    server.broadcast({ type: 'error', code: 'bad-report', message: 'no', retry: false, seq: 1 })
    await clock.advance(10)
    expect(sdk.status().dropped.outcomes).toBe(1)
    expect(warnings.join()).toContain('refused report 1')
    sdk.outcome(sdk.decide('user-2'), { ok: true })
    await clock.advance(3000)
    expect(counted(server.accepted)).toBe(1)
    expect(server.accepted[0]?.dropped).toMatchObject({ outcomes: 1 })
  })

  it.each(['socket', 'http'] as const)(
    'waits as long as a server that has too much to do asks, and merges: %s',
    async (transport) => {
      const { clock, server, sdk } = setup({ sockets: transport === 'socket' })
      await clock.advance(1000)
      server.busyMs = 20_000
      sdk.outcome(sdk.decide('user-1'), { ok: true })
      await clock.advance(1500)
      const reports = () => server.received.filter((message) => message.type === 'report')
      expect(reports()).toHaveLength(1)
      for (let second = 0; second < 15; second++) {
        sdk.outcome(sdk.decide('user-1'), { ok: true })
        await clock.advance(1000)
      }
      expect(reports()).toHaveLength(1)
      server.busyMs = undefined
      await clock.advance(20_000)
      // The one that was refused, unchanged, and one for all that came meanwhile.
      expect(reports().map(({ seq }) => seq)).toEqual([1, 1, 2])
      expect(counted(server.accepted)).toBe(16)
      expect(sdk.status().dropped.outcomes).toBe(0)
    },
  )

  it('flushes on demand and says whether it could', async () => {
    const { clock, server, sdk } = setup()
    await clock.advance(10)
    sdk.outcome(sdk.decide('user-1'), { ok: true })
    const done = sdk.flush({ timeoutMs: 5000 })
    await clock.advance(100)
    expect(await done).toBe(true)
    server.state = 'away'
    sdk.outcome(sdk.decide('user-2'), { ok: true })
    const inVain = sdk.flush({ timeoutMs: 5000 })
    await clock.advance(6000)
    expect(await inVain).toBe(false)
  })
})

describe('the connection', () => {
  it('falls back to HTTP where no socket opens, and returns to the socket', async () => {
    const { clock, server, sdk } = setup()
    server.state = 'no-sockets'
    await clock.advance(60_000)
    expect(sdk.status()).toMatchObject({ connected: true, transport: 'http', version: 1 })
    sdk.outcome(sdk.decide('user-1'), { ok: true })
    await clock.advance(20_000)
    expect(counted(server.accepted)).toBe(1)
    server.state = 'up'
    await clock.advance(60_000)
    expect(sdk.status().transport).toBe('socket')
  })

  it('lives on HTTP alone where there are no sockets at all', async () => {
    const { clock, server, sdk } = setup({ sockets: false })
    await clock.advance(1000)
    sdk.outcome(sdk.decide('user-1'), { ok: true })
    await clock.advance(20_000)
    expect(counted(server.accepted)).toBe(1)
  })

  it('gives up a server that has gone silent, and comes back', async () => {
    const { clock, server, sdk } = setup()
    await clock.advance(10)
    server.state = 'away'
    await clock.advance(50_000)
    expect(sdk.status().connected).toBe(false)
    server.state = 'up'
    await clock.advance(60_000)
    expect(sdk.status().connected).toBe(true)
  })

  it('survives garbage', async () => {
    const { clock, server, sdk, warnings } = setup()
    await clock.advance(10)
    for (const text of [
      '',
      'x',
      '[]',
      'null',
      '{"type":"ruleset"}',
      '{"type":"patch","from":1,"version":2,"rollouts":{"checkout":{"weight":"x"}}}',
      '{"type":"__proto__"}',
    ])
      server.broadcast(text)
    await clock.advance(100)
    expect(sdk.decide('user-1').reason).toBe('split')
    expect(warnings.length).toBeLessThanOrEqual(2)
  })
})

describe('the local breaker', () => {
  it('opens a second after what it has seen, without another outcome, and asks the clock at none', async () => {
    const { clock, sdk } = setup()
    await clock.advance(10)
    const timers = clock.timers
    for (let i = 0; i < 300; i++) {
      const decision = sdk.decide(`user-${i}`)
      sdk.outcome(decision, { ok: decision.variant === 'stable' })
    }
    expect(clock.timers).toBe(timers + 1)
    await clock.advance(999)
    expect(sdk.status().breakers).toEqual([])
    await clock.advance(2)
    expect(sdk.status().breakers).toEqual(['checkout'])
    await clock.advance(5000)
    expect(clock.timers).toBeLessThanOrEqual(timers)
  })

  it('serves stable where the canary fails far more, tells the server, and closes with the next epoch', async () => {
    const { clock, server, sdk } = setup()
    await clock.advance(10)
    for (let second = 0; second < 5; second++) {
      for (let i = 0; i < 50; i++) {
        const decision = sdk.decide(`user-${i}`)
        sdk.outcome(decision, { ok: decision.variant === 'stable' })
      }
      await clock.advance(1100)
    }
    const open = Array.from({ length: 50 }, (_, i) => sdk.decide(`user-${i}`))
    expect(open.every(({ variant, reason }) => variant === 'stable' && reason === 'breaker')).toBe(true)
    expect(sdk.status().breakers).toEqual(['checkout'])
    await clock.advance(2000)
    expect(server.accepted.at(-1)?.breakers?.[0]).toMatchObject({ rollout: 'checkout', epoch: 1 })
    server.broadcast({ type: 'patch', from: 1, version: 2, rollouts: { checkout: { epoch: 2 } } })
    await clock.advance(2000)
    expect(sdk.decide('user-1').reason).toBe('split')
    expect(server.accepted.at(-1)?.breakers).toEqual([])
  })

  it('leaves a canary alone that fails as often as stable', async () => {
    const { clock, sdk } = setup()
    const random = seededRandom(3)
    await clock.advance(10)
    for (let second = 0; second < 200; second++) {
      for (let i = 0; i < 50; i++) sdk.outcome(sdk.decide(`user-${Math.floor(random() * 500)}`), { ok: random() > 0.2 })
      await clock.advance(1000)
    }
    expect(sdk.status().breakers).toEqual([])
  })
})

describe('an application that calls it wrongly', () => {
  it('gets stable and no exception', async () => {
    const { clock, sdk } = setup()
    await clock.advance(10)
    const cyclic: { [key: string]: unknown } = { id: 'user-1' }
    cyclic.self = cyclic
    const hostile = Object.defineProperty({}, 'id', {
      get() {
        throw new Error('mine')
      },
    })
    for (const value of [undefined, null, 1, [], cyclic, hostile, () => 1]) {
      expect(() => sdk.variant(value as never, value as never)).not.toThrow()
      expect(() => sdk.outcome(value as never, value as never)).not.toThrow()
      expect(() => sdk.track(value as never, value as never, value as never)).not.toThrow()
    }
    sdk.outcome(sdk.decide('user-1'), { ok: true, latencyMs: Number.NaN })
    sdk.track('user-1', 'purchase', { value: Number.POSITIVE_INFINITY })
    expect(sdk.status().dropped.invalid).toBeGreaterThan(2)
    sdk.on('change', () => {
      throw new Error('a listener that throws')
    })
  })
})

describe('run', () => {
  it('runs the path of the variant, times it, and rethrows its error untouched', async () => {
    const { clock, server, sdk } = setup({ ruleset: rulesetOf(1, { weight: 100 }) })
    await clock.advance(10)
    expect(await sdk.run('user-1', { stable: () => 's', canary: async () => 'c' })).toBe('c')
    const error = new Error('of the application')
    await expect(sdk.run('user-1', { stable: () => 's', canary: () => Promise.reject(error) })).rejects.toBe(error)
    await clock.advance(2000)
    const [cell] = server.accepted[0]?.outcomes ?? []
    expect(cell).toMatchObject({ variant: 'canary', stratum: 'split' })
    expect(cell?.buckets.slice(1, 4)).toEqual([2, 1, 2])
  })

  it('falls back to stable when asked to, and reports both, the second apart from the comparison', async () => {
    const { clock, server, sdk } = setup({ ruleset: rulesetOf(1, { weight: 100 }) })
    await clock.advance(10)
    const result = await sdk.run(
      'user-1',
      {
        stable: () => 's',
        canary: () => {
          throw new Error('no')
        },
      },
      { fallback: true },
    )
    expect(result).toBe('s')
    await clock.advance(2000)
    expect(server.accepted[0]?.outcomes?.map(({ variant, stratum }) => [variant, stratum])).toEqual([
      ['canary', 'split'],
      ['stable', 'forced'],
    ])
  })
})
