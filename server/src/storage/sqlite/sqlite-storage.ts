import type { CohortDefinition, MetricDefinition } from '../../rollout/definition.ts'
import type { Storage, Stores } from '../ports.ts'
import { type Connection, guarded, openConnection, openReader, storageError } from './database.ts'
import { evidenceStore } from './evidence-store.ts'
import { memberStore } from './member-store.ts'
import {
  auditStore,
  decisionStore,
  environmentStore,
  historyStore,
  idempotencyStore,
  judgeStore,
  keyStore,
  outboxStore,
} from './plain-stores.ts'
import { reportStore } from './report-store.ts'
import { retentionStore } from './retention-store.ts'
import { catalogStore, rolloutStore } from './rollout-stores.ts'

/** Methods that change something: outside a transaction each is one of its own. */
const writes: { readonly [S in keyof Stores]: readonly (keyof Stores[S])[] } = {
  environments: ['insert', 'setHoldback', 'setPages', 'bump'],
  keys: ['insert', 'revoke', 'touch'],
  rollouts: ['insert', 'update', 'delete', 'setWake'],
  judge: ['put', 'delete'],
  history: ['append'],
  cohorts: ['insert', 'update', 'delete'],
  members: ['add', 'remove', 'clear'],
  metrics: ['insert', 'update', 'delete'],
  audit: ['append'],
  outbox: ['add', 'done', 'retry'],
  reports: ['take', 'prune'],
  decisions: ['put'],
  evidence: [
    'addOutcomes',
    'expose',
    'convert',
    'addValue',
    'observe',
    'claimEvent',
    'addPending',
    'takePending',
    'prunePending',
    'pruneEventKeys',
  ],
  retention: ['rollUp', 'dropUnits', 'dropTicks', 'dropDeleted', 'dropHistory'],
  idempotency: ['put', 'prune'],
}

function storesOn(connection: Connection): Stores {
  return {
    environments: environmentStore(connection),
    keys: keyStore(connection),
    rollouts: rolloutStore(connection),
    judge: judgeStore(connection),
    history: historyStore(connection),
    cohorts: catalogStore<CohortDefinition>(connection, 'cohort'),
    members: memberStore(connection),
    metrics: catalogStore<MetricDefinition>(connection, 'metric'),
    audit: auditStore(connection),
    outbox: outboxStore(connection),
    reports: reportStore(connection),
    decisions: decisionStore(connection),
    evidence: evidenceStore(connection),
    retention: retentionStore(connection),
    idempotency: idempotencyStore(connection),
  }
}

/**
 * Opens a database file (or `:memory:`) and brings its tables up to date. Throws `StorageError` when it cannot.
 *
 * One connection writes, one transaction at a time; another reads, so that nobody sees what is not committed. A database in
 * memory has only the first, and reads wait for transactions instead.
 */
export function openSqlite({ file }: { readonly file: string }): Storage {
  const writer = openConnection(file)
  try {
    return storageOn(file, writer, file === ':memory:' ? undefined : openReader(file))
  } catch (error) {
    writer.raw.close()
    throw error
  }
}

/** A store on open connections; without a `reader` the writer does both. */
export function storageOn(file: string, writer: Connection, reader: Connection | undefined): Storage {
  const inTransaction = storesOn(writer)
  const reading = reader === undefined ? inTransaction : storesOn(reader)
  let last: Promise<unknown> = Promise.resolve()

  /** Runs alone: after everything that was asked for before. */
  function alone<T>(work: () => Promise<T>): Promise<T> {
    const mine = last.then(work, work)
    last = mine.catch(() => undefined)
    return mine
  }

  async function transaction<T>(work: (stores: Stores) => Promise<T>): Promise<T> {
    return await alone(async () => {
      guarded(file, () => writer.raw.exec('BEGIN IMMEDIATE'))
      try {
        const result = await work(inTransaction)
        guarded(file, () => {
          writer.flush()
          writer.raw.exec('COMMIT')
        })
        return result
      } catch (error) {
        writer.rollback()
        throw storageError(file, error)
      }
    })
  }

  function outside<S extends keyof Stores>(name: S): Stores[S] {
    const methods = Object.keys(inTransaction[name]) as (keyof Stores[S] & string)[]
    const wrapped = methods.map((method) => {
      const isWrite = writes[name].includes(method)
      const call = async (...args: unknown[]): Promise<unknown> => {
        const run = (stores: Stores): Promise<unknown> =>
          (stores[name][method] as (...given: unknown[]) => Promise<unknown>)(...args)
        if (isWrite) return await transaction(run)
        return reader === undefined ? await alone(() => run(reading)) : await run(reading)
      }
      return [method, call] as const
    })
    return Object.fromEntries(wrapped) as unknown as Stores[S]
  }

  return {
    environments: outside('environments'),
    keys: outside('keys'),
    rollouts: outside('rollouts'),
    judge: outside('judge'),
    history: outside('history'),
    cohorts: outside('cohorts'),
    members: outside('members'),
    metrics: outside('metrics'),
    audit: outside('audit'),
    outbox: outside('outbox'),
    reports: outside('reports'),
    decisions: outside('decisions'),
    evidence: outside('evidence'),
    retention: outside('retention'),
    idempotency: outside('idempotency'),
    transaction,
    async check() {
      await transaction(async (stores) => {
        await stores.idempotency.prune(0)
      })
    },
    async close() {
      await alone(async () => {
        reader?.raw.close()
        writer.raw.close()
      })
    },
  }
}
