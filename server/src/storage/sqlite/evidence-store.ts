import { outcomeKinds } from '@pipit/shared/protocol'
import { decodeSketch } from '@pipit/shared/sketch'
import { userBuckets } from '../../analysis/evidence.ts'
import type {
  Conversion,
  ConversionResult,
  Exposure,
  ExposureMetrics,
  ExposureResult,
  OutcomeDelta,
  Stores,
} from '../ports.ts'
import { mergeOver, readTable } from './bucket-table.ts'
import type { Connection } from './database.ts'
import { eventStore } from './event-store.ts'
import { createEvidenceReads } from './evidence-reads.ts'
import { createSliceWrites, type SliceWrites } from './slice-store.ts'
import { storedSketch } from './stored-sketch.ts'
import { createValueWrites, type FindExposure, type ValueWrites } from './value-store.ts'

/**
 * An exposure is known by when its report was taken, which an outage or a restart of ours delays by as long as an event waits for it: an event
 * that happened no longer before that counts as after it.
 */
const eventToleranceMs = 120_000

const unitBytes = (unit: string): Buffer => Buffer.from(unit, 'hex')

interface CellRow {
  readonly thresholds: number
  readonly columns: number
  readonly buckets: Buffer
  readonly latency: string
  readonly kinds: Buffer | null
}

