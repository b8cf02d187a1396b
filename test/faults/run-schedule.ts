import { parseRollout } from '@pipit/server/rollout'
import { type Client, createClientCore } from '@pipit/shared/client'
import { type Clock, type Random, seededRandom } from '@pipit/shared/clock'
import { createFakeClock } from '@pipit/shared/testing'
import { calm, createNetwork, type NetworkWeather } from './schedule-network.ts'
import { type ScheduledServer, startScheduledServer } from './schedule-server.ts'

const clients = 3
const steps = 24
const hour = 3_600_000
const by = { actor: { kind: 'person', name: 'ada' } } as const

interface Count {
  readonly n: number
  readonly failed: number
}
type Counts = { [variant: string]: { n: number; failed: number } }

/** What the clients were told to count, and what the database says at the end. */
export interface Facts {
  readonly told: { readonly [variant: string]: Count }
  readonly stored: { readonly [variant: string]: Count }
  readonly exposed: { readonly told: number; readonly stored: number }
  readonly buyers: { readonly told: number; readonly stored: number }
  /** By what the applications' clients gave up, which they may not. */
  readonly dropped: readonly object[]
  /** Epochs of each rollout's changes, oldest first. */
  readonly epochs: { readonly [rollout: string]: readonly number[] }
  /** The ruleset's version that the server holds, and those of the clients. */
  readonly version: number
  readonly versions: readonly number[]
  /** What was done to them, in order. */
  readonly faults: readonly string[]
}

const counted = {
  key: 'counted',
  stages: [
    { name: 'half', weight: 50, hold: '30d' },
    { name: 'full', weight: 100 },
  ],
  metrics: [{ key: 'purchase', kind: 'conversion', event: 'purchase' }],
  guards: [{ metric: 'purchase', worseThan: { relative: 0.5 }, action: 'alert' }],
}
const walking = {
  key: 'walking',
  stages: [
    ...Array.from({ length: 20 }, (_, i) => ({ name: `step-${i}`, weight: 0, hold: '3s' })),
    { name: 'full', weight: 100 },
  ],
  analysis: { tick: '1s' },
}
const moved = { ...counted, key: 'moved' }

function definitionOf(file: object) {
  const parsed = parseRollout(file)
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues))
  return parsed.definition
}

