import type { Clock } from '@pipit/shared/clock'
import type { Report, WireError } from '@pipit/shared/protocol'
import type { Storage, Stores } from '../storage/ports.ts'
import type { Ingest, IngestResult } from './api.ts'
import { foldReport, type Tally } from './fold-report.ts'
import { createRolloutIndex } from './rollout-index.ts'

/** Reports that may wait for a commit; beyond it SDKs are told to come back. */
const queueLimit = 2000
/** Reports in one transaction: what a commit may take at most while others wait. */
const batchLimit = 200
const pruneEveryMs = 60_000
/** Instances silent for so long, and event ids this old, are forgotten. */
const keepMs = 7 * 86_400_000

interface Waiting {
  readonly environment: string
  readonly instance: string
  readonly report: Report
  readonly resolve: (result: IngestResult | WireError) => void
  readonly reject: (error: unknown) => void
}

/**
 * Takes reports in groups: whatever arrives while a commit is under way shares the next transaction. The sequence of an instance is
 * stored with what it adds, so that a repeated report changes nothing; the answer goes out after the commit.
 */
export function createIngest({ storage, clock }: { readonly storage: Storage; readonly clock: Clock }): Ingest {
  const indexOf = createRolloutIndex()
  const counters: Tally = {}
  let queue: Waiting[] = []
  let running: Promise<void> | undefined
  let prunedAt = clock.monotonic()

  async function drain(): Promise<void> {
    // One turn of waiting: everything read from the sockets in this turn shares the transaction.
    await Promise.resolve()
    while (queue.length > 0) {
      const batch = queue.slice(0, batchLimit)
      queue = queue.slice(batch.length)
      await commit(batch)
    }
    running = undefined
  }

  async function commit(batch: readonly Waiting[]): Promise<void> {
    const tally: Tally = {}
    const now = clock.now()
    try {
      const results = await storage.transaction(async (stores) => {
        await pruneSometimes(stores, now)
        const done: (IngestResult | WireError)[] = []
        for (const waiting of batch) done.push(await take(stores, waiting, now, tally))
        return done
      })
      for (const [counter, count] of Object.entries(tally)) counters[counter] = (counters[counter] ?? 0) + count
      batch.forEach((waiting, i) => {
        waiting.resolve(results[i] as IngestResult)
      })
    } catch (error) {
      counters.commits_failed = (counters.commits_failed ?? 0) + 1
      for (const waiting of batch) waiting.reject(error)
    }
  }

  async function take(
    stores: Stores,
    { environment, instance, report }: Waiting,
    now: number,
    tally: Tally,
  ): Promise<IngestResult | WireError> {
    // An instance is known only within its environment: another key cannot use up its sequence.
    const name = `${environment}/${instance}`
    if (report.seq <= (await stores.reports.lastSeq(name))) {
      tally.duplicates = (tally.duplicates ?? 0) + 1
      return { seq: report.seq, status: 'duplicate' }
    }
    const index = await indexOf(stores, environment)
    if (index === undefined) {
      return {
        type: 'error',
        code: 'bad-report',
        message: `there is no environment "${environment}" any more`,
        retry: false,
        seq: report.seq,
      }
    }
    await foldReport(stores, environment, index, report, now, tally)
    await stores.reports.setSeq(name, report.seq, now)
    return { seq: report.seq, status: 'stored' }
  }

  async function pruneSometimes(stores: Stores, now: number): Promise<void> {
    if (clock.monotonic() - prunedAt < pruneEveryMs) return
    prunedAt = clock.monotonic()
    await stores.reports.prune(now - keepMs)
    await stores.evidence.pruneEvents(now, now - keepMs)
  }

  return {
    submit(environment, instance, report) {
      if (queue.length >= queueLimit) {
        counters.refused_busy = (counters.refused_busy ?? 0) + 1
        const message = 'too many reports are waiting to be stored; send this one again later'
        return Promise.resolve({ type: 'error', code: 'unavailable', message, retry: true, seq: report.seq })
      }
      return new Promise((resolve, reject) => {
        queue.push({ environment, instance, report, resolve, reject })
        running ??= drain()
      })
    },
    counters: () => ({ ...counters }),
    async stop() {
      await running
    },
  }
}
