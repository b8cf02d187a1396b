/**
 * `npm run soak [-- --minutes 30 --clients 5000 --outcomes 20000 --losses 2]`: SDKs in two processes work against a server in a third, at a steady load
 * with sockets that are lost at random, and everything that could grow is measured after a collection of garbage. Fails where memory grew, a
 * socket, file or timer was left, or anything was lost or counted twice.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { openSqlite } from '@pipit/server/storage/sqlite'
import { type Row, tableOf } from '../bench/row.ts'
import { startServer, type TestServer } from '../support/server.ts'
import type { Told } from './clients.ts'
import type { Held } from './probe.ts'
import { type Slope, slopeOf } from './slope.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    clients: { type: 'string', default: '5000' },
    outcomes: { type: 'string', default: '20000' },
    losses: { type: 'string', default: '2' },
  },
})
const minutes = Number(values.minutes)
const processes = 2
const each = (total: string): string => String(Number(total) / processes)
const sampleMs = Math.min(20_000, (minutes * 60_000) / 18)
/** What is measured before is warming up: code is compiled, tables grow to their size. */
const warmUp = 1 / 3
/** Over what is measured. What the allocator keeps of what was let go of is in RSS and not in the heap. */
const most = { heap: 0.02, rss: 0.05, bytes: 4e6 }

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const directory = mkdtempSync(join(tmpdir(), 'pipit-soak-'))
const probeFile = join(directory, 'probe')

interface Sample {
  readonly minute: number
  readonly server: Held
  readonly clients: readonly Told[]
  readonly databaseBytes: number
}

function ask<T>(child: ChildProcess, message: string): Promise<T> {
  const answer = new Promise<T>((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`a process of clients ended with code ${code}`))
    child.once('exit', ended)
    child.once('message', (told) => {
      child.off('exit', ended)
      resolve(told as T)
    })
  })
  child.send(message)
  return answer
}

async function probe(server: TestServer): Promise<Held> {
  const before = lines().length
  process.kill(server.pid, 'SIGUSR2')
  while (lines().length === before) await sleep(20)
  return JSON.parse(lines().at(-1) ?? '') as Held
}

const lines = (): readonly string[] =>
  existsSync(probeFile) ? readFileSync(probeFile, 'utf8').split('\n').slice(0, -1) : []

async function begin(server: TestServer): Promise<void> {
  const rollout = {
    key: 'soak',
    stages: [
      { name: 'half', weight: 50, hold: '30d' },
      { name: 'full', weight: 100 },
    ],
    metrics: [{ key: 'purchase', kind: 'conversion', event: 'purchase' }],
    guards: [
      { metric: 'error_rate', worseThan: { relative: 4 }, action: 'alert' },
      { metric: 'latency_p99', worseThan: { relative: 4 }, action: 'alert' },
    ],
  }
  await server.api('POST', '/rollouts', rollout)
  const { status } = await server.api('POST', '/rollouts/soak/start')
  if (status !== 200) throw new Error(`the rollout did not start: ${status}`)
}

async function run(server: TestServer, children: readonly ChildProcess[]): Promise<readonly Sample[]> {
  const samples: Sample[] = []
  const began = performance.now()
  while (performance.now() - began < minutes * 60_000) {
    await sleep(sampleMs)
    const clients = await Promise.all(children.map((child) => ask<Told>(child, 'told')))
    const sample: Sample = {
      ...{ minute: (performance.now() - began) / 60_000, server: await probe(server), clients },
      databaseBytes: statSync(server.databaseFile).size,
    }
    samples.push(sample)
    print(sample, samples.at(-2))
  }
  return samples
}

const total = (clients: readonly Told[], of: (told: Told) => number): number =>
  clients.reduce((sum, told) => sum + of(told), 0)
const mega = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

function print({ minute, server, clients, databaseBytes }: Sample, before: Sample | undefined): void {
  const seconds = (minute - (before?.minute ?? 0)) * 60
  const cpu = ((server.cpu - (before?.server.cpu ?? 0)) / seconds) * 100
  const outcomes = total(clients, (told) => told.outcomes)
  const rate = (outcomes - total(before?.clients ?? [], (told) => told.outcomes)) / seconds
  console.log(
    [
      `${minute.toFixed(1).padStart(5)} min`,
      `server heap ${mega(server.heap)}, RSS ${mega(server.rss)}, ${server.timers} timers, ${cpu.toFixed(0)} % of a core`,
      `clients heap ${mega(total(clients, (told) => told.held.heap))}, RSS ${mega(total(clients, (told) => told.held.rss))}, ${total(clients, (told) => told.held.timers)} timers`,
      `${total(clients, (told) => told.connected)} connected, ${total(clients, (told) => told.disconnects)} lost`,
      `${rate.toFixed(0)} outcomes/s, database ${mega(databaseBytes)}`,
    ].join('; '),
  )
}

