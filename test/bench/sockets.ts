/**
 * `npm run bench -- sockets`: what an idle instance costs the server in resident memory, against a connection of bare `ws`, 10 000 of each.
 * `BENCH_CLIENTS=2000` measures another number.
 */
import { startServer } from '../support/server.ts'
import { greeting, prepare, socketUrl } from './changing-rollout.ts'
import type { Row } from './row.ts'
import { type ClientsOptions, residentKb, startBareServer, startClients, wait } from './socket-bench.ts'

const count = Number(process.env.BENCH_CLIENTS ?? 10_000)
const warmup = 500
const mostKb = 10
const settleMs = 5000

/** Kilobytes of the server a client: after some have come and gone, so that what a server loads or grows once is not theirs. */
async function kbEach(pid: number, options: ClientsOptions): Promise<number> {
  await (await startClients(warmup, options)).stop()
  await wait(settleMs)
  const before = residentKb(pid)
  const clients = await startClients(count, options)
  await wait(settleMs)
  const after = residentKb(pid)
  await clients.stop()
  return (after - before) / count
}

export async function rows(): Promise<readonly Row[]> {
  const bareServer = await startBareServer()
  const bare = await kbEach(bareServer.pid, { mode: 'bare', url: bareServer.url })
  bareServer.stop()
  const server = await startServer({ env: { PIPIT_LOG: 'warn' } })
  await prepare(server)
  const greeted = { url: socketUrl(server), key: server.serverKey, greeting: greeting() }
  const ours = await kbEach(server.pid, { mode: 'bare', ...greeted })
  await server.stop()
  const kb = (value: number): string => `${value.toFixed(1)} kB`
  console.log(`resident memory of the server for each of ${count}: bare ws ${kb(bare)}, Pipit ${kb(ours)}`)
  return [
    {
      claim: 'memory: server, for each idle instance',
      ...{ ours: kb(ours), floor: kb(bare), bar: `at most ${mostKb} kB above`, met: ours - bare <= mostKb },
      note: `Growth of resident memory by ${count} sockets that have greeted and got the ruleset; the floor is a bare ws connection.`,
    },
  ]
}
