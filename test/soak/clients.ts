/**
 * A process full of SDKs as applications use them, for `main.ts`: each decides, reports outcomes, and tracks purchases; again and again one of
 * its sockets is destroyed as by a network. Says what it did and what it holds when asked.
 */
import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { createClient } from '@pipit/sdk-node'
import { seededRandom } from '@pipit/shared/testing'
import { type Held, held } from './probe.ts'

export interface Told {
  readonly outcomes: number
  readonly failed: number
  readonly disconnects: number
  readonly dropped: number
  readonly pendingReports: number
  readonly connected: number
  /** Sockets that are open in this process, to anybody. */
  readonly sockets: number
  readonly held: Held
}

const [url = '', key = '', count = '0', perSecond = '0', lossesPerSecond = '0', seed = '1'] = process.argv.slice(2)
const random = seededRandom(Number(seed))
/** More than an SDK remembers: its memory is full soon, and stays so. */
const users = 2000
const remembered = 200
const sockets = new Set<Socket>()
subscribe('net.client.socket', (message) => {
  const { socket } = message as { socket: Socket }
  sockets.add(socket)
  socket.once('close', () => sockets.delete(socket))
})

const sdks = Array.from({ length: Number(count) }, () =>
  createClient({
    ...{ url, key, rollout: 'soak', cacheDir: false, maxRememberedUnits: remembered },
    logger: { warn: () => undefined },
  }),
)
let outcomes = 0
let failed = 0
let disconnects = 0
let owed = 0
let owedLosses = 0
let last = performance.now()

function work(): void {
  const now = performance.now()
  owed += ((now - last) / 1000) * Number(perSecond)
  owedLosses += ((now - last) / 1000) * Number(lossesPerSecond)
  last = now
  for (; owed >= 1; owed--) act()
  for (; owedLosses >= 1; owedLosses--) lose()
}

function act(): void {
  const sdk = sdks[Math.floor(random() * sdks.length)]
  if (sdk === undefined) return
  const user = `user-${Math.floor(random() * users)}`
  const decision = sdk.decide(user)
  if (decision.reason !== 'split') return
  const ok = random() > 0.02
  sdk.outcome(decision, { ok, latencyMs: 10 + random() * 90 })
  outcomes++
  if (!ok) failed++
  if (random() < 0.02) sdk.track(user, 'purchase', { value: 10 })
}

function lose(): void {
  const open = [...sockets]
  open[Math.floor(random() * open.length)]?.destroy()
  disconnects++
}

function told(): Told {
  const statuses = sdks.map((sdk) => sdk.status())
  const sum = (of: (status: (typeof statuses)[number]) => number): number =>
    statuses.reduce((all, each) => all + of(each), 0)
  return {
    ...{ outcomes, failed, disconnects, sockets: sockets.size, held: held() },
    dropped: sum(({ dropped }) => dropped.outcomes + dropped.exposures + dropped.events + dropped.invalid),
    pendingReports: sum(({ pending }) => pending.reports),
    connected: statuses.filter(({ connected }) => connected).length,
  }
}

const working = setInterval(work, 10)
process.on('disconnect', () => process.exit(0))
process.on('message', (message) => {
  if (message === 'told') process.send?.(told())
  if (message === 'calm') clearInterval(working)
  if (message === 'flush')
    void Promise.all(sdks.map((sdk) => sdk.flush({ timeoutMs: 60_000 }))).then((done) =>
      process.send?.({ flushed: !done.includes(false) }),
    )
  if (message === 'close')
    void Promise.all(sdks.splice(0).map((sdk) => sdk.close())).then(() =>
      setTimeout(() => process.send?.(told()), 1500),
    )
})
