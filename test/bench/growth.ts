/**
 * `npm run bench -- growth`: what one, three and ten times the instances, rollouts, users and hours of history cost: reports and exposures to
 * store, what a look of the judge reads, what the page's totals read, bytes on disk. Everything through ingest and storage on a file.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createIngest, type Ingest } from '@pipit/server/ingest'
import { parseRollout } from '@pipit/server/rollout'
import type { Storage } from '@pipit/server/storage'
import { openSqlite } from '@pipit/server/storage/sqlite'
import type { Report } from '@pipit/shared/protocol'
import { LatencySketch } from '@pipit/shared/sketch'
import { createFakeClock } from '@pipit/shared/testing'
import type { Row } from './row.ts'

const factors = [1, 3, 10] as const
const tickMs = 5000
/** What varies from run to run on a machine that is not alone. */
const tolerance = 1.25

interface World {
  readonly storage: Storage
  readonly ingest: Ingest
  readonly clock: ReturnType<typeof createFakeClock>
  readonly bytes: () => number
}

async function inWorld<T>(rollouts: number, use: (world: World) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'pipit-growth-'))
  const file = join(directory, 'pipit.db')
  const storage = openSqlite({ file })
  const clock = createFakeClock()
  const ingest = createIngest({ storage, clock })
  try {
    const pages = { userHash: 'off', createdAt: 0 } as const
    await storage.environments.insert({ name: 'e', unitSalt: 'u', rulesetVersion: 1, holdback: 0, ...pages })
    await storage.transaction(async (stores) => {
      for (let i = 0; i < rollouts; i++) await stores.rollouts.insert(rolloutOf(i))
    })
    const bytes = (): number => ['', '-wal'].reduce((sum, end) => sum + sizeOf(`${file}${end}`), 0)
    return await use({ storage, ingest, clock, bytes })
  } finally {
    await ingest.stop()
    await storage.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

function sizeOf(file: string): number {
  try {
    return statSync(file).size
  } catch {
    return 0
  }
}

function rolloutOf(i: number) {
  const parsed = parseRollout({
    key: `r-${i}`,
    stages: [
      { name: 'half', weight: 50 },
      { name: 'full', weight: 100 },
    ],
    metrics: [{ key: 'purchase', kind: 'conversion', event: `purchase-${i}`, window: '1h' }],
    guards: [{ metric: 'purchase', worseThan: { relative: 0.9 }, action: 'alert' }],
  })
  if (!parsed.ok) throw new Error('the rollout of the benchmark is wrong')
  const at = { startedAt: 0, stageStartedAt: 0, pausedMs: 0 }
  const progress = {
    ...{ salt: 's', epoch: 1, stage: 0, weight: 50, overrides: {}, dismissed: {} },
    ...at,
    thresholds: { version: 0, ms: [] },
  }
  const record = { id: `id-${i}`, environment: 'e', key: `r-${i}`, definition: parsed.definition, version: 1 }
  return { ...record, state: { phase: 'running', progress } as const, runEpoch: 1, createdAt: 0, updatedAt: 0 }
}

const sketch = new LatencySketch()
for (let i = 0; i < 100; i++) sketch.add(20 + i)
const latency = sketch.encode()
const buckets = Array.from({ length: 64 }, (_, bucket) => [bucket * 4, 2, 0, 2]).flat()
const outcomes = (rollout: string) =>
  ['canary', 'stable'].map((variant) => ({
    ...{ rollout, epoch: 1, variant, stratum: 'split', thresholds: 0, columns: 4, buckets, latency },
  }))
const unit = (n: number): string =>
  ((n * 2_654_435_761) >>> 0).toString(16).padStart(8, '0') + n.toString(16).padStart(8, '0')
const exposuresOf = (from: number, count: number) => [
  {
    ...{ rollout: 'r-0', epoch: 1, variant: 'canary', stratum: 'split', reason: 'split' },
    units: Array.from({ length: count }, (_, i) => unit(from + i)),
  },
]

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

/** The median of several. */
async function often(times: number, work: () => Promise<unknown>): Promise<number> {
  const taken: number[] = []
  for (let i = 0; i < times; i++) taken.push(await timed(work))
  return taken.sort((a, b) => a - b)[Math.floor(times / 2)] as number
}

let seq = 0
async function submit(ingest: Ingest, instance: string, report: Omit<Report, 'type' | 'seq'>): Promise<void> {
  const result = await ingest.submit('e', { id: instance }, { type: 'report', seq: ++seq, ...report })
  if ('type' in result) throw new Error(result.message)
}

/** One report of each instance, a thousand of them waiting at a time. */
async function roundOf(ingest: Ingest, instances: number, rollout: string): Promise<void> {
  for (let from = 0; from < instances; from += 1000) {
    const some = Array.from({ length: Math.min(1000, instances - from) }, (_, i) => `instance-${from + i}`)
    await Promise.all(some.map((instance) => submit(ingest, instance, { outcomes: outcomes(rollout) })))
  }
}

/** What a look reads: the time bucket that closed last, and the user buckets of the run. */
async function lookReads({ storage, clock }: World): Promise<void> {
  const through = Math.floor(clock.now() / tickMs)
  await storage.evidence.ticks('id-0', { fromEpoch: 1, after: through - 1, through })
  await storage.evidence.buckets('id-0', 1)
}

interface Figures {
  readonly [what: string]: number
}

const instances = (factor: number): Promise<Figures> =>
  inWorld(1, async (world) => {
    const count = 1000 * factor
    await roundOf(world.ingest, count, 'r-0')
    const round = await often(3, () => roundOf(world.ingest, count, 'r-0'))
    return { 'a round of reports': round, 'what a look reads': await often(51, () => lookReads(world)) }
  })

const rollouts = (factor: number): Promise<Figures> =>
  inWorld(100 * factor, async (world) => {
    await roundOf(world.ingest, 200, 'r-0')
    const round = await often(9, () => roundOf(world.ingest, 200, 'r-0'))
    const afterChange = await often(9, async () => {
      await world.storage.environments.bump('e')
      await submit(world.ingest, 'instance-0', { outcomes: outcomes('r-1') })
    })
    const look = await often(51, () => lookReads(world))
    return { 'reports of one': round, 'the first report after a change': afterChange, 'what a look reads': look }
  })

const users = (factor: number): Promise<Figures> =>
  inWorld(1, async (world) => {
    const count = 20_000 * factor
    const before = world.bytes()
    const told = await timed(async () => {
      // Four instances at a time, whose reports share a transaction.
      for (let from = 0; from < count; from += 20_000) {
        const four = Array.from({ length: 4 }, (_, i) => exposuresOf(from + i * 5000, 5000))
        await Promise.all(four.map((exposures, i) => submit(world.ingest, `instance-${i}`, { exposures })))
      }
    })
    // Users at random, so that their rows lie anywhere.
    const events = Array.from({ length: 5000 }, (_, i) => ({
      ...{ event: 'purchase-0', unit: unit((i * 7919) % count), ageMs: 0, id: `order-${i}` },
    }))
    const bought = await timed(() => submit(world.ingest, 'instance-1', { events }))
    await submit(world.ingest, 'instance-0', { outcomes: outcomes('r-0') })
    return {
      'users to count': told,
      'bytes on disk': world.bytes() - before,
      'five thousand purchases': bought,
      'what a look reads': await often(51, () => lookReads(world)),
    }
  })

/** History as retention leaves it: two days in buckets of five seconds, what is older in hours. */
const hours = (factor: number): Promise<Figures> =>
  inWorld(1, async (world) => {
    const whole = 24 * factor
    const { storage, clock, ingest } = world
    const first = Math.floor(clock.now() / 3_600_000) * 720
    for (let hour = 0; hour < whole; hour++) {
      await storage.transaction(async ({ evidence }) => {
        for (let i = 0; i < 720; i++) {
          for (const cell of outcomes('r-0')) {
            const { variant, stratum, columns } = cell
            const place = { rolloutId: 'id-0', epoch: 1, tick: first + hour * 720 + i, variant, stratum }
            await evidence.addOutcomes({ ...place, thresholdsVersion: 0, columns, rows: [0, 1, 0, 1] })
          }
        }
      })
    }
    clock.jump(whole * 3_600_000)
    const through = Math.floor((clock.now() - 48 * 3_600_000) / tickMs)
    for (let more = true; more; ) {
      ;({ more } = await storage.retention.rollUp('id-0', { tickMs, through, limit: 5000 }))
    }
    await submit(ingest, 'instance-0', { outcomes: outcomes('r-0') })
    return {
      'a round of reports': await often(9, () => roundOf(ingest, 200, 'r-0')),
      'totals for people': await often(9, () => storage.evidence.totals('id-0', 1)),
      'what a look reads': await often(51, () => lookReads(world)),
    }
  })

/** What must not grow at all; everything else at most as its cause does. */
const constant: ReadonlySet<string> = new Set(['what a look reads', 'reports of one', 'five thousand purchases'])
const dimensions = [
  ['instances', '1,000', instances],
  ['rollouts', '100', rollouts],
  ['users', '20,000', users],
  ['hours of history', '24', hours],
] as const

export async function rows(): Promise<readonly Row[]> {
  const told: Row[] = []
  for (const [cause, from, measure] of dimensions) {
    await measure(1)
    const measured: Figures[] = []
    for (const factor of factors) measured.push(await measure(factor))
    for (const what of Object.keys(measured[0] ?? {})) told.push(rowOf(cause, from, what, measured))
  }
  return told
}

function rowOf(cause: string, from: string, what: string, measured: readonly Figures[]): Row {
  const [one = 0, three = 0, ten = 0] = measured.map((figures) => figures[what])
  const text = (value: number): string =>
    what.startsWith('bytes') ? `${(value / 1e6).toFixed(1)} MB` : `${value.toPrecision(3)} ms`
  const isConstant = constant.has(what)
  const most = isConstant ? 1.5 : 10 * tolerance
  console.log(`  ${cause.padEnd(17)} ${what.padEnd(32)} ${[one, three, ten].map(text).join(' → ')}`)
  return {
    claim: `ten times the ${cause}: ${what}`,
    ours: [one, three, ten].map(text).join(' → '),
    ratio: ten / one,
    bar: isConstant ? 'the same (1.5 x)' : 'linear (12.5 x)',
    met: ten / one <= most,
    note: `at once, three and ten times ${from} ${cause}; the ratio is that of ten times to once`,
  }
}
