import { type BucketTable, type EpochBuckets, userBuckets } from '@pipit/server/analysis'
import type { Moment } from './traffic.ts'

export type Tables = Pick<EpochBuckets, 'canary' | 'stable'>

const newTable = (limits: number): BucketTable => ({
  n: new Float64Array(userBuckets),
  failed: new Float64Array(userBuckets),
  timed: new Float64Array(userBuckets),
  over: Array.from({ length: limits }, () => new Float64Array(userBuckets)),
})

/** The user-bucket tables of a run: one for each epoch, its latencies counted anew where limits change. */
export function createTables(): { of(moment: Moment): Tables; all(): readonly EpochBuckets[] } {
  const epochs: EpochBuckets[] = []
  return {
    all: () => epochs,
    of({ epoch, thresholds }) {
      const last = epochs.at(-1)
      const { version } = thresholds
      if (last?.epoch === epoch && last.thresholdsVersion === version) return last
      const limits = thresholds.ms.length
      const begun = { epoch, thresholdsVersion: version, canary: newTable(limits), stable: newTable(limits) }
      if (last?.epoch === epoch) {
        // New limits within an epoch: what was counted of requests and failures stays.
        for (const arm of ['canary', 'stable'] as const) {
          begun[arm].n.set(last[arm].n)
          begun[arm].failed.set(last[arm].failed)
        }
        epochs.pop()
      }
      epochs.push(begun)
      return begun
    },
  }
}
