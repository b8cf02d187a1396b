import type { EpochBuckets } from '../evidence.ts'

/** Whether this many user buckets can be behind half of the failures. */
const few = 3

/**
 * Whether `failed` failures of the canary in one time bucket may come from a few users who try again and again: the user buckets with most
 * failures of the epoch have at least half as many. False where nothing is known of users.
 */
export function isByFewUsers(buckets: readonly EpochBuckets[], epoch: number, failed: number): boolean {
  const entry = buckets.find((candidate) => candidate.epoch === epoch)
  if (entry === undefined) return false
  const most = entry.canary.failed.toSorted().slice(-few)
  return most.reduce((sum, own) => sum + own, 0) >= failed / 2
}
