/** The numbers of a stored user-bucket table: 256 rows of n, failed, timed, over… */
export function readTable(bytes: Buffer): Float64Array {
  // A blob may lie at any offset of its buffer; a Float64Array has to begin at a multiple of eight.
  return new Float64Array(Uint8Array.from(bytes).buffer)
}

/** Latencies that were measured, and how many of them were over each limit of a version. */
export interface Exceedances {
  readonly thresholds: number
  readonly timed: number
  readonly over: readonly number[]
}

/** Exceedances of the newest limits only: counts against older ones are left aside, they say nothing about the new. */
export function mergeOver(before: Exceedances, added: Exceedances): Exceedances {
  if (added.thresholds > before.thresholds) return added
  if (added.thresholds < before.thresholds) return before
  const length = Math.max(before.over.length, added.over.length)
  return {
    thresholds: added.thresholds,
    timed: before.timed + added.timed,
    over: Array.from({ length }, (_, i) => (before.over[i] ?? 0) + (added.over[i] ?? 0)),
  }
}
