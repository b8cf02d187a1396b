import type { SaltedHash } from '../hash/index.ts'
import { type OutcomeCell, type OutcomeKind, outcomeKinds } from '../protocol/index.ts'
import type { LatencySketch } from '../sketch/index.ts'

/** Buckets of users. */
export const buckets = 256

/** What is kept of a rollout. */
export interface Tally {
  readonly rollout: string
  salt: string
  prepared: SaltedHash
  /** Its cells, with and without outcomes. */
  cells: Cell[]
}

/** What is counted of one arm of it. */
export interface Cell {
  readonly tally: Tally
  readonly rollout: string
  readonly epoch: number
  readonly variant: string
  readonly stratum: string
  readonly thresholds: number
  readonly limits: readonly number[]
  readonly columns: number
  /** By bucket: n, failed, timed, over… A cell holds what one report tells, or an outage adds up: below 2³² in a bucket. */
  readonly table: Uint32Array
  readonly latency: LatencySketch
  /** Failures by kind and bucket; made with the first that has a kind. */
  kinds: Uint32Array | undefined
  /** By attribute and value: sums of n, failed, timed, over… */
  readonly slices: Map<string, Map<string, Uint32Array>>
  outcomes: number
}

function encodeKinds(kinds: Uint32Array): NonNullable<OutcomeCell['kinds']> {
  const found: { [K in OutcomeKind]?: number[] } = {}
  outcomeKinds.forEach((kind, k) => {
    const pairs: number[] = []
    for (let bucket = 0; bucket < buckets; bucket++) {
      const failed = kinds[k * buckets + bucket] as number
      if (failed > 0) pairs.push(bucket, failed)
    }
    if (pairs.length > 0) found[kind] = pairs
  })
  return found
}

const encodeSlices = (slices: Cell['slices']): NonNullable<OutcomeCell['slices']> =>
  Object.fromEntries(
    [...slices].map(([attribute, values]) => [
      attribute,
      Object.fromEntries([...values].map(([value, sums]) => [value, [...sums]])),
    ]),
  )

/** A cell as it is reported. */
export function encodeCell(cell: Cell): OutcomeCell {
  const width = cell.columns - 1
  const rows: number[] = []
  for (let bucket = 0; bucket < buckets; bucket++) {
    const at = bucket * width
    if (cell.table[at] === 0) continue
    rows.push(bucket)
    for (let i = 0; i < width; i++) rows.push(cell.table[at + i] as number)
  }
  const latency = cell.latency.encode()
  return {
    rollout: cell.rollout,
    epoch: cell.epoch,
    variant: cell.variant,
    stratum: cell.stratum,
    thresholds: cell.thresholds,
    columns: cell.columns,
    buckets: rows,
    ...(latency === '' ? {} : { latency }),
    ...(cell.kinds === undefined ? {} : { kinds: encodeKinds(cell.kinds) }),
    ...(cell.slices.size === 0 ? {} : { slices: encodeSlices(cell.slices) }),
  }
}
