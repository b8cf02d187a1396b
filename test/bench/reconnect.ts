/**
 * `npm run bench -- reconnect`: 10 000 clients that come at once, greet with the version they have, and are told that it is the newest, against
 * bare `ws` that accepts as many. Then as many real SDKs whose server goes down and comes up again: how they spread, how a
 * change does that is made while they return, and whether anybody misses it. `BENCH_CLIENTS=2000` measures another number.
 */
import { startServer, type TestServer } from '../support/server.ts'
import { change, greeting, prepare, receipts, servedVersion, socketUrl } from './changing-rollout.ts'
import type { Row } from './row.ts'
import { type Clients, median, percentile, startBareServer, startClients, wait } from './socket-bench.ts'

const count = Number(process.env.BENCH_CLIENTS ?? 10_000)
const rounds = 3
const bars = { accept: 1.5, second: 2, push: 1.3 } as const
/** Limit `returnsPerSecond`; the spread is 5 s at least. */
const returnsPerSecond = 2000
const spreadMs = Math.max(5000, (count / returnsPerSecond) * 1000)

async function acceptTimes(): Promise<{ readonly ours: readonly number[]; readonly bare: readonly number[] }> {
  const [server, bareServer] = [await startServer({ env: { PIPIT_LOG: 'warn' } }), await startBareServer()]
  const [ours, bare]: [number[], number[]] = [[], []]
  try {
    await prepare(server)
    const ourClients = {
      url: socketUrl(server),
      key: server.serverKey,
      greeting: greeting(await servedVersion(server)),
    }
    for (let round = -1; round < rounds; round++) {
      for (const [times, options] of [
        [bare, { url: bareServer.url }],
        [ours, ourClients],
      ] as const) {
        const clients = await startClients(count, { mode: 'bare', ...options })
        if (round >= 0) times.push(clients.joinMs)
        await clients.stop()
        await wait(1000)
      }
    }
  } finally {
    bareServer.stop()
    await server.stop()
  }
  return { ours, bare }
}

/** How long a change took to those that had a socket before, p99; none is there where it reached nobody. */
async function changeMs(server: TestServer, sdks: Clients, settleMs: number) {
  const { at } = await change(server)
  const { version } = await receipts(server)
  await wait(settleMs)
  const { times, opened } = await sdks.told()
  const newest = times.filter((time) => time.version === version)
  const there = newest.filter(({ openedAt }) => openedAt > 0 && openedAt < at).map((time) => time.at - at)
  const reached = new Set(newest.map(({ client }) => client)).size
  return { at, p99: percentile(there, 0.99), there: there.length, reached, opened }
}

async function storm() {
  const server = await startServer({ env: { PIPIT_LOG: 'warn' } })
  await prepare(server)
  const sdks = await startClients(count, { mode: 'sdk', url: server.url, key: server.serverKey })
  try {
    const quiet: number[] = []
    for (let round = -2; round < rounds; round++) {
      const { p99 } = await changeMs(server, sdks, 1000 + count / 5)
      if (round >= 0) quiet.push(p99)
    }
    await server.kill('SIGTERM')
    await server.restart()
    await wait(spreadMs / 2)
    const during = await changeMs(server, sdks, spreadMs / 2 + 10_000)
    const first = Math.min(...during.opened)
    const seconds = during.opened.reduce<number[]>((bins, at) => {
      const second = Math.floor((at - first) / 1000)
      bins[second] = (bins[second] ?? 0) + 1
      return bins
    }, [])
    return { quiet: median(quiet), during, seconds: Array.from(seconds, (n) => n ?? 0) }
  } finally {
    await sdks.stop()
    await server.stop()
  }
}

const ms = (value: number): string => `${value.toFixed(0)} ms`

export async function rows(): Promise<readonly Row[]> {
  const { ours, bare } = await acceptTimes()
  console.log(`${count} clients at once, ms until all are served: bare ws ${bare.map(ms)}, Pipit ${ours.map(ms)}`)
  const ratio = median(ours) / median(bare)
  const { quiet, during, seconds } = await storm()
  const mean = (count / spreadMs) * 1000
  const most = Math.max(...seconds)
  const missed = count - during.reached
  console.log(`${count} SDKs come back after SIGTERM and restart; by the second: ${seconds.join(' ')}`)
  console.log(
    `  a change meanwhile: p99 ${ms(during.p99)} at the ${during.there} that were back, ${ms(quiet)} when it was quiet`,
  )
  return [
    {
      claim: `reconnect: ${count} clients at once, all served`,
      ...{ ours: ms(median(ours)), floor: ms(median(bare)), ratio, bar: `at most ${bars.accept} x` },
      met: ratio <= bars.accept,
      note: 'Ours: key checked, greeted, told that its version is the newest. Floor: accepted by bare ws, nothing sent.',
    },
    {
      claim: `reconnect: SDKs in the busiest second after a restart`,
      ...{ ours: `${most}`, floor: `${mean.toFixed(0)}`, ratio: most / mean, bar: `at most ${bars.second} x` },
      met: most <= bars.second * mean,
      note: `Floor: the mean of ${count} over the ${spreadMs / 1000} s told in the closing frame.`,
    },
    {
      claim: 'reconnect: a change while they return, p99 at who is back',
      ...{ ours: ms(during.p99), floor: ms(quiet), ratio: during.p99 / quiet, bar: `at most ${bars.push} x` },
      met: during.p99 <= bars.push * quiet,
      note: `Floor: a change at all ${count} when nobody returns.`,
    },
    {
      claim: 'reconnect: SDKs that missed that change',
      ...{ ours: `${missed}`, bar: 'none', met: missed === 0 },
    },
  ]
}
