import type { Random } from '../clock/index.ts'

const firstMs = 1000
const longestMs = 30_000

/** Full jitter: uniform below 1 s, 2 s, 4 s … 30 s by the number of failures in a row (0 for the first), but not below `spreadMs`. */
export function backoffMs(failures: number, random: Random, spreadMs = 0): number {
  return random() * Math.max(spreadMs, Math.min(longestMs, firstMs * 2 ** Math.min(failures, 16)))
}

/** After a refused key: 30 s to 5 min, since only a person can help. */
export function refusedBackoffMs(random: Random): number {
  return 30_000 + random() * 270_000
}