function growth(claim: string, kind: 'heap' | 'rss', steady: readonly Sample[], of: (sample: Sample) => number): Row {
  const slope: Slope = slopeOf(steady.map((sample) => [sample.minute, of(sample)]))
  const span = (steady.at(-1)?.minute ?? 0) - (steady[0]?.minute ?? 0)
  const grown = slope.perMinute * span
  const bound = Math.max(most.bytes, most[kind] * slope.first)
  const kilo = (bytes: number): string => `${(bytes / 1000).toFixed(1)} kB`
  return {
    claim,
    ours: `${kilo(slope.perMinute)} ± ${kilo(slope.uncertainty)} a minute at ${mega(slope.first)}`,
    bar: `grows by at most ${mega(bound)} in ${span.toFixed(0)} min`,
    met: grown <= bound,
  }
}

const equal = (claim: string, ours: number | string, bar: number | string): Row => ({
  ...{ claim, ours: String(ours), bar: String(bar), met: ours === bar },
})

async function storedTotals(file: string) {
  const storage = openSqlite({ file })
  const rollout = await storage.rollouts.get('production', 'soak')
  const rows = await storage.evidence.totals(rollout?.id ?? '', 0)
  await storage.close()
  return rows.reduce((sum, row) => ({ n: sum.n + row.n, failed: sum.failed + row.failed }), { n: 0, failed: 0 })
}

const preload = new URL('./probe.ts', import.meta.url).href
const server = await startServer({
  env: { PIPIT_LOG: 'warn', NODE_OPTIONS: `--import=${preload}`, PROBE_FILE: probeFile },
})
const children: ChildProcess[] = []
try {
  await begin(server)
  const empty = await probe(server)
  for (let i = 0; i < processes; i++) {
    const args = [
      server.url,
      server.serverKey,
      each(values.clients),
      each(values.outcomes),
      each(values.losses),
      String(i + 1),
    ]
    const file = fileURLToPath(new URL('./clients.ts', import.meta.url))
    children.push(fork(file, args, { execArgv: ['--conditions=source'] }))
  }
  const samples = await run(server, children)
  const steady = samples.slice(Math.floor(samples.length * warmUp))

  for (const child of children) child.send('calm')
  const flushed = await Promise.all(children.map((child) => ask<{ flushed: boolean }>(child, 'flush')))
  const told = await Promise.all(children.map((child) => ask<Told>(child, 'told')))
  const closed = await Promise.all(children.map((child) => ask<Told>(child, 'close')))
  await sleep(6000)
  const after = await probe(server)
  const sockets = /^pipit_sockets (\d+)/m.exec(await (await fetch(`${server.url}/metrics`)).text())?.[1]
  for (const child of children) child.disconnect()
  const code = await server.kill('SIGTERM')
  const stored = await storedTotals(server.databaseFile)
  const complaints = server
    .output()
    .split('\n')
    .filter((line) => / (?:ERROR|WARN ) /.test(line))

  const rows: readonly Row[] = [
    growth('memory of the server, heap and buffers', 'heap', steady, (sample) => sample.server.heap),
    growth('memory of the server, RSS', 'rss', steady, (sample) => sample.server.rss),
    growth('memory of the SDKs, heap and buffers', 'heap', steady, (sample) =>
      total(sample.clients, (one) => one.held.heap),
    ),
    growth('memory of the SDKs, RSS', 'rss', steady, (sample) => total(sample.clients, (one) => one.held.rss)),
    equal('clients that could tell everything', flushed.filter((one) => one.flushed).length, processes),
    equal(
      'outcomes stored',
      stored.n,
      total(told, (one) => one.outcomes),
    ),
    equal(
      'failures stored',
      stored.failed,
      total(told, (one) => one.failed),
    ),
    equal(
      'dropped by SDKs',
      total(told, (one) => one.dropped),
      0,
    ),
    equal('sockets of the server once all left', Number(sockets), 0),
    equal('timers of the server once all left', after.timers, empty.timers),
    equal(
      'sockets of the SDKs once closed',
      total(closed, (one) => one.sockets),
      0,
    ),
    equal(
      'timers of the SDKs once closed',
      total(closed, (one) => one.held.timers),
      0,
    ),
    equal('complaints in the log', complaints.length, 0),
    equal('exit code of the server', code ?? 'none', 0),
  ]
  console.log(
    `\n${values.clients} SDKs in ${processes} processes, ${minutes} minutes, ${total(told, (one) => one.disconnects)} sockets lost\n`,
  )
  console.log(tableOf(rows))
  console.log(
    `\nresources of the server before ${JSON.stringify(empty.resources)}, after ${JSON.stringify(after.resources)}`,
  )
  for (const line of complaints.slice(0, 10)) console.log(line)
  if (rows.some(({ met }) => met === false)) process.exitCode = 1
} finally {
  for (const child of children) child.kill('SIGKILL')
  await server.stop()
  rmSync(directory, { recursive: true, force: true })
}
