import type { Clock } from '@pipit/shared/clock'
import type { Report, WireError } from '@pipit/shared/protocol'
import type { IngestLoad, IngestResult, ReportingInstance } from './api.ts'
import type { IngestLimits } from './limits.ts'
import { reportWeight } from './report-weight.ts'

/** A sender is told to stay away for no less and no more than this, whatever waits. */
const retryAfter = { leastMs: 1000, mostMs: 60_000 }

export interface Waiting {
  readonly environment: string
  readonly instance: ReportingInstance
  readonly report: Report
  readonly weight: number
  /** Monotonic. */
  readonly since: number
  readonly resolve: (result: IngestResult | WireError) => void
  readonly reject: (error: unknown) => void
}

/** Reports that wait for their commit, in the order they came, and how commits go. */
export interface ReportQueue {
  /** False where there is no room. */
  add(report: Omit<Waiting, 'weight' | 'since'>): boolean
  /** How many are yet to be taken. */
  readonly size: number
  /** The next reports to share a transaction; they count as waiting until `committed`. */
  take(): readonly Waiting[]
  /** `isDown`: the database could not store them, whatever was in them; undefined: they were not the reason. */
  committed(outcome: { readonly tookMs: number; readonly isDown: boolean | undefined }): void
  /** The batch taken last has its answers. */
  answered(): void
  load(): IngestLoad
  /** What a sender who finds no room or no database is told: by when what waits now will be stored, as fast as that goes at present. */
  retryAfterMs(): number
}

export function createReportQueue(clock: Clock, limits: IngestLimits): ReportQueue {
  let waiting: Waiting[] = []
  let taken: readonly Waiting[] = []
  let weight = 0
  let commitMs = 0
  /** Of the commits lately; a commit that takes long for little says nothing about much. */
  let msPerWeight = 0
  let failingSince: number | undefined

  return {
    add(report) {
      const own = reportWeight(report.report)
      if (waiting.length + taken.length >= limits.queuedReports || weight + own > limits.queuedWeight) return false
      waiting.push({ ...report, weight: own, since: clock.monotonic() })
      weight += own
      return true
    },
    get size() {
      return waiting.length
    },
    take() {
      let end = 0
      let sum = 0
      for (const { weight: own } of waiting) {
        if (end >= limits.batchReports || (end > 0 && sum + own > limits.batchWeight)) break
        sum += own
        end++
      }
      taken = waiting.slice(0, end)
      waiting = waiting.slice(end)
      return taken
    },
    committed({ tookMs, isDown }) {
      commitMs = tookMs
      if (isDown === true) failingSince ??= clock.monotonic()
      else if (isDown === false) {
        failingSince = undefined
        const sum = taken.reduce((all, one) => all + one.weight, 0)
        if (sum > 0) msPerWeight += (tookMs / sum - msPerWeight) * (sum / (sum + limits.batchWeight))
      }
    },
    answered() {
      for (const one of taken) weight -= one.weight
      taken = []
    },
    load() {
      const oldest = taken[0] ?? waiting[0]
      const now = clock.monotonic()
      return {
        reports: taken.length + waiting.length,
        weight,
        oldestMs: oldest === undefined ? 0 : now - oldest.since,
        commitMs,
        ...(failingSince === undefined ? {} : { failingSinceMs: now - failingSince }),
      }
    },
    retryAfterMs() {
      const untilStored = failingSince === undefined ? weight * msPerWeight : clock.monotonic() - failingSince
      return Math.round(Math.min(retryAfter.mostMs, Math.max(retryAfter.leastMs, untilStored)))
    },
  }
}
