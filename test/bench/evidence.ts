/**
 * `npm run bench -- evidence`: how old what happened may be and not yet in the evidence when a rollout is looked at. A thousand SDKs record one
 * outcome each at some moment before the end of a time bucket; the bucket says how many of them were in it, and the judge's memory when it
 * was looked at.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { openSqlite } from '@pipit/server/storage/sqlite'
import { startServer } from '../support/server.ts'
import type { Row } from './row.ts'

const instances = 1000
const tickMs = 5000
const barMs = 2000
/** Before the end of a bucket. */
const before = [2000, 1500, 1300, 1200, 1150, 1100, 1050, 1000, 800, 500]

const message = <T>(child: ChildProcess): Promise<T> =>
  new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`the process of SDKs ended with code ${code}`))
    child.once('exit', ended)
    child.once('message', (told) => {
      child.off('exit', ended)
      resolve(told as T)
    })
  })

export async function rows(): Promise<readonly Row[]> {
  const server = await startServer({ env: { PIPIT_LOG: 'warn' } })
  const stages = [
    { name: 'half', weight: 50, hold: '30d' },
    { name: 'full', weight: 100 },
  ]
  await server.api('POST', '/rollouts', {
    ...{ key: 'watched', stages, analysis: { tick: `${tickMs}ms` } },
    guards: [{ metric: 'error_rate', worseThan: { relative: 2 }, action: 'alert' }],
  })
  await server.api('POST', '/rollouts/watched/start')
  const script = fileURLToPath(new URL('./evidence-clients.ts', import.meta.url))
  const clients = fork(script, [server.url, server.serverKey, String(instances)], { execArgv: ['--conditions=source'] })
  const storage = openSqlite({ file: server.databaseFile })
  try {
    await message(clients)
    const id = (await storage.rollouts.get('production', 'watched'))?.id ?? ''
    const countOf = async (tick: number): Promise<number> => {
      const ticks = await storage.evidence.ticks(id, { fromEpoch: 0, after: tick - 1, through: tick })
      return ticks.reduce((sum, { canary, stable }) => sum + canary.n + stable.n, 0)
    }
    const found: { readonly ms: number; readonly counted: number; readonly lateMs: number }[] = []
    for (const planned of before) {
      const tick = Math.floor(Date.now() / tickMs) + 1
      const end = (tick + 1) * tickMs
      clients.send(end - planned)
      const at = await message<number>(clients)
      await sleep(end - Date.now())
      while (((await storage.judge.get(id))?.foldedTick ?? 0) < tick) await sleep(5)
      found.push({ ms: end - at, counted: await countOf(tick), lateMs: Date.now() - end })
    }
    return tell(found)
  } finally {
    clients.kill('SIGKILL')
    await storage.close()
    await server.stop()
  }
}

function tell(
  found: readonly { readonly ms: number; readonly counted: number; readonly lateMs: number }[],
): readonly Row[] {
  for (const { ms, counted, lateMs } of found)
    console.log(
      `  ${ms} ms before the end of a bucket: ${counted} of ${instances} in it, looked at ${lateMs} ms after the end`,
    )
  const late = Math.max(...found.map(({ lateMs }) => lateMs))
  const missing = found.filter(({ counted }) => counted < instances).map(({ ms }) => ms)
  const whole = Math.min(...found.map(({ ms }) => ms).filter((ms) => missing.every((other) => other < ms)))
  return [
    {
      claim: `evidence of ${instances} SDKs at a look: what happened so long before it is in it`,
      ours: `${whole + late} ms (${whole} before the end of the time bucket, ${late} after it)`,
      ...{ bar: `at most ${barMs} ms`, met: whole + late <= barMs },
    },
  ]
}
