import type { Clock, Random } from '@pipit/shared/clock'
import { userBuckets } from '../analysis/index.ts'
import { parseRollout, progressOf, type RolloutDefinition } from '../rollout/index.ts'
import type { HistoryEntry, RolloutRecord, Storage } from '../storage/ports.ts'
import type { ByWhom, Engine, Notifier, Publisher } from './api.ts'
import { createEngine } from './engine.ts'
import { createMemberLists, type MemberLists } from './member-lists.ts'

/** What a test brings: fakes and adapters are for tests alone. */
export interface BenchParts {
  readonly clock: Clock & { advance(ms: number): Promise<void>; jump(ms: number): void }
  readonly storage: Storage
  readonly random: Random
}

/** An engine on a given database and clock, with recorders where the world would be. For the tests of this folder. */
export interface Bench extends BenchParts {
  readonly engine: Engine
  readonly memberLists: MemberLists
  readonly published: string[]
  readonly disconnected: string[]
  /** Environments whose pages were asked to greet again. */
  readonly greetedAgain: string[]
  readonly notified: { readonly id: string; readonly level: string; readonly sentence: string }[]
  readonly logged: string[]
  /** What the hub says of local breakers. */
  readonly breakers: { open: number; instances: number }
  /** What the engine calls outside: tests replace its members to make them fail. */
  readonly outside: { publish: Publisher['publish']; notify: Notifier['notify'] }
}

export const by: ByWhom = { actor: { kind: 'person', name: 'ada' } }
/** A tick boundary, so that tests can count ticks. */
export const start = 1_700_000_000_000

let ids = 0

export function createBench(parts: BenchParts): Bench {
  const { clock, storage } = parts
  const published: string[] = []
  const disconnected: string[] = []
  const greetedAgain: string[] = []
  const notified: { id: string; level: string; sentence: string }[] = []
  const logged: string[] = []
  const breakers = { open: 0, instances: 0 }
  const outside: Bench['outside'] = {
    publish: async (environment) => {
      published.push(environment)
    },
    notify: async ({ id, level, sentence }) => {
      notified.push({ id, level, sentence })
    },
  }
  const memberLists = createMemberLists({ storage })
  const engine = createEngine({
    storage,
    memberLists,
    publisher: {
      publish: (environment) => outside.publish(environment),
      disconnect: (id) => void disconnected.push(id),
      greetPagesAgain: (environment) => void greetedAgain.push(environment),
      breakers: () => breakers,
    },
    notifier: { notify: (notification) => outside.notify(notification) },
    clock,
    newId: (size = 21) => `${ids++}`.padStart(size, 'x'),
    log: { warn: (message) => void logged.push(message), error: (message) => void logged.push(message) },
  })
  return { ...parts, engine, memberLists, published, disconnected, greetedAgain, notified, logged, breakers, outside }
}

/** A bench with environment `production`, its engine running, and nothing left to do. */
export async function startBench(parts: BenchParts): Promise<Bench> {
  const bench = createBench(parts)
  await bench.engine.createEnvironment('production', by)
  bench.engine.start()
  await bench.engine.idle()
  return bench
}

export function rolloutFile(changes: object = {}): RolloutDefinition {
  const parsed = parseRollout({
    key: 'checkout-v2',
    stages: [
      { name: 'half', weight: 50, hold: '5s', maxHold: '2m' },
      { name: 'full', weight: 100 },
    ],
    guards: [{ metric: 'error_rate', worseThan: { relative: 1.5 }, action: 'revert' }],
    analysis: { tick: '1s', warmup: '2s' },
    ...changes,
  })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues))
  return parsed.definition
}

/** Makes the rollout of `rolloutFile` and starts it. */
export async function startRollout({ engine }: Bench, changes: object = {}): Promise<void> {
  must(await engine.create('production', rolloutFile(changes), by))
  must(await engine.command('production', 'checkout-v2', { type: 'start' }, by))
  await engine.idle()
}

