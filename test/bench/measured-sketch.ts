/** What a run of `peers/sketches.ts` found of one sketch. */
export interface MeasuredSketch {
  readonly name: string
  readonly nanoseconds: number
  /** The largest relative error of p1, p50, p90, p99 and p99.9. */
  readonly error: number
}
