/** Clients and a server with a connection between them that does what no stream should. `SEEDS=1000` runs as many, as `npm run faults` does, `SEED=7` one of them. */
import { describe, expect, it } from 'vitest'
import type { Random } from '../clock/index.ts'
import { encodeMessage } from '../protocol/index.ts'
import type { Ruleset } from '../rules/index.ts'
import { createFakeClock, createFakeServer, fairWeather, seededRandom } from '../testing/index.ts'
import { createClientCore } from './core.ts'
import type { ConnectionHandlers } from './platform.ts'

declare const process: { readonly env: { readonly [name: string]: string | undefined } } | undefined
const environment = typeof process === 'undefined' ? {} : process.env
const wanted = environment.SEED
const seeds =
  wanted === undefined ? Array.from({ length: Number(environment.SEEDS ?? 100) }, (_, i) => i + 1) : [Number(wanted)]

const rulesetOf = (version: number): Ruleset => ({
  ...{ version, environment: 'production', unitSalt: 'u', cohorts: {} },
  rollouts: {
    checkout: {
      ...{ phase: 'running', salt: '0123456789abcdef', hash: 1, epoch: version, stage: 'half', weight: 50 },
      variants: [{ name: 'stable' }, { name: 'canary' }],
    },
  },
})

function setup(seed: number) {
  const clock = createFakeClock()
  const server = createFakeServer(clock, seededRandom(seed + 1_000_000), rulesetOf(1))
  const sdk = createClientCore(
    {
      ...{ sdk: { name: 'test', version: '1' }, clock, random: seededRandom(seed + 2_000_000) },
      ...{ connect: server.connect, request: server.request, log: { warn: () => undefined } },
    },
    { url: 'http://control.example', key: 'srv_x', rollout: 'checkout' },
  )
  return { clock, server, sdk, version: 1, told: 0, mostSockets: 0 }
}
type World = ReturnType<typeof setup>

function publish(world: World): void {
  const { server } = world
  const version = ++world.version
  server.setRuleset(rulesetOf(version))
  server.broadcast({ type: 'patch', from: version - 1, version, rollouts: { checkout: { epoch: version } } })
}

function change({ server }: World, random: Random): void {
  const chance = (most: number): number => (random() < 0.5 ? 0 : most * random())
  server.weather = {
    ...{ refuse: chance(0.5), cut: chance(0.2), damage: chance(0.3), delayMs: 2000 * random() ** 3 },
    ...{ drop: chance(0.4), duplicate: chance(0.5), reorder: chance(0.5) },
  }
  server.state = (['up', 'up', 'up', 'away', 'no-sockets'] as const)[Math.floor(5 * random())] ?? 'up'
}

function use(world: World, first: number): void {
  for (let i = 0; i < 4; i++) {
    const decision = world.sdk.decide(`user-${first + i}`)
    if (decision.reason !== 'split') continue
    world.sdk.outcome(decision, { ok: true })
    world.told++
  }
}

async function run(seed: number): Promise<World> {
  const random = seededRandom(seed)
  const world = setup(seed)
  const { clock, server } = world
  for (let step = 0; step < 25; step++) {
    if (random() < 0.3) change(world, random)
    if (random() < 0.3) publish(world)
    if (random() < 0.1) server.closeAll(random() < 0.5 ? 1006 : 1001, random() < 0.5 ? '' : '3000')
    use(world, 4 * step)
    await clock.advance(2500 * random())
    world.mostSockets = Math.max(world.mostSockets, server.sockets)
  }
  server.weather = fairWeather
  server.state = 'up'
  await clock.advance(60_000)
  publish(world)
  await clock.advance(180_000)
  return world
}

describe('a connection that delays, drops, duplicates, reorders and truncates', () => {
  it.each(seeds)('ends with the newest ruleset and each outcome counted once: seed %i', async (seed) => {
    const { clock, server, sdk, version, told, mostSockets } = await run(seed)
    expect(sdk.status()).toMatchObject({ connected: true, transport: 'socket', version, pending: { reports: 0 } })
    expect(server.received.findLast((message) => message.type === 'applied')).toEqual({ type: 'applied', version })
    const cells = server.accepted.flatMap(({ outcomes = [] }) => outcomes)
    const counted = cells.reduce((sum, { buckets, columns }) => {
      return sum + buckets.reduce((n, number, i) => (i % columns === 1 ? n + number : n), 0)
    }, 0)
    expect(counted).toBe(told)
    const units = server.accepted.flatMap(({ exposures = [] }) => exposures.flatMap((cell) => cell.units))
    expect(new Set(units).size).toBe(units.length)
    expect(sdk.status().dropped).toMatchObject({ outcomes: 0, exposures: 0 })
    expect([mostSockets <= 1, server.sockets]).toEqual([true, 1])
    const closed = sdk.close()
    await clock.advance(5000)
    await closed
    await clock.advance(60_000)
    expect([server.sockets, clock.timers]).toEqual([0, 0])
  })
})

describe('what got lost on the way', () => {
  it('is a greeting too: it is sent again with the heartbeat', async () => {
    const { clock, server, sdk } = setup(1)
    server.weather = { ...fairWeather, drop: 1 }
    await clock.advance(10)
    expect(server.sockets).toBe(1)
    server.weather = fairWeather
    await clock.advance(16_000)
    expect(sdk.status()).toMatchObject({ version: 1, source: 'server' })
    expect(server.received.filter(({ type }) => type === 'hello')).toHaveLength(1)
    await clock.advance(60_000)
    expect(server.received.filter(({ type }) => type === 'hello')).toHaveLength(1)
    expect(server.received.some(({ type }) => type === 'ping')).toBe(true)
  })

  it('stays lost, where it comes from a socket that was given up', async () => {
    const clock = createFakeClock()
    const opened: ConnectionHandlers[] = []
    const sent: string[][] = []
    const sdk = createClientCore(
      {
        ...{ sdk: { name: 'test', version: '1' }, clock, random: () => 0.5, log: { warn: () => undefined } },
        request: () => new Promise(() => undefined),
        connect(_url, _key, handlers) {
          const texts: string[] = []
          opened.push(handlers)
          sent.push(texts)
          return { send: (text) => texts.push(text), bufferedBytes: () => 0, close: () => undefined }
        },
      },
      { url: 'http://control.example', key: 'srv_x', rollout: 'checkout' },
    )
    const whole = (version: number): string =>
      encodeMessage({ type: 'ruleset', ruleset: rulesetOf(version), flushMs: 1000, heartbeatMs: 15_000 })
    await clock.advance(1000)
    opened[0]?.open()
    opened[0]?.message(whole(5))
    // Three heartbeats of silence, and a wait.
    await clock.advance(48_000)
    opened[1]?.open()
    opened[1]?.message(whole(7))
    await clock.advance(1)
    for (const late of [() => opened[0]?.message(whole(6)), () => opened[0]?.close(1006, ''), () => opened[0]?.open()])
      late()
    await clock.advance(1)
    expect(sdk.status()).toMatchObject({ version: 7, connected: true })
    expect(opened).toHaveLength(2)
    expect(sent[1]?.filter((text) => text.includes('"hello"'))).toHaveLength(1)
  })
})
