/** The numbers of a stored user-bucket table: 256 rows of n, failed, timed, over… */
export function readTable(bytes: Buffer): Float64Array {
  // A blob may lie at any offset of its buffer; a Float64Array has to begin at a multiple of eight.
  return new Float64Array(Uint8Array.from(bytes).buffer)
}

/** Exceedances of the newest limits only: counts against older ones are left aside, they say nothing about the new. */
export function mergeOver(
  before: { readonly thresholds: number; readonly timed: number; readonly over: string } | undefined,
  added: { readonly thresholds: number; readonly timed: number; readonly over: readonly number[] },
): { readonly thresholds: number; readonly timed: number; readonly over: readonly number[] } {
  if (before === undefined || added.thresholds > before.thresholds) return added
  const over = JSON.parse(before.over) as number[]
  if (added.thresholds < before.thresholds) return { ...before, over }
  const length = Math.max(over.length, added.over.length)
  return {
    thresholds: added.thresholds,
    timed: before.timed + added.timed,
    over: Array.from({ length }, (_, i) => (over[i] ?? 0) + (added.over[i] ?? 0)),
  }
}
