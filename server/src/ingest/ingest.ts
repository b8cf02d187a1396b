import type { Clock } from '@pipit/shared/clock'
import type { Report, WireError } from '@pipit/shared/protocol'
import type { Storage, Stores } from '../storage/ports.ts'
import { StorageError } from '../storage/storage-error.ts'
import type { Ingest, IngestResult } from './api.ts'
import { foldReport, type Tally } from './fold-report.ts'
import { defaultIngestLimits, type IngestLimits } from './limits.ts'
import { observe } from './observe.ts'
import { createReportQueue, type Waiting } from './report-queue.ts'
import { createRolloutIndex, type IngestIndex } from './rollout-index.ts'

/** How often events are looked for that have waited in vain. */
const pruneEveryMs = 60_000

/** Turns of the event loop that a commit waits for more reports, some tens of microseconds each. */
const mostTurns = 16

interface Batch {
  readonly stores: Stores
  /** As of the batch: nothing else writes while it is under way. */
  readonly indexOf: ReturnType<typeof onceEach<IngestIndex | undefined>>
  readonly now: number
  readonly tally: Tally
}

export interface IngestOptions {
  readonly storage: Storage
  /** Shared with the engine: they meet in the time buckets. */
  readonly clock: Clock
  /** Resolves once everything that has come in by now was handed over; by default after Node has read every socket that is readable. */
  readonly nextTurn?: () => Promise<void>
  readonly limits?: Partial<IngestLimits>
}

/**
 * Takes reports in groups: whatever arrives in one turn of the event loop, or while a commit is under way, shares a transaction. The
 * sequence of an instance is stored with what it adds, so that a repeated report changes nothing; the answer goes out after the commit.
 */
export function createIngest({ storage, clock, nextTurn = turnOfTheLoop, limits }: IngestOptions): Ingest {
  const readIndex = createRolloutIndex()
  const counters: Tally = {}
  const bounds = { ...defaultIngestLimits, ...limits }
  const queue = createReportQueue(clock, bounds)
  let running: Promise<void> | undefined
  let prunedAt = clock.monotonic()

  async function drain(): Promise<void> {
    while (queue.size > 0) {
      await gather()
      await commit(queue.take())
      queue.answered()
    }
    running = undefined
  }

  /**
   * Each socket's message comes in a callback of its own, and a commit ends before the next one: without a whole turn of waiting every report
   * would pay for its own commit. As long as a turn brings more, the next one may: whoever was answered together reports again together.
   */
  async function gather(): Promise<void> {
    for (
      let turn = 0, before = 0;
      turn < mostTurns && queue.size > before && queue.size < bounds.batchReports;
      turn++
    ) {
      before = queue.size
      await nextTurn()
    }
  }

  async function commit(batch: readonly Waiting[]): Promise<void> {
    const tally: Tally = {}
    // The engine reads a closed tick after every transaction that was asked for while it was open: nothing may come between these two.
    const now = clock.now()
    const began = clock.monotonic()
    try {
      const results = await storage.transaction(async (stores) => {
        await pruneSometimes(stores, now)
        const indexOf = onceEach((environment) => readIndex(stores, environment))
        const done: (IngestResult | WireError)[] = []
        for (const waiting of batch) done.push(await take({ stores, indexOf, now, tally }, waiting))
        return done
      })
      queue.committed({ tookMs: clock.monotonic() - began, isDown: false })
      for (const [counter, count] of Object.entries(tally)) counters[counter] = (counters[counter] ?? 0) + count
      batch.forEach((waiting, i) => {
        waiting.resolve(results[i] as IngestResult)
      })
    } catch (error) {
      counters.commits_failed = (counters.commits_failed ?? 0) + 1
      queue.committed({ tookMs: clock.monotonic() - began, isDown: error instanceof StorageError || undefined })
      await refuse(batch, error)
    }
  }

  /** Where it was not the database as a whole, one report may have been at fault: the others must not be held up with it. */
  async function refuse(batch: readonly Waiting[], error: unknown): Promise<void> {
    const isOfOneReport = !(error instanceof StorageError) || error.code === 'failed'
    if (isOfOneReport && batch.length > 1) for (const one of batch) await commit([one])
    else if (error instanceof StorageError) {
      for (const { report, resolve } of batch)
        resolve(unavailable(report, 'the report could not be stored now; send it again later'))
    } else for (const waiting of batch) waiting.reject(error)
  }

  const unavailable = ({ seq }: Report, message: string): WireError => ({
    ...{ type: 'error', code: 'unavailable', message, retry: true, retryAfterMs: queue.retryAfterMs(), seq },
  })

  async function take(
    { indexOf, ...batch }: Batch,
    { environment, instance, report }: Waiting,
  ): Promise<IngestResult | WireError> {
    const { stores, now, tally } = batch
    const index = await indexOf(environment)
    if (index === undefined) {
      return {
        type: 'error',
        code: 'bad-report',
        message: `there is no environment "${environment}" any more`,
        retry: false,
        seq: report.seq,
      }
    }
    // An instance is known only within its environment: another key cannot use up its sequence.
    const keepMs =
      instance.group === undefined ? bounds.sequenceDays * 86_400_000 : bounds.pageSequenceHours * 3_600_000
    const taken = await stores.reports.take(`${environment}/${instance.id}`, report.seq, now + keepMs)
    if (taken === 'new') {
      await foldReport({ ...batch, environment, instance, index }, report)
      return { seq: report.seq, status: 'stored' }
    }
    const counter = taken === 'duplicate' ? 'duplicates' : 'reports_too_old'
    tally[counter] = (tally[counter] ?? 0) + 1
    return { seq: report.seq, status: 'duplicate' }
  }

  async function pruneSometimes(stores: Stores, now: number): Promise<void> {
    if (clock.monotonic() - prunedAt < pruneEveryMs) return
    prunedAt = clock.monotonic()
    await stores.evidence.prunePending(now)
  }

  return {
    submit(environment, instance, report) {
      return new Promise((resolve, reject) => {
        if (queue.add({ environment, instance, report, resolve, reject })) running ??= drain()
        else {
          counters.refused_busy = (counters.refused_busy ?? 0) + 1
          resolve(unavailable(report, 'too many reports are waiting to be stored; send this one again later'))
        }
      })
    },
    async observe(environment, rollout, items) {
      // As for reports: before the transaction is asked for.
      const now = clock.now()
      const fault = await storage.transaction((stores) => observe(stores, environment, rollout, items, now))
      if (fault === undefined) counters.observations = (counters.observations ?? 0) + items.length
      return fault
    },
    counters: () => ({ ...counters }),
    load: queue.load,
    async stop() {
      await running
    },
  }
}

function onceEach<T>(read: (name: string) => Promise<T>): (name: string) => Promise<T> {
  const known = new Map<string, Promise<T>>()
  return (name) => {
    const found = known.get(name) ?? read(name)
    known.set(name, found)
    return found
  }
}

function turnOfTheLoop(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
