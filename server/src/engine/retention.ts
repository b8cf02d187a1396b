import { progressOf } from '../rollout/index.ts'
import type { RetentionStep, RolloutRecord, Storage } from '../storage/ports.ts'
import { createPump, type Pump, type PumpParts } from './pump.ts'

/** How long what is kept. Sums by epoch, the rollouts themselves and their judge's memory stay as long as the rollout. */
export interface RetentionLimits {
  /** Time buckets as they were counted; older ones are added up to hours. */
  readonly bucketHours: number
  /** After a rollout has ended: hours and external figures. */
  readonly hourDays: number
  /** After a rollout has ended: who was exposed and converted, unit by unit. What SDKs tell later is counted as new. */
  readonly unitDays: number
  /** History with the evidence of automatic decisions, and audit. */
  readonly historyDays: number
  /** Ids of events: the same one that comes later is counted again. */
  readonly eventIdDays: number
}

export const defaultRetentionLimits: RetentionLimits = {
  bucketHours: 48,
  hourDays: 400,
  unitDays: 30,
  historyDays: 400,
  eventIdDays: 7,
}

export interface RetentionParts extends PumpParts {
  readonly storage: Storage
  readonly limits?: Partial<RetentionLimits>
}

/** Makes what is old smaller, then drops it. */
export interface Retention extends Pick<Pump, 'start' | 'stop' | 'idle'> {
  /** Rows so far, by what was done with them. */
  counters(): { readonly [name: string]: number }
}

const hourMs = 3_600_000
const dayMs = 86_400_000
const everyMs = 600_000
/** Reports, looks and with them reverts wait for a step no longer than about this. */
const stepMs = 20
const rows = { first: 200, least: 20, most: 5000 }
/** After each step others have the database for so many times as long as it took. */
const restRatio = 4

type Work = readonly [name: string, step: (limit: number) => Promise<RetentionStep>]

/**
 * Every ten minutes, from the first on: all that is old, in steps of a few rows with a transaction and a rest each. A crash between two
 * steps leaves nothing half done, and nothing is remembered of how far it got.
 */
export function createRetention({ storage, limits, ...parts }: RetentionParts): Retention {
  const { clock } = parts
  const kept = { ...defaultRetentionLimits, ...limits }
  const counters: { [name: string]: number } = {}
  let limit = rows.first
  let stopped = false
  let endRest = (): void => undefined

  function rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = clock.setTimer(ms, resolve)
      endRest = () => {
        cancel()
        resolve()
      }
    })
  }

  async function finish([name, step]: Work): Promise<void> {
    for (let more = true; more && !stopped; ) {
      const began = clock.monotonic()
      const done = await step(limit)
      const tookMs = clock.monotonic() - began
      counters[name] = (counters[name] ?? 0) + done.rows
      more = done.more
      if (tookMs > stepMs) limit = Math.max(rows.least, Math.floor(limit / 2))
      else if (tookMs < stepMs / 4 && done.rows >= limit) limit = Math.min(rows.most, limit * 2)
      if (more && !stopped) await rest(Math.max(1, tookMs * restRatio))
    }
  }

  async function ofRollout({ id, state, definition }: RolloutRecord): Promise<readonly Work[]> {
    const now = clock.now()
    const progress = progressOf(state)
    if (progress === undefined) return []
    const { tickMs } = definition.analysis
    const endedAt = 'endedAt' in state ? state.endedAt : 'archivedAt' in state ? state.archivedAt : undefined
    // What the judge has not read yet stays as it was counted.
    const read = endedAt === undefined ? ((await storage.judge.get(id))?.foldedTick ?? -1) : Number.POSITIVE_INFINITY
    const through = Math.min(read, Math.floor((now - kept.bucketHours * hourMs) / tickMs))
    const work: Work[] = [['rolled_up', (most) => storage.retention.rollUp(id, { tickMs, through, limit: most })]]
    if (endedAt === undefined) return work
    if (endedAt <= now - kept.unitDays * dayMs) work.push(['units', (most) => storage.retention.dropUnits(id, most)])
    if (endedAt <= now - kept.hourDays * dayMs) work.push(['hours', (most) => storage.retention.dropTicks(id, most)])
    return work
  }

  /** Where the storage says only how many rows it took: all that were asked for means that there may be more. */
  const counted =
    (prune: (limit: number) => Promise<number>): Work[1] =>
    async (most) => {
      const done = await prune(most)
      return { rows: done, more: done >= most }
    }

  async function round(): Promise<number> {
    const now = clock.now()
    await finish(['sequences', counted((most) => storage.reports.prune(now, most))])
    const idsBefore = now - kept.eventIdDays * dayMs
    await finish(['event_ids', counted((most) => storage.evidence.pruneEventKeys(idsBefore, most))])
    await finish(['deleted_rollouts', (most) => storage.retention.dropDeleted(most)])
    await finish(['history', (most) => storage.retention.dropHistory(now - kept.historyDays * dayMs, most)])
    for (const { name } of await storage.environments.list()) {
      for (const record of await storage.rollouts.list(name)) {
        for (const work of stopped ? [] : await ofRollout(record)) await finish(work)
      }
    }
    return clock.now() + everyMs
  }

  const pump = createPump(parts, { name: 'dropping what is old', round })
  return {
    start() {
      stopped = false
      pump.start()
    },
    stop() {
      stopped = true
      endRest()
      return pump.stop()
    },
    idle: () => pump.idle(),
    counters: () => ({ ...counters }),
  }
}
