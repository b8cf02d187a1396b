/**
 * `npm run bench -- ingest`: reports of 500 outcomes in each arm through a whole server, over sockets and over HTTP, durable and counted once,
 * against a bare Hono server that parses, folds and commits the same bodies; and business events one by one. Server on one core, load on the
 * other; the candidates take turns.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { encodeMessage, type OutcomeCell, type Report } from '@pipit/shared/protocol'
import { LatencySketch } from '@pipit/shared/sketch'
import { seededRandom } from '@pipit/shared/testing'
import { startServer, type TestServer } from '../support/server.ts'
import { type Load, type Measured, overHttp, overSockets, pin, type Target } from './ingest-load.ts'
import type { Row } from './row.ts'

const senders = 64
const seconds = 3
const rounds = 3
const outcomesPerArm = 500
const random = seededRandom(1)
const bars = { ofFloor: 0.7, eventsPerSecond: 50_000 }

/** As an SDK tells of 500 users whose requests took 20 to 100 ms; one in fifty failed. */
function cell(epoch: number, variant: string): OutcomeCell {
  const rows = new Map<number, [n: number, failed: number]>()
  const sketch = new LatencySketch()
  for (let i = 0; i < outcomesPerArm; i++) {
    const bucket = Math.floor(random() * 256)
    const [n, failed] = rows.get(bucket) ?? [0, 0]
    rows.set(bucket, [n + 1, failed + (random() < 0.02 ? 1 : 0)])
    sketch.add(20 + random() * 80)
  }
  const buckets = [...rows].sort(([a], [b]) => a - b).flatMap(([bucket, [n, failed]]) => [bucket, n, failed, n])
  const where = { rollout: 'checkout', epoch, variant, stratum: 'split', thresholds: 0, columns: 4 }
  return { ...where, buckets, latency: sketch.encode() }
}

const outcomesOf = (epoch: number): readonly OutcomeCell[] =>
  ['canary', 'stable'].map((variant) => cell(epoch, variant))

/** The text of a report by its sequence; everything else is encoded once. */
function bodyOf(report: Omit<Report, 'type' | 'seq'>): (seq: number) => string {
  const text = encodeMessage({ type: 'report', seq: 123_456_789, ...report })
  const [before = '', after = ''] = text.split('123456789')
  return (seq) => `${before}${seq}${after}`
}

const unit = (n: number): string =>
  ((n * 2_654_435_761) >>> 0).toString(16).padStart(8, '0') + n.toString(16).padStart(8, '0')
const exposedUnits = 100_000
let nextEvent = 0
const eventsPerReport = 1000

/** Purchases of users at random, each with an id of its own. */
function events(seq: number): string {
  const items = Array.from({ length: eventsPerReport }, () => {
    nextEvent++
    return {
      event: 'purchase',
      unit: unit(Math.floor(random() * exposedUnits)),
      ageMs: 100,
      value: 3,
      id: `order-${nextEvent}`,
    }
  })
  return encodeMessage({ type: 'report', seq, events: items })
}

export async function rows(): Promise<readonly Row[]> {
  pin(process.pid, 1)
  const floor = fork(fileURLToPath(new URL('./ingest-floor.ts', import.meta.url)))
  const port = await new Promise<unknown>((resolve) => floor.once('message', resolve))
  // Each sender stands for dozens of instances.
  // What one sender and one key may do is not what is measured.
  const limits =
    'socketMessagesPerSecond=1000000,socketBytesPerSecond=1000000000,reportsPerSecondAndKey=1000000,reportsPerSecond=1000000'
  const server = await startServer({ env: { PIPIT_LOG: 'warn', PIPIT_LIMITS: limits } })
  try {
    return await measureAll(floor, `http://127.0.0.1:${port}`, server)
  } finally {
    floor.disconnect()
    await server.stop()
  }
}

