import type { CompiledRollout, Decision } from '../decide/index.ts'
import { hashSeeds, prepareSalt, type SaltedHash, userBucket } from '../hash/index.ts'
import type { OutcomeCell } from '../protocol/index.ts'
import { LatencySketch } from '../sketch/index.ts'

/** Cells kept at most; each takes about 25 KiB whatever the traffic. */
export const maxCells = 256
const buckets = 256

interface Cell {
  readonly rollout: string
  readonly epoch: number
  readonly variant: string
  readonly stratum: string
  readonly thresholds: number
  readonly limits: readonly number[]
  readonly columns: number
  /** By bucket: n, failed, timed, over… */
  readonly table: Float64Array
  readonly latency: LatencySketch
  outcomes: number
}

/** Adds outcomes up in place: an hour without the server costs no more than a second. */
export interface OutcomeAggregator {
  add(decision: Decision, rollout: CompiledRollout | undefined, ok: boolean, latencyMs: number | undefined): void
  /** Takes out what was added, at most `limit` cells. */
  take(limit: number): OutcomeCell[]
  readonly cells: number
  /** Outcomes that were in cells that had to make room; read once. */
  takeDropped(): number
}

/** Which comparison an outcome or exposure belongs to. */
export function stratumOf(decision: Decision): string {
  if (!decision.randomised) return 'forced'
  return decision.reason === 'split' ? 'split' : `rule:${decision.rule ?? ''}`
}

export function createOutcomeAggregator(): OutcomeAggregator {
  const cells: Cell[] = []
  const salts = new Map<string, { readonly salt: string; readonly prepared: SaltedHash }>()
  let dropped = 0

  function find(decision: Decision, stratum: string, version: number): Cell | undefined {
    for (const cell of cells) {
      if (
        cell.rollout === decision.rollout &&
        cell.epoch === decision.epoch &&
        cell.variant === decision.variant &&
        cell.stratum === stratum &&
        cell.thresholds === version
      )
        return cell
    }
    return undefined
  }

  function make(
    decision: Decision,
    stratum: string,
    thresholds: { readonly version: number; readonly ms: readonly number[] },
  ): Cell {
    if (cells.length >= maxCells) dropped += cells.shift()?.outcomes ?? 0
    const columns = 4 + thresholds.ms.length
    const cell: Cell = {
      rollout: decision.rollout,
      epoch: decision.epoch,
      variant: decision.variant,
      stratum,
      thresholds: thresholds.version,
      limits: thresholds.ms,
      columns,
      table: new Float64Array(buckets * (columns - 1)),
      latency: new LatencySketch(),
      outcomes: 0,
    }
    cells.push(cell)
    return cell
  }

  function bucketOfUnit(decision: Decision, salt: string): number {
    if (decision.unit === undefined) return 0
    let known = salts.get(decision.rollout)
    if (known === undefined || known.salt !== salt) {
      if (salts.size >= 10_000) salts.clear()
      known = { salt, prepared: prepareSalt(salt, hashSeeds.user) }
      salts.set(decision.rollout, known)
    }
    return userBucket(known.prepared, decision.unit)
  }

  return {
    add(decision, rollout, ok, latencyMs) {
      const thresholds = rollout?.source.thresholds ?? { version: 0, ms: [] }
      const stratum = stratumOf(decision)
      const cell = find(decision, stratum, thresholds.version) ?? make(decision, stratum, thresholds)
      const at = bucketOfUnit(decision, rollout?.source.salt ?? '') * (cell.columns - 1)
      const { table } = cell
      cell.outcomes++
      table[at] = (table[at] as number) + 1
      if (!ok) table[at + 1] = (table[at + 1] as number) + 1
      if (latencyMs === undefined) return
      table[at + 2] = (table[at + 2] as number) + 1
      cell.latency.add(latencyMs)
      for (let i = 0; i < cell.limits.length; i++) {
        if (latencyMs > (cell.limits[i] as number)) table[at + 3 + i] = (table[at + 3 + i] as number) + 1
      }
    },
    take(limit) {
      const taken = cells.splice(0, limit)
      return taken.map(encodeCell)
    },
    get cells() {
      return cells.length
    },
    takeDropped() {
      const count = dropped
      dropped = 0
      return count
    },
  }
}

function encodeCell(cell: Cell): OutcomeCell {
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
  }
}
