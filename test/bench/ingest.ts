/**
 * `npm run bench -- ingest`: reports through the whole of ingest on a database file, against the least that durable, deduplicated counting
 * costs: one transaction per report with one upsert of pre-aggregated sums. Alternating in one run; only the ratio travels.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createIngest } from '@pipit/server/ingest'
import { parseRollout } from '@pipit/server/rollout'
import { openSqlite } from '@pipit/server/storage/sqlite'
import { LatencySketch } from '@pipit/shared/sketch'
import { createFakeClock } from '@pipit/shared/testing'

interface RawDatabase {
  pragma(text: string): unknown
  exec(text: string): unknown
  prepare(text: string): { run(...values: unknown[]): unknown }
  close(): void
}
const Database = createRequire(new URL('../../server/package.json', import.meta.url))('better-sqlite3') as new (
  file: string,
) => RawDatabase

const perRound = 384
const rounds = 7
const outcomesPerReport = 1000
const directory = mkdtempSync(join(tmpdir(), 'pipit-bench-'))

const parsed = parseRollout({
  key: 'r',
  stages: [
    { name: 'half', weight: 50 },
    { name: 'full', weight: 100 },
  ],
})
if (!parsed.ok) throw new Error('wrong rollout')
const storage = openSqlite({ file: join(directory, 'pipit.db') })
const progress = {
  salt: 's',
  epoch: 1,
  stage: 0,
  weight: 50,
  startedAt: 0,
  stageStartedAt: 0,
  pausedMs: 0,
  overrides: {},
  dismissed: {},
  thresholds: { version: 1, ms: [10, 20] },
}
await storage.environments.insert({
  name: 'e',
  unitSalt: 'u',
  rulesetVersion: 1,
  holdback: 0,
  userHash: 'off',
  createdAt: 0,
})
await storage.rollouts.insert({
  id: 'r',
  environment: 'e',
  key: 'r',
  definition: parsed.definition,
  state: { phase: 'running', progress },
  version: 1,
  runEpoch: 1,
  createdAt: 0,
  updatedAt: 0,
})
const ingest = createIngest({ storage, clock: createFakeClock() })

const latency = (() => {
  const sketch = new LatencySketch()
  for (let i = 0; i < 300; i++) sketch.add(5 + i / 3)
  return sketch.encode()
})()
const buckets = Array.from({ length: 256 }, (_, bucket) => [bucket, 2, 0, 2, 1, 0]).flat()
const cells = ['canary', 'stable'].map((variant) => ({
  rollout: 'r',
  epoch: 1,
  variant,
  stratum: 'split',
  thresholds: 1,
  columns: 6,
  buckets,
  latency,
}))

let seq = 0
async function throughIngest(inFlight: number): Promise<void> {
  for (let sent = 0; sent < perRound; sent += inFlight) {
    seq++
    await Promise.all(Array.from({ length: inFlight }, (_, i) => arrive(`instance-${i}`)))
  }
}

/** A report in a callback of its own, as from a socket: what is called in one go would share a commit too easily. */
function arrive(instance: string): Promise<unknown> {
  const report = { type: 'report', seq, outcomes: cells } as const
  return new Promise((resolve) => {
    setImmediate(() => {
      resolve(ingest.submit('e', { id: instance }, report))
    })
  })
}

const raw = new Database(join(directory, 'floor.db'))
raw.pragma('journal_mode = WAL')
raw.pragma('synchronous = FULL')
raw.exec(
  'CREATE TABLE sums (id INTEGER PRIMARY KEY, n INTEGER, x INTEGER); CREATE TABLE seqs (instance TEXT PRIMARY KEY, seq INTEGER)',
)
const add = raw.prepare(
  'INSERT INTO sums VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n, x = x + excluded.x',
)
const mark = raw.prepare('INSERT INTO seqs VALUES (?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq')
function floor(): void {
  for (let i = 0; i < perRound; i++) {
    raw.exec('BEGIN IMMEDIATE')
    mark.run('instance', i)
    add.run(1, outcomesPerReport, 3)
    raw.exec('COMMIT')
  }
}

const candidates: readonly (readonly [string, () => void | Promise<void>])[] = [
  ['floor: one upsert and one sequence a transaction', floor],
  ['ingest, one report at a time', () => throughIngest(1)],
  ['ingest, 8 in flight', () => throughIngest(8)],
  ['ingest, 64 in flight', () => throughIngest(64)],
]
const times = candidates.map((): number[] => [])
for (let round = 0; round < rounds; round++) {
  for (let i = 0; i < candidates.length; i++) {
    const at = (i + round) % candidates.length
    const began = performance.now()
    await candidates[at]?.[1]()
    times[at]?.push((performance.now() - began) / perRound)
  }
}
const medians = times.map((own) => own.sort((a, b) => a - b)[Math.floor(own.length / 2)] as number)
candidates.forEach(([name], i) => {
  const ms = medians[i] as number
  const outcomes = Math.round((1000 / ms) * outcomesPerReport)
  const reports = Math.round(1000 / ms)
  console.log(
    `  ${name.padEnd(50)} ${ms.toFixed(3)} ms a report  ${(ms / (medians[0] as number)).toFixed(2)} x  ${reports.toLocaleString('en')} reports/s  ${outcomes.toLocaleString('en')} outcomes/s`,
  )
})
await ingest.stop()
await storage.close()
raw.close()
rmSync(directory, { recursive: true, force: true })
