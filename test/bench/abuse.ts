/**
 * `npm run bench -- abuse`: a thousand instances that behave, and beside them somebody who does not, in one way after the other: how long changes
 * take to the thousand, and acknowledgements to their reports, before and while. Server on one core; they and the abuser share the other.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { setPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startServer } from '../support/server.ts'
import type { Served } from './abuse-bystanders.ts'
import { pin } from './ingest-load.ts'
import type { Row } from './row.ts'

const bystanders = 1000
const measureMs = 3000
/** Of measurements before and while, in turn: what else the machine does meets both. */
const rounds = 3
const most = 2
const attacks = [
  'oversize frames',
  'slow-loris',
  'bogus keys',
  'a flood of reports from one key',
  'hostile JSON',
  'sockets that never read',
]
const file = (name: string): string => fileURLToPath(new URL(`./${name}.ts`, import.meta.url))

function heard<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`${child.spawnargs.at(-1)} ended with code ${code}`))
    child.once('exit', ended)
    child.once('message', (message) => {
      child.off('exit', ended)
      resolve(message as T)
    })
  })
}

const shown = ({ pushP99Ms, ackP99Ms }: Served): string =>
  `push ${pushP99Ms.toFixed(0)} ms, ack ${ackP99Ms.toFixed(0)} ms`

/** Medians of the rounds, and all harm. */
function typical(rounds: readonly Served[]): Served {
  const median = (of: (served: Served) => number): number =>
    rounds.map(of).sort((a, b) => a - b)[Math.floor(rounds.length / 2)] ?? Number.NaN
  const sum = (of: (served: Served) => number): number => rounds.reduce((all, served) => all + of(served), 0)
  return {
    pushP99Ms: median(({ pushP99Ms }) => pushP99Ms),
    ackP99Ms: median(({ ackP99Ms }) => ackP99Ms),
    pushes: sum(({ pushes }) => pushes),
    acks: sum(({ acks }) => acks),
    harmed: sum(({ harmed }) => harmed),
  }
}

/** Resolves to how often the abuser did it. */
async function whileAttacked(attack: string, url: string, key: string, run: () => Promise<void>): Promise<number> {
  const abuser = fork(file('abuse-attacks'), [attack, url, key])
  pin(abuser.pid ?? 0, 1)
  // Whoever measures must not wait for whoever attacks.
  setPriority(abuser.pid ?? 0, 19)
  await heard(abuser)
  await sleep(1500)
  await run()
  abuser.send('how often')
  const times = await heard<number>(abuser)
  abuser.kill('SIGKILL')
  await sleep(1500)
  return times
}

export async function rows(): Promise<readonly Row[]> {
  const server = await startServer({ env: { PIPIT_LOG: 'error' } })
  const stages = [
    { name: 'half', weight: 50, hold: '30d' },
    { name: 'full', weight: 100 },
  ]
  await server.api('POST', '/rollouts', { key: 'shop', stages })
  await server.api('POST', '/rollouts/shop/start')
  // A key of the abuser's own.
  const made = await server.api('POST', '/keys', { kind: 'srv', name: 'abuser' })
  const { secret } = made.body as { secret: string }
  const others = fork(file('abuse-bystanders'), [server.url, server.serverKey, server.token, String(bystanders)])
  const measure = (): Promise<Served> => {
    others.send(measureMs)
    return heard<Served>(others)
  }
  try {
    await heard(others)
    pin(server.pid, 0)
    pin(others.pid ?? 0, 1)
    await measure()
    const found: Row[] = []
    for (const attack of attacks) {
      const [quiet, busy]: [Served[], Served[]] = [[], []]
      let times = 0
      for (let round = 0; round < rounds; round++) {
        quiet.push(await measure())
        times += await whileAttacked(attack, server.url, secret, async () => void busy.push(await measure()))
      }
      const [before, during] = [typical(quiet), typical(busy)]
      const ratio = Math.max(during.pushP99Ms / before.pushP99Ms, during.ackP99Ms / before.ackP99Ms)
      const harmed = during.harmed === 0 ? '' : `, ${during.harmed} sockets or changes lost`
      console.log(
        `  ${attack}: ${times} times; before ${shown(before)}; while ${shown(during)}${harmed}; ${ratio.toFixed(2)} x`,
      )
      found.push({
        claim: `abuse by ${attack}: p99 of ${bystanders} others, while and before`,
        ...{
          ours: `${shown(during)}${harmed}, done ${times.toLocaleString('en')} times`,
          floor: shown(before),
          ratio,
          bar: `at most ${most} x`,
        },
        met: ratio <= most && during.harmed === 0,
      })
    }
    return found
  } finally {
    others.kill('SIGKILL')
    await server.stop()
  }
}
