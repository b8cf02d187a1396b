import { outcomeKinds } from '@pipit/shared/protocol'
import { type BucketTable, type EpochBuckets, userBuckets, type ValueTable } from '../../analysis/evidence.ts'
import type { Stores } from '../ports.ts'
import { readTable } from './bucket-table.ts'
import type { Connection } from './database.ts'
import { armOf } from './tick-reads.ts'

interface CellRow {
  readonly epoch: number
  readonly variant: string
  readonly stratum: string
  readonly thresholds: number
  readonly columns: number
  readonly buckets: Buffer
  readonly kinds: Buffer | null
}

interface ValueRow {
  readonly epoch: number
  readonly metric: string
  readonly variant: string
  readonly buckets: Buffer
  readonly units: number
  readonly contributing: number
  readonly squares: number
}

type Table = { -readonly [K in keyof BucketTable]: BucketTable[K] }
type Values = { [metric: string]: { canary: ValueTable; stable: ValueTable } }
type Merged = { -readonly [K in keyof EpochBuckets]: EpochBuckets[K] } & {
  canary: Table
  stable: Table
  forced?: Table
}

/** User-bucket tables and tables of values of a rollout's epochs, arms added up. */
export function createBucketReads({ raw }: Connection): Stores['evidence']['buckets'] {
  const cells = raw.prepare(
    `SELECT epoch, variant, stratum, thresholds, columns, buckets, kinds FROM cells
     WHERE rollout_id = ? AND epoch >= ? AND (stratum = 'split' OR variant <> 'stable') ORDER BY epoch`,
  )
  const values = raw.prepare(
    `SELECT epoch, metric, variant, buckets, units, contributing, squares FROM value_cells
     WHERE rollout_id = ? AND epoch >= ? AND stratum = 'split' ORDER BY epoch`,
  )
  return async (rolloutId, fromEpoch) => {
    const rows = cells.all(rolloutId, fromEpoch) as CellRow[]
    const valued = values.all(rolloutId, fromEpoch) as ValueRow[]
    const epochs = [...new Set([...rows, ...valued].map((row) => row.epoch))].sort((a, b) => a - b)
    return epochs.map((epoch) =>
      mergeEpoch(
        epoch,
        rows.filter((row) => row.epoch === epoch),
        valued.filter((row) => row.epoch === epoch),
      ),
    )
  }
}

function emptyTable(limits: number): Table {
  return {
    n: new Float64Array(userBuckets),
    failed: new Float64Array(userBuckets),
    timed: new Float64Array(userBuckets),
    over: Array.from({ length: limits }, () => new Float64Array(userBuckets)),
  }
}

function mergeEpoch(epoch: number, rows: readonly CellRow[], valued: readonly ValueRow[]): EpochBuckets {
  const thresholdsVersion = Math.max(0, ...rows.map((row) => row.thresholds))
  const newest = rows.filter((row) => row.thresholds === thresholdsVersion)
  const limits = Math.max(0, ...newest.map((row) => row.columns - 4))
  const merged: Merged = { epoch, thresholdsVersion, canary: emptyTable(limits), stable: emptyTable(limits) }
  for (const row of rows) {
    const isCounted = row.thresholds === thresholdsVersion
    if (row.stratum === 'split') addTable(merged[armOf(row.variant)], row, isCounted)
    else {
      merged.forced ??= emptyTable(limits)
      addTable(merged.forced, row, isCounted)
    }
  }
  if (valued.length > 0) merged.values = mergeValues(valued)
  return merged
}

function addTable(into: Table, row: CellRow, isCounted: boolean): void {
  const table = readTable(row.buckets)
  const width = row.columns - 1
  for (let bucket = 0; bucket < userBuckets; bucket++) {
    const at = bucket * width
    into.n[bucket] = (into.n[bucket] as number) + (table[at] as number)
    into.failed[bucket] = (into.failed[bucket] as number) + (table[at + 1] as number)
    if (!isCounted) continue
    into.timed[bucket] = (into.timed[bucket] as number) + (table[at + 2] as number)
    into.over.forEach((limit, i) => {
      limit[bucket] = (limit[bucket] as number) + (table[at + 3 + i] ?? 0)
    })
  }
  if (row.kinds !== null) into.kinds = addKinds(into.kinds, readTable(row.kinds))
}

function addKinds(before: BucketTable['kinds'], table: Float64Array): NonNullable<BucketTable['kinds']> {
  return Object.fromEntries(
    outcomeKinds.map((kind, k) => {
      const own = table.slice(k * userBuckets, (k + 1) * userBuckets)
      return [kind, before?.[kind] === undefined ? own : own.map((failed, b) => failed + (before[kind]?.[b] ?? 0))]
    }),
  )
}

const emptyValues = (): ValueTable => ({
  y: new Float64Array(userBuckets),
  d: new Float64Array(userBuckets),
  ...{ units: 0, contributing: 0, squares: 0 },
})

function mergeValues(rows: readonly ValueRow[]): Values {
  const merged: Values = {}
  for (const row of rows) {
    const found = merged[row.metric] ?? { canary: emptyValues(), stable: emptyValues() }
    merged[row.metric] = { ...found, [armOf(row.variant)]: addValues(found[armOf(row.variant)], row) }
  }
  return merged
}

function addValues(into: ValueTable, row: ValueRow): ValueTable {
  const table = readTable(row.buckets)
  return {
    y: into.y.map((sum, b) => sum + (table[b * 2] as number)),
    d: into.d.map((sum, b) => sum + (table[b * 2 + 1] as number)),
    units: into.units + row.units,
    contributing: into.contributing + row.contributing,
    squares: into.squares + row.squares,
  }
}