async function measureAll(floor: ChildProcess, floorUrl: string, server: TestServer): Promise<readonly Row[]> {
  for (const pid of [floor.pid, server.pid]) if (pid !== undefined) pin(pid, 0)
  const epoch = await startRollout(server)
  const ours: Target = { url: server.url, pid: server.pid, key: server.serverKey }
  const bare: Target = { url: floorUrl, pid: floor.pid ?? 0, key: 'none' }
  const body = bodyOf({ outcomes: outcomesOf(epoch) })
  const load = (name: string): Load => {
    const sequences = new Map<string, number>()
    return { instances: Array.from({ length: senders }, (_, i) => `${name}-sender-${i}`), sequences, seconds, body }
  }
  const connectPath = '/sdk/v1/connect'
  const reportsPath = '/sdk/v1/reports'
  const loads = ['floor-http', 'floor-socket', 'http', 'socket'].map(load) as [Load, Load, Load, Load]
  const candidates = [
    ['bare Hono', () => overHttp(bare, '/reports', loads[0])],
    ['bare ws', () => overSockets(bare, '/', loads[1])],
    ['Pipit, HTTP', () => overHttp(ours, reportsPath, loads[2])],
    ['Pipit, sockets', () => overSockets(ours, connectPath, loads[3])],
  ] as const
  const taken = candidates.map((): Measured[] => [])
  for (let round = 0; round <= rounds; round++) {
    for (const [i, [, run]] of candidates.entries()) {
      const measured = await run()
      // The first round compiles.
      if (round > 0) taken[i]?.push(measured)
    }
  }
  const medians = taken.map(medianOf)
  candidates.forEach(([name], i) => {
    const { perSecond, cpuMicroseconds, p99Ms } = medians[i] as Measured
    const figures = `${figure(perSecond)} reports/s, ${cpuMicroseconds.toFixed(0)} µs of CPU each, p99 ${p99Ms.toFixed(1)} ms`
    console.log(`  ${name.padEnd(16)} ${figures}`)
  })
  const [hono, ws, http, socket] = medians as [Measured, Measured, Measured, Measured]
  const note = `${senders} senders, one report of 2 x ${outcomesPerArm} outcomes (${Buffer.byteLength(body(1))} bytes) in flight each; server and floor on core 0, the senders on core 1; median of ${rounds} rounds of ${seconds} s; committed with synchronous=FULL before the answer`
  return [
    ratioRow('reports over sockets', socket, hono, note),
    ratioRow('reports over HTTP', http, hono, note),
    { ...ratioRow('reports over sockets, against bare ws', socket, ws, note), bar: 'none', met: 'unmeasured' },
    await eventsRow(ours, epoch),
  ]
}

function ratioRow(claim: string, ours: Measured, floor: Measured, note: string): Row {
  const ratio = ours.perSecond / floor.perSecond
  const text = (one: Measured): string => `${figure(one.perSecond)}/s, ${one.cpuMicroseconds.toFixed(0)} µs`
  const bar = `at least ${bars.ofFloor} x`
  return { claim, ours: text(ours), floor: text(floor), ratio, bar, met: ratio >= bars.ofFloor, note }
}

async function startRollout(server: TestServer): Promise<number> {
  await server.api('POST', '/rollouts', {
    key: 'checkout',
    stages: [
      { name: 'half', weight: 50, hold: '10h' },
      { name: 'full', weight: 100 },
    ],
    metrics: [{ key: 'purchase', kind: 'conversion', event: 'purchase', window: '1h' }],
    guards: [{ metric: 'purchase', worseThan: { relative: 0.9 }, action: 'alert' }],
  })
  const { status, body } = await server.api('POST', '/rollouts/checkout/start', {})
  if (status !== 200) throw new Error(`the rollout of the benchmark does not start: ${JSON.stringify(body)}`)
  const answer = await fetch(`${server.url}/sdk/v1/ruleset`, {
    headers: { authorization: `Bearer ${server.serverKey}`, 'x-pipit-instance': 'benchmark', 'x-pipit-sdk': 'bench/1' },
  })
  const { ruleset } = (await answer.json()) as { ruleset: { rollouts: { [key: string]: { epoch: number } } } }
  return ruleset.rollouts.checkout?.epoch ?? 1
}

/** Units are exposed first, as their SDKs would tell it; then purchases of them come from four processes. */
async function eventsRow(target: Target, epoch: number): Promise<Row> {
  const perReport = 5000
  const exposures = Array.from({ length: exposedUnits / perReport }, (_, i) =>
    bodyOf({
      exposures: [
        {
          ...{
            rollout: 'checkout',
            epoch,
            variant: i % 2 === 0 ? 'canary' : 'stable',
            stratum: 'split',
            reason: 'split',
          },
          units: Array.from({ length: perReport }, (_unit, j) => unit(i * perReport + j)),
        },
      ],
    }),
  )
  const told = new Map<string, number>()
  const path = '/sdk/v1/connect'
  const until = { instances: ['exposures'], sequences: told, seconds: 0.001 }
  for (const body of exposures) await overSockets(target, path, { ...until, body })
  const instances = ['events-a', 'events-b', 'events-c', 'events-d']
  const sequences = new Map<string, number>()
  const taken: Measured[] = []
  for (let round = 0; round <= rounds; round++) {
    const measured = await overSockets(target, path, { instances, sequences, seconds, body: events })
    if (round > 0) taken.push(measured)
  }
  const median = medianOf(taken)
  const perSecond = median.perSecond * eventsPerReport
  console.log(
    `  events           ${figure(perSecond)}/s, ${(median.cpuMicroseconds / eventsPerReport).toFixed(1)} µs of CPU each`,
  )
  return {
    claim: 'business events one by one',
    ours: `${figure(perSecond)}/s`,
    bar: `at least ${figure(bars.eventsPerSecond)}/s`,
    met: perSecond >= bars.eventsPerSecond,
    note: `purchases with ids of ${figure(exposedUnits)} exposed users, ${figure(eventsPerReport)} in a report over four sockets: ids claimed, joined to their exposure, first conversions counted`,
  }
}

const figure = (value: number): string => Math.round(value).toLocaleString('en')

function medianOf(taken: readonly Measured[]): Measured {
  const sorted = [...taken].sort((a, b) => a.perSecond - b.perSecond)
  return sorted[Math.floor(sorted.length / 2)] as Measured
}
