/**
 * `npm run bench -- fanout`: a change to 1 000, 5 000 and 10 000 SDKs (the real SDK for Node, in two processes) against a broadcast of the same
 * bytes by bare `ws` to as many bare clients, by turns in one run. Ours counts from the change's time in the history, which the
 * commit follows, to the moment an SDK decides by it; the receipts from the publish to the server having them all. Everything shares the
 * cores of one machine: what the SDKs do is in the figures, and a bare client does nothing. `BENCH_CLIENTS=1000,2000` measures other numbers.
 */
import { WebSocket } from 'ws'
import { startServer, type TestServer } from '../support/server.ts'
import { change, greeting, prepare, receipts, socketUrl } from './changing-rollout.ts'
import type { Row } from './row.ts'
import { median, percentile, startBareServer, startClients, wait } from './socket-bench.ts'

const counts = process.env.BENCH_CLIENTS?.split(',').map(Number) ?? [1000, 5000, 10_000]
const warmups = 3
const rounds = 9
const bar = 1.3

/** The text of the patch that a change makes. */
async function patchOf(server: TestServer): Promise<string> {
  const socket = new WebSocket(socketUrl(server), { headers: { authorization: `Bearer ${server.serverKey}` } })
  const next = (): Promise<string> => new Promise((resolve) => socket.once('message', (data) => resolve(String(data))))
  await new Promise((resolve) => socket.once('open', resolve))
  const greeted = next()
  socket.send(greeting())
  await greeted
  const patch = next()
  await change(server)
  const text = await patch
  socket.close(1000)
  return text
}

interface Measured {
  readonly bare: number[]
  /** Bare clients that do nothing on our server: its share alone. */
  readonly ours: number[]
  readonly answering: number[]
  readonly applied: number[]
  readonly received: number[]
  readonly api: number[]
  readonly sendCpuUs: number[]
}

async function measure(count: number): Promise<Measured> {
  const pipit = await startServer({ env: { PIPIT_LOG: 'warn' } })
  await prepare(pipit)
  const patch = await patchOf(pipit)
  const [bare, answering] = [await startBareServer(), await startBareServer()]
  const sdks = await startClients(count, { mode: 'sdk', url: pipit.url, key: pipit.serverKey })
  const silent = await startClients(count, { mode: 'bare', url: bare.url })
  const talking = await startClients(count, { mode: 'answering', url: answering.url })
  const measured: Measured = { bare: [], ours: [], answering: [], applied: [], received: [], api: [], sendCpuUs: [] }
  const settleMs = 500 + count / 5

  async function p99(clients: typeof sdks, since: number): Promise<number> {
    await wait(settleMs)
    const { times } = await clients.told()
    if (times.length !== count)
      throw new Error(`${times.length} of ${count} clients have the change after ${settleMs} ms`)
    return percentile(
      times.map(({ at }) => at - since),
      0.99,
    )
  }

  try {
    await wait(settleMs)
    await sdks.told()
    for (let round = -warmups; round < rounds; round++) {
      const { began, cpuMs } = await bare.broadcast(patch)
      const bareMs = await p99(silent, began)
      const answeringMs = await p99(talking, (await answering.broadcast(patch)).began)
      const { at, apiMs } = await change(pipit)
      const appliedMs = await p99(sdks, at)
      const { complete, applied, p99Ms } = await receipts(pipit)
      if (!complete || applied !== count) throw new Error(`${applied} of ${count} receipts came`)
      if (round < 0) continue
      measured.bare.push(bareMs)
      measured.answering.push(answeringMs)
      measured.applied.push(appliedMs)
      measured.received.push(p99Ms)
      measured.api.push(apiMs)
      measured.sendCpuUs.push((cpuMs * 1000) / count)
    }
    await sdks.stop()
    await wait(settleMs)
    const greeted = { url: socketUrl(pipit), key: pipit.serverKey, greeting: greeting() }
    const unmoved = await startClients(count, { mode: 'bare', ...greeted })
    await wait(settleMs)
    await unmoved.told()
    for (let round = -warmups; round < rounds; round++) {
      const { at } = await change(pipit)
      const oursMs = await p99(unmoved, at)
      if (round >= 0) measured.ours.push(oursMs)
    }
    await unmoved.stop()
  } finally {
    await Promise.all([sdks.stop(), silent.stop(), talking.stop()])
    bare.stop()
    answering.stop()
    await pipit.stop()
  }
  return measured
}

const ms = (value: number): string => `${value.toFixed(0)} ms`
const spread = (values: readonly number[]): string =>
  `${ms(median(values))} (${Math.min(...values).toFixed(0)}-${Math.max(...values).toFixed(0)})`

export async function rows(): Promise<readonly Row[]> {
  const table: Row[] = []
  for (const count of counts) {
    const measured = await measure(count)
    const floor = median(measured.bare)
    console.log(`${count} clients, p99 of ${rounds} changes by turns: median (least-most)`)
    console.log(
      `  bare ws to clients that do nothing          ${spread(measured.bare)}, ${median(measured.sendCpuUs).toFixed(1)} us of CPU a send`,
    )
    console.log(`  bare ws to clients that parse and answer    ${spread(measured.answering)}`)
    console.log(`  change to bare clients of Pipit's server    ${spread(measured.ours)}`)
    console.log(`  change to an SDK deciding by it             ${spread(measured.applied)}`)
    console.log(`  publish to the receipt                      ${spread(measured.received)}`)
    console.log(`  answer of the API to who made the change    ${spread(measured.api)}`)
    const ratio = median(measured.applied) / floor
    const received = median(measured.received) / floor
    const server = median(measured.ours) / floor
    table.push(
      {
        claim: `fan-out: a change at ${count} clients that do nothing, p99`,
        ...{
          ours: ms(median(measured.ours)),
          floor: ms(floor),
          ratio: server,
          bar: `at most ${bar} x`,
          met: server <= bar,
        },
        note: 'The share of the server, commit included: the clients are as bare as those of the floor.',
      },
      {
        claim: `fan-out: a change decided by in ${count} SDKs, p99`,
        ...{ ours: ms(median(measured.applied)), floor: ms(floor), ratio, bar: `at most ${bar} x`, met: ratio <= bar },
        note: `Floor: bare ws broadcasts the same bytes to as many clients that do nothing. Bare clients that parse and answer need ${ms(median(measured.answering))} at ${count}.`,
      },
      {
        claim: `fan-out: receipts of ${count} SDKs, p99`,
        ...{ ours: ms(median(measured.received)), floor: ms(floor), ratio: received, bar: 'none', met: 'unmeasured' },
        note: 'From the publish until the server has the receipt; the floor waits for no answers.',
      },
    )
  }
  return table
}
