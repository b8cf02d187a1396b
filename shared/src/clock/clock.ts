/** Cancels what it came from; calling it again does nothing. */
export type Cancel = () => void

/**
 * Time as a value. `now` is wall time in integer epoch milliseconds and may jump; `monotonic` never goes back and has
 * no fixed origin: measure spans with it, in milliseconds (fractions allowed).
 */
export interface Clock {
  now(): number
  monotonic(): number
  /** Calls `run` once after at least `delayMs`. A timer never keeps a process alive by itself. */
  setTimer(delayMs: number, run: () => void): Cancel
}

/** A source of uniform numbers in [0, 1). */
export type Random = () => number
