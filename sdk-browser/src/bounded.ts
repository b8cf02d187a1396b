/** A duration that the server tells, within bounds; what is none changes nothing. */
export const bounded = (ms: unknown, before: number): number => Math.min(Math.max(Number(ms) || before, 50), 3_600_000)
