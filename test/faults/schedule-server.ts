import { createEngine, createMemberLists, createSteadyClock, readRuleset } from '@pipit/server/engine'
import { createIngest, type Ingest } from '@pipit/server/ingest'
import { createHub, type PushHub } from '@pipit/server/push'
import type { Storage } from '@pipit/server/storage'
import { openSqlite } from '@pipit/server/storage/sqlite'
import type { Clock, Random } from '@pipit/shared/clock'

export type Engine = ReturnType<typeof createEngine>

/** All parts of a server between network and file, in this process, on a time of its own. */
export interface ScheduledServer {
  readonly hub: PushHub
  readonly ingest: Ingest
  readonly engine: Engine
  readonly storage: Storage
  /** The wall clock is set forward or back. */
  jump(ms: number): void
  /** Until when each commit fails after its work was done: 'full' is a full disk, 'read-only' one that went read-only. */
  trouble: 'full' | 'read-only' | undefined
  /** Stops as by SIGKILL: no timer of it ever runs again, and its file is closed. */
  kill(): Promise<void>
}

const sqliteCodes = { full: 'SQLITE_FULL', 'read-only': 'SQLITE_READONLY' } as const
const quiet = { debug() {}, info() {}, warn() {}, error() {} }
let ids = 0

export function startScheduledServer(file: string, world: Clock, random: Random): ScheduledServer {
  let isAlive = true
  let offset = 0
  const wall: Clock = {
    now: () => world.now() + offset,
    monotonic: () => world.monotonic(),
    setTimer: (delayMs, run) =>
      world.setTimer(delayMs, () => {
        if (isAlive) run()
      }),
  }
  const clock = createSteadyClock(wall)
  const database = openSqlite({ file })
  const storage: Storage = {
    ...database,
    transaction: (work) =>
      database.transaction(async (stores) => {
        const result = await work(stores)
        const { trouble } = server
        if (trouble !== undefined)
          throw Object.assign(new Error(`made to fail: ${trouble}`), { code: sqliteCodes[trouble] })
        return result
      }),
  }
  const memberLists = createMemberLists({ storage })
  const ingest = createIngest({ storage, clock })
  const hub = createHub({
    projectRuleset: (environment) => readRuleset(storage, memberLists, environment),
    authenticate: async () => ({ keyId: 'k', kind: 'srv', environment: 'production' }),
    ...{ ingest, clock, log: quiet, random },
  })
  const engine = createEngine({
    ...{ storage, memberLists, publisher: hub, clock, log: quiet },
    notifier: { notify: () => Promise.resolve() },
    newId: (size = 21) => `${ids++}`.padStart(size, 'x'),
  })
  const server: ScheduledServer = {
    ...{ hub, ingest, engine, storage },
    trouble: undefined,
    jump(ms) {
      offset += ms
    },
    async kill() {
      isAlive = false
      await database.close()
    },
  }
  return server
}