/** Statements of the hot path, prepared once per connection. */
function prepare({ raw }: Connection) {
  return {
    readTick: raw.prepare(
      'SELECT thresholds, timed, over, kinds FROM ticks WHERE rollout_id = ? AND tick = ? AND epoch = ? AND variant = ? AND stratum = ?',
    ),
    addTick: raw.prepare(
      `INSERT INTO ticks (rollout_id, tick, epoch, variant, stratum, n, failed, exposed, conflicts, thresholds, timed, over, kinds)
       VALUES (@rolloutId, @tick, @epoch, @variant, @stratum, @n, @failed, @exposed, @conflicts, @thresholds, @timed, @over, @kinds)
       ON CONFLICT DO UPDATE SET n = n + @n, failed = failed + @failed, exposed = exposed + @exposed, conflicts = conflicts + @conflicts,
         thresholds = @thresholds, timed = @timed, over = @over, kinds = @kinds`,
    ),
    countExposure: raw.prepare(
      `INSERT INTO ticks (rollout_id, tick, epoch, variant, stratum, n, failed, exposed, conflicts, thresholds, timed, over)
       VALUES (@rolloutId, @tick, @epoch, @variant, @stratum, 0, 0, @exposed, @conflicts, 0, 0, '[]')
       ON CONFLICT DO UPDATE SET exposed = exposed + @exposed, conflicts = conflicts + @conflicts`,
    ),
    readCell: raw.prepare(
      'SELECT thresholds, columns, buckets, latency, kinds FROM cells WHERE rollout_id = ? AND epoch = ? AND variant = ? AND stratum = ?',
    ),
    writeCell: raw.prepare(
      `INSERT INTO cells (rollout_id, epoch, variant, stratum, thresholds, columns, buckets, latency, kinds)
       VALUES (@rolloutId, @epoch, @variant, @stratum, @thresholds, @columns, @buckets, @latency, @kinds)
       ON CONFLICT DO UPDATE SET thresholds = @thresholds, columns = @columns, buckets = @buckets, latency = @latency, kinds = @kinds`,
    ),
    addExposure: raw.prepare(
      'INSERT INTO exposures (rollout_id, unit, epoch, variant, stratum, at) VALUES (@rolloutId, @unit, @epoch, @variant, @stratum, @at) ON CONFLICT DO NOTHING',
    ),
    readExposure: raw.prepare('SELECT variant, stratum FROM exposures WHERE rollout_id = ? AND unit = ? AND epoch = ?'),
    newestExposure: raw.prepare(
      'SELECT epoch, variant, stratum, at FROM exposures WHERE rollout_id = ? AND unit = ? AND epoch >= ? ORDER BY epoch DESC LIMIT 1',
    ),
    hasConverted: raw.prepare(
      'SELECT 1 FROM conversions WHERE rollout_id = ? AND unit = ? AND metric = ? AND run_epoch = ?',
    ),
    addConversion: raw.prepare(
      'INSERT INTO conversions (rollout_id, unit, metric, run_epoch, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    ),
    countConversion: raw.prepare(
      `INSERT INTO conversion_ticks (rollout_id, tick, epoch, variant, stratum, metric, at_risk, converted)
       VALUES (@rolloutId, @tick, @epoch, @variant, @stratum, @metric, @atRisk, @converted)
       ON CONFLICT DO UPDATE SET at_risk = at_risk + @atRisk, converted = converted + @converted`,
    ),
  }
}

export function evidenceStore(connection: Connection): Stores['evidence'] {
  // A read-only connection has no use for writes, and preparing them there would be refused only when run.
  const statements = prepare(connection)
  const slices = createSliceWrites(connection)
  const find: FindExposure = (...place) => statements.newestExposure.get(...place) as ReturnType<FindExposure>
  const values = createValueWrites(connection, find, eventToleranceMs)
  return {
    ...createEvidenceReads(connection),
    ...eventStore(connection),
    async addOutcomes(delta) {
      addToTick(statements, delta)
      addToCell(statements, delta)
      slices.addOutcomes(delta)
    },
    expose: async (exposure, metrics) => expose(statements, { slices, values }, exposure, metrics),
    convert: async (conversion) => convert(statements, conversion),
    addValue: async (event) => values.addValue(event),
    observe: async (observation) => values.observe(observation),
  }
}

type Statements = ReturnType<typeof prepare>

/** Sums of the columns after the bucket: n, failed, timed, over… */
function sumColumns({ rows, columns }: OutcomeDelta): number[] {
  const sums = new Array<number>(columns - 1).fill(0)
  for (let row = 0; row < rows.length; row += columns) {
    for (let i = 1; i < columns; i++) sums[i - 1] = (sums[i - 1] as number) + (rows[row + i] as number)
  }
  return sums
}

function addToTick(statements: Statements, delta: OutcomeDelta): void {
  const { rolloutId, tick, epoch, variant, stratum } = delta
  const [n = 0, failed = 0, timed = 0, ...over] = sumColumns(delta)
  const before = statements.readTick.get(rolloutId, tick, epoch, variant, stratum) as
    | { thresholds: number; timed: number; over: string; kinds: string }
    | undefined
  const counted = mergeOver(before, { thresholds: delta.thresholdsVersion, timed, over })
  statements.addTick.run({
    rolloutId,
    tick,
    epoch,
    variant,
    stratum,
    n,
    failed,
    exposed: 0,
    conflicts: 0,
    ...counted,
    over: JSON.stringify(counted.over),
    kinds: addKinds(before?.kinds, delta.kinds),
  })
}

/** JSON of the failures by kind, with those of a delta added. */
function addKinds(before: string | undefined, kinds: OutcomeDelta['kinds']): string {
  if (kinds === undefined) return before ?? '{}'
  const sums = JSON.parse(before ?? '{}') as { [kind: string]: number }
  for (const [kind, pairs] of Object.entries(kinds)) {
    for (let i = 1; i < pairs.length; i += 2) sums[kind] = (sums[kind] ?? 0) + (pairs[i] as number)
  }
  return JSON.stringify(sums)
}

/** Failures by kind and user bucket, in the order of the protocol. */
function mergeKinds(before: Buffer | null | undefined, kinds: OutcomeDelta['kinds']): Buffer | null {
  if (kinds === undefined) return before ?? null
  const table = before ? readTable(before) : new Float64Array(userBuckets * outcomeKinds.length)
  outcomeKinds.forEach((kind, k) => {
    const pairs = kinds[kind] ?? []
    for (let i = 0; i < pairs.length; i += 2) {
      const at = k * userBuckets + (pairs[i] as number)
      table[at] = (table[at] as number) + (pairs[i + 1] as number)
    }
  })
  return Buffer.from(table.buffer)
}

function addToCell(statements: Statements, delta: OutcomeDelta): void {
  const { rolloutId, epoch, variant, stratum, rows, columns, thresholdsVersion } = delta
  const before = statements.readCell.get(rolloutId, epoch, variant, stratum) as CellRow | undefined
  const cell = openCell(before, thresholdsVersion, columns)
  const counted = cell.thresholds === thresholdsVersion
  const width = cell.columns - 1
  for (let row = 0; row < rows.length; row += columns) {
    const at = (rows[row] as number) * width
    // Columns 1 and 2 (n, failed) count whatever the limits were; the others only against these.
    const until = counted ? Math.min(columns, cell.columns) : 3
    for (let i = 1; i < until; i++)
      cell.table[at + i - 1] = (cell.table[at + i - 1] as number) + (rows[row + i] as number)
  }
  statements.writeCell.run({
    rolloutId,
    epoch,
    variant,
    stratum,
    thresholds: cell.thresholds,
    columns: cell.columns,
    buckets: Buffer.from(cell.table.buffer),
    latency: mergeLatency(before?.latency, delta.latency),
    kinds: mergeKinds(before?.kinds, delta.kinds),
  })
}

/** The stored table, or a new one; with newer limits its n and failed are kept and the rest begins anew. */
function openCell(
  before: CellRow | undefined,
  thresholds: number,
  columns: number,
): { thresholds: number; columns: number; table: Float64Array } {
  if (before === undefined) return { thresholds, columns, table: new Float64Array(userBuckets * (columns - 1)) }
  const table = readTable(before.buckets)
  if (before.thresholds >= thresholds) return { thresholds: before.thresholds, columns: before.columns, table }
  const grown = new Float64Array(userBuckets * (columns - 1))
  for (let bucket = 0; bucket < userBuckets; bucket++) {
    grown[bucket * (columns - 1)] = table[bucket * (before.columns - 1)] as number
    grown[bucket * (columns - 1) + 1] = table[bucket * (before.columns - 1) + 1] as number
  }
  return { thresholds, columns, table: grown }
}

function mergeLatency(before: string | undefined, added: string | undefined): string {
  const sketch = storedSketch(before ?? '')
  const more = added === undefined ? undefined : decodeSketch(added)
  if (more !== undefined) sketch.merge(more)
  return sketch.encode()
}

function expose(
  statements: Statements,
  { slices, values }: { readonly slices: SliceWrites; readonly values: ValueWrites },
  exposure: Exposure,
  metrics: ExposureMetrics,
): ExposureResult {
  const { rolloutId, epoch, tick, variant, stratum, at } = exposure
  const unit = unitBytes(exposure.unit)
  const row = { rolloutId, tick, epoch, variant, stratum }
  if (statements.addExposure.run({ rolloutId, unit, epoch, variant, stratum, at }).changes === 0) {
    const known = statements.readExposure.get(rolloutId, unit, epoch) as { variant: string }
    if (known.variant === variant) return 'repeated'
    statements.countExposure.run({ ...row, exposed: 0, conflicts: 1 })
    return 'conflict'
  }
  statements.countExposure.run({ ...row, exposed: 1, conflicts: 0 })
  values.addUnit({ rolloutId, epoch, variant, stratum }, unit, metrics)
  if (stratum === 'split') slices.addExposure({ rolloutId, epoch, variant }, metrics.slice ?? {})
  for (const metric of metrics.conversions ?? []) {
    if (statements.hasConverted.get(rolloutId, unit, metric, exposure.runEpoch) === undefined) {
      statements.countConversion.run({ ...row, metric, atRisk: 1, converted: 0 })
    }
  }
  return 'first'
}

function convert(statements: Statements, conversion: Conversion): ConversionResult {
  const { rolloutId, metric, runEpoch, tick, at } = conversion
  const unit = unitBytes(conversion.unit)
  const exposure = statements.newestExposure.get(rolloutId, unit, runEpoch) as
    | { epoch: number; variant: string; stratum: string; at: number }
    | undefined
  if (exposure === undefined || at < exposure.at - eventToleranceMs) return 'not-exposed'
  if (at > exposure.at + conversion.windowMs) return 'outside-window'
  if (statements.addConversion.run(rolloutId, unit, metric, runEpoch, at).changes === 0) return 'repeated'
  const { epoch, variant, stratum } = exposure
  statements.countConversion.run({ rolloutId, tick, epoch, variant, stratum, metric, atRisk: 0, converted: 1 })
  return 'counted'
}
