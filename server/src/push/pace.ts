/** Below this there is no need to slow anybody: the shortest time between two reports of an SDK. */
const shortestMs = 1000
const longestMs = 60_000
/** What is told leaves room for so many more, and holds until so many are gone: each change of pace is told to everybody. */
const room = 1.25
const slack = 1.6

/**
 * The least time between two reports of an SDK, so that all together send no more than `reportsPerSecond`; 0 where they need not be slowed.
 * `told` is what holds now.
 */
export function leastFlushMs(told: number, instances: number, reportsPerSecond: number): number {
  const needed = (1000 * instances) / reportsPerSecond
  if (needed <= shortestMs && needed * slack * room < Math.max(told, shortestMs)) return 0
  if (needed <= Math.max(told, shortestMs) && needed * slack * room >= told) return told
  return Math.min(longestMs, Math.ceil((needed * room) / 100) * 100)
}