const nextTurns = async (): Promise<void> => {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** A few clients and a server on a file, a network between them, and whatever the seed makes of it. */
export async function runSchedule(seed: number, file: string): Promise<Facts> {
  const random = seededRandom(seed)
  const clock = createFakeClock(1_700_000_000_000, nextTurns)
  const network = createNetwork(clock, random)
  const told = createTold()
  const faults: string[] = []
  const sdks = Array.from({ length: clients }, () => scheduledClient(clock, random, network))
  let server = startScheduledServer(file, clock, random)

  const upTo = (most: number): number => Math.floor(random() * (most + 1))

  async function start(): Promise<void> {
    network.hub = server.hub
    server.engine.start()
    await nextTurns()
  }

  async function killAndStart(): Promise<void> {
    network.hub = undefined
    network.loseAll()
    await server.kill()
    await clock.advance(upTo(5000))
    server = startScheduledServer(file, clock, random)
    await start()
  }

  function traffic(): void {
    for (let i = upTo(30); i > 0; i--) {
      const sdk = sdks[upTo(clients - 1)]?.sdk
      if (sdk !== undefined) told.happen(sdk, random)
    }
  }

  function blow(weather: NetworkWeather): void {
    network.weather = weather
  }

  function disk(trouble: ScheduledServer['trouble']): void {
    server.trouble = trouble
  }

  /** What may happen between two stretches of time. */
  const events: readonly (readonly [chance: number, name: string, run: () => Promise<void> | void])[] = [
    [0.4, 'weather', () => blow(stormy(random))],
    [0.2, 'calm', () => blow(calm)],
    [0.12, 'kill', killAndStart],
    [0.12, 'disk full', () => disk('full')],
    [0.06, 'read-only', () => disk('read-only')],
    [0.3, 'disk well', () => disk(undefined)],
    [0.1, 'server clock', () => server.jump(random() < 0.5 ? hour : -hour)],
    [0.1, 'client clock', () => sdks[upTo(clients - 1)]?.jump(random() < 0.5 ? hour : -hour)],
    [0.3, 'weight', () => setWeight()],
  ]

  async function setWeight(): Promise<void> {
    const command = { type: 'set-weight', weight: 10 + upTo(80) } as const
    // On a full disk it is refused, which is an answer as good as any.
    await server.engine.command('production', 'moved', command, by).catch(() => undefined)
  }

  async function begin(): Promise<void> {
    await server.engine.createEnvironment('production', by)
    await start()
    for (const file of [counted, walking, moved]) {
      const made = await server.engine.create('production', definitionOf(file), by)
      const begun = await server.engine.command('production', file.key, { type: 'start' }, by)
      if (!made.ok || !begun.ok) throw new Error(`${file.key}: ${JSON.stringify([made, begun])}`)
    }
    await clock.advance(2000)
  }

  /** All is well again for long enough that everything arrives. */
  async function end(): Promise<void> {
    network.weather = calm
    server.trouble = undefined
    // A connection that went silent is found by its heartbeat, and what waits for longest is the backoff.
    await clock.advance(4 * 60_000)
    const flushed = sdks.map(({ sdk }) => sdk.flush({ timeoutMs: 120_000 }))
    await clock.advance(130_000)
    if ((await Promise.all(flushed)).includes(false)) faults.push('a client could not flush')
  }

  try {
    await begin()
    for (let step = 0; step < steps; step++) {
      for (const [chance, name, run] of events) {
        if (random() >= chance / 2) continue
        faults.push(name)
        await run()
      }
      traffic()
      await clock.advance(upTo(3000))
    }
    await end()
    const { storage } = server
    const environment = await storage.environments.get('production')
    return {
      told: told.outcomes,
      stored: await storedOutcomes(storage),
      ...(await storedUnits(storage, told)),
      dropped: sdks.map(({ sdk }) => sdk.status().dropped),
      epochs: await epochsOf(storage),
      version: environment?.rulesetVersion ?? 0,
      versions: sdks.map(({ sdk }) => sdk.status().version),
      faults,
    }
  } finally {
    network.hub = undefined
    for (const { sdk } of sdks) void sdk.close({ timeoutMs: 0 })
    await server.kill()
  }
}

/** A client on a wall clock of its own. */
function scheduledClient(world: Clock, random: Random, network: ReturnType<typeof createNetwork>) {
  let offset = 0
  const sdk = createClientCore(
    {
      sdk: { name: 'test', version: '1' },
      clock: { ...world, now: () => world.now() + offset },
      random,
      connect: network.connect,
      request: network.request,
      log: { warn() {} },
    },
    { url: 'http://server', key: 'srv_test' },
  )
  return {
    sdk,
    jump(ms: number) {
      offset += ms
    },
  }
}

function stormy(random: Random): NetworkWeather {
  const often = random() < 0.3 ? 0.5 : 0.1
  const chance = (): number => (random() < 0.5 ? 0 : random() * often)
  return {
    refuse: chance(),
    cut: chance(),
    truncate: chance(),
    duplicate: chance(),
    overtake: chance(),
    silence: chance() / 5,
    mostDelayMs: random() < 0.2 ? 3000 : 100,
  }
}

/** What the applications did, as they saw it. */
function createTold() {
  const outcomes: Counts = {}
  const exposed = new Set<string>()
  const buyers = new Set<string>()
  return {
    outcomes,
    exposed,
    buyers,
    happen(sdk: Client, random: Random): void {
      const rollout = random() < 0.5 ? 'counted' : 'moved'
      const user = `user-${Math.floor(random() * 200)}`
      const decision = sdk.decide(user, rollout)
      // Before the first ruleset, and while a breaker is open, nothing is evidence.
      if (decision.reason !== 'split') return
      const ok = random() > 0.1
      sdk.outcome(decision, { ok, latencyMs: 5 + random() * 20 })
      const key = `${rollout} ${decision.variant}`
      const count = outcomes[key] ?? { n: 0, failed: 0 }
      outcomes[key] = count
      count.n++
      if (!ok) count.failed++
      if (rollout !== 'counted') return
      exposed.add(user)
      if (random() < 0.2) {
        sdk.track(user, 'purchase')
        buyers.add(user)
      }
    },
  }
}

type Storage = ScheduledServer['storage']

async function totalsOf(storage: Storage, key: string) {
  const rollout = await storage.rollouts.get('production', key)
  return await storage.evidence.totals(rollout?.id ?? '', 0)
}

async function storedOutcomes(storage: Storage): Promise<Counts> {
  const counts: Counts = {}
  for (const key of ['counted', 'moved']) {
    for (const { variant, n, failed } of await totalsOf(storage, key)) {
      const count = counts[`${key} ${variant}`] ?? { n: 0, failed: 0 }
      counts[`${key} ${variant}`] = { n: count.n + n, failed: count.failed + failed }
    }
  }
  return counts
}

async function storedUnits(storage: Storage, told: ReturnType<typeof createTold>) {
  const rows = await totalsOf(storage, 'counted')
  const exposed = rows.reduce((sum, row) => sum + row.exposed, 0)
  const buyers = rows.reduce((sum, row) => sum + (row.conversions.purchase?.converted ?? 0), 0)
  return {
    exposed: { told: told.exposed.size, stored: exposed },
    buyers: { told: told.buyers.size, stored: buyers },
  }
}

async function epochsOf(storage: Storage) {
  const epochs: { [rollout: string]: number[] } = {}
  for (const key of ['walking', 'moved']) {
    const rollout = await storage.rollouts.get('production', key)
    const history = await storage.history.list(rollout?.id ?? '', { limit: 500 })
    epochs[key] = history.map(({ to }) => to.epoch ?? 0).reverse()
  }
  return epochs
}