export function must<T>(
  result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string },
): T {
  if (!result.ok) throw new Error(result.message)
  return result.value
}

export async function rolloutOf({ storage }: Bench): Promise<RolloutRecord> {
  const record = await storage.rollouts.get('production', 'checkout-v2')
  if (record === undefined) throw new Error('there is no rollout')
  return record
}

/** Oldest first. */
export async function historyOf(bench: Bench): Promise<readonly HistoryEntry[]> {
  const { id } = await rolloutOf(bench)
  return (await bench.storage.history.list(id, { limit: 100 })).toReversed()
}

export interface ArmTraffic {
  readonly n: number
  readonly errorRate: number
  /** Latencies counted against the limits in force: share above each. */
  readonly over?: readonly number[]
  readonly latency?: string
}

/** What SDKs would report in the present tick: outcomes of random users and, of each arm, a tenth as many users never seen before. */
export async function traffic(
  bench: Bench,
  arms: { readonly canary: ArmTraffic; readonly stable: ArmTraffic },
): Promise<void> {
  const { id, runEpoch, definition, state } = await rolloutOf(bench)
  const progress = progressOf(state)
  if (progress === undefined) throw new Error('not started')
  const tick = Math.floor(bench.clock.now() / definition.analysis.tickMs)
  const { epoch, thresholds } = progress
  const cell = { rolloutId: id, epoch, tick, stratum: 'split' }
  await bench.storage.transaction(async ({ evidence }) => {
    for (const variant of ['canary', 'stable'] as const) {
      const arm = arms[variant]
      if (arm.n === 0) continue
      await evidence.addOutcomes({
        ...cell,
        variant,
        thresholdsVersion: thresholds.ms.length === 0 ? 0 : thresholds.version,
        columns: 4 + thresholds.ms.length,
        rows: rowsOf(bench.random, arm, thresholds.ms.length),
        ...(arm.latency === undefined ? {} : { latency: arm.latency }),
      })
      // Requests that are dealt out by themselves expose no units.
      const units = definition.assign === 'request' ? 0 : Math.ceil(arm.n / 10)
      for (let i = 0; i < units; i++) {
        const unit = (ids++).toString(16).padStart(16, '0')
        await evidence.expose({ ...cell, runEpoch, variant, unit, at: bench.clock.now() }, {})
      }
    }
  })
}

function rowsOf(random: Random, { n, errorRate, over = [] }: ArmTraffic, limits: number): number[] {
  const table = Array.from({ length: userBuckets }, (_, bucket) => [bucket, 0, 0, 0, ...Array<number>(limits).fill(0)])
  const add = (row: number[], column: number): void => {
    row[column] = (row[column] ?? 0) + 1
  }
  for (let i = 0; i < n; i++) {
    const row = table[Math.floor(random() * userBuckets)] as number[]
    add(row, 1)
    if (random() < errorRate) add(row, 2)
    add(row, 3)
    const slow = random()
    for (let k = 0; k < limits; k++) if (slow < (over[k] ?? 0)) add(row, 4 + k)
  }
  return table.filter((row) => row[1] !== 0).flat()
}

/** A second of traffic after another, until `seconds` are over or `until` holds. */
export async function live(
  bench: Bench,
  seconds: number,
  arms: { readonly canary: ArmTraffic; readonly stable: ArmTraffic } | undefined,
  until: (record: RolloutRecord) => boolean = () => false,
): Promise<RolloutRecord> {
  for (let i = 0; i < seconds; i++) {
    const record = await rolloutOf(bench)
    if (until(record)) return record
    if (arms !== undefined && progressOf(record.state) !== undefined) await traffic(bench, arms)
    await bench.clock.advance(1000)
    await bench.engine.idle()
  }
  return await rolloutOf(bench)
}

export const well: ArmTraffic = { n: 1000, errorRate: 0.02 }
export const badly: ArmTraffic = { n: 1000, errorRate: 0.05 }
