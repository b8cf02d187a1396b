import { outcomeKinds } from '@pipit/shared/protocol'
import { decodeSketch, type LatencySketch } from '@pipit/shared/sketch'
import { userBuckets } from '../../analysis/evidence.ts'
import type { OutcomeDelta } from '../ports.ts'
import { readTable } from './bucket-table.ts'
import type { Connection } from './database.ts'
import { createGathered } from './gathered.ts'
import { storedSketch } from './stored-sketch.ts'

interface StoredRow {
  readonly thresholds: number
  readonly columns: number
  readonly buckets: Buffer
  readonly latency: string
  readonly kinds: Buffer | null
}

interface Cell {
  readonly rolloutId: string
  readonly epoch: number
  readonly variant: string
  readonly stratum: string
  /** What the table's columns are counted against; 0 columns before the first outcome. */
  thresholds: number
  columns: number
  table: Float64Array
  /** As stored, until something is merged into it. */
  latency: string | LatencySketch
  kinds: Float64Array | null
}

/** Adds outcomes to the user-bucket tables and latency sketches of the arms. */
export function createCellWrites(connection: Connection): (delta: OutcomeDelta) => void {
  const { raw } = connection
  const read = raw.prepare(
    'SELECT thresholds, columns, buckets, latency, kinds FROM cells WHERE rollout_id = ? AND epoch = ? AND variant = ? AND stratum = ?',
  )
  const write = raw.prepare(
    `INSERT INTO cells (rollout_id, epoch, variant, stratum, thresholds, columns, buckets, latency, kinds)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET thresholds = excluded.thresholds, columns = excluded.columns, buckets = excluded.buckets,
       latency = excluded.latency, kinds = excluded.kinds`,
  )
  const cellOf = createGathered<OutcomeDelta, Cell>(connection, {
    keyOf: ({ rolloutId, epoch, variant, stratum }) => `${rolloutId}\n${epoch}\n${variant}\n${stratum}`,
    open({ rolloutId, epoch, variant, stratum, thresholdsVersion: thresholds, columns }) {
      const place = { rolloutId, epoch, variant, stratum }
      const stored = read.get(rolloutId, epoch, variant, stratum) as StoredRow | undefined
      if (stored === undefined)
        return { ...place, thresholds, columns, table: emptyTable(columns), latency: '', kinds: null }
      const kinds = stored.kinds === null ? null : readTable(stored.kinds)
      return { ...place, ...stored, table: readTable(stored.buckets), kinds }
    },
    write({ rolloutId, epoch, variant, stratum, thresholds, columns, table, latency, kinds }) {
      const sketch = typeof latency === 'string' ? latency : latency.encode()
      const failures = kinds === null ? null : Buffer.from(kinds.buffer)
      const rows = Buffer.from(table.buffer)
      write.run(rolloutId, epoch, variant, stratum, thresholds, columns, rows, sketch, failures)
    },
  })
  return (delta) => {
    const cell = cellOf(delta)
    addRows(cell, delta)
    if (delta.latency !== undefined) addLatency(cell, delta.latency)
    if (delta.kinds !== undefined) addKinds(cell, delta.kinds)
  }
}

const emptyTable = (columns: number): Float64Array => new Float64Array(userBuckets * (columns - 1))

function addRows(cell: Cell, { thresholdsVersion, columns, rows }: OutcomeDelta): void {
  if (thresholdsVersion > cell.thresholds) renew(cell, thresholdsVersion, columns)
  const { table } = cell
  const width = cell.columns - 1
  // Columns 1 and 2 (n, failed) count whatever the limits were; the others only against these.
  const until = cell.thresholds === thresholdsVersion ? Math.min(columns, cell.columns) : 3
  for (let row = 0; row < rows.length; row += columns) {
    const at = (rows[row] as number) * width - 1
    for (let i = 1; i < until; i++) table[at + i] = (table[at + i] as number) + (rows[row + i] as number)
  }
}

/** With newer limits a table's n and failed are kept and the rest begins anew. */
function renew(cell: Cell, thresholds: number, columns: number): void {
  const grown = emptyTable(columns)
  for (let bucket = 0; bucket < userBuckets; bucket++) {
    grown[bucket * (columns - 1)] = cell.table[bucket * (cell.columns - 1)] as number
    grown[bucket * (columns - 1) + 1] = cell.table[bucket * (cell.columns - 1) + 1] as number
  }
  cell.thresholds = thresholds
  cell.columns = columns
  cell.table = grown
}

function addLatency(cell: Cell, text: string): void {
  if (typeof cell.latency === 'string') cell.latency = storedSketch(cell.latency)
  const more = decodeSketch(text)
  if (more !== undefined) cell.latency.merge(more)
}

/** Failures by kind and user bucket, in the order of the protocol. */
function addKinds(cell: Cell, kinds: NonNullable<OutcomeDelta['kinds']>): void {
  cell.kinds ??= new Float64Array(userBuckets * outcomeKinds.length)
  for (let k = 0; k < outcomeKinds.length; k++) {
    const pairs = kinds[outcomeKinds[k] as string] ?? []
    for (let i = 0; i < pairs.length; i += 2) {
      const at = k * userBuckets + (pairs[i] as number)
      cell.kinds[at] = (cell.kinds[at] as number) + (pairs[i + 1] as number)
    }
  }
}
