import type { Conversion, ConversionResult, Exposure, ExposureMetrics, ExposureResult, Stores } from '../ports.ts'
import { createCellWrites } from './cell-writes.ts'
import type { Connection } from './database.ts'
import { eventStore } from './event-store.ts'
import { createEvidenceReads } from './evidence-reads.ts'
import { createSliceWrites, type SliceWrites } from './slice-store.ts'
import { createTickWrites, type TickWrites } from './tick-writes.ts'
import { createValueWrites, type FindExposure, type ValueWrites } from './value-store.ts'

/**
 * An exposure is known by when its report was taken, which an outage or a restart of ours delays by as long as an event waits for it: an event
 * that happened no longer before that counts as after it.
 */
const eventToleranceMs = 120_000

const unitBytes = (unit: string): Buffer => Buffer.from(unit, 'hex')

/** Statements of the hot path, prepared once per connection. */
function prepare({ raw }: Connection) {
  return {
    addExposure: raw.prepare(
      'INSERT INTO exposures (rollout_id, unit, epoch, variant, stratum, at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    ),
    readExposure: raw.prepare('SELECT variant, stratum FROM exposures WHERE rollout_id = ? AND unit = ? AND epoch = ?'),
    exposuresSince: raw.prepare(
      'SELECT epoch, variant, stratum, at FROM exposures WHERE rollout_id = ? AND unit = ? AND epoch >= ?',
    ),
    hasConverted: raw.prepare(
      'SELECT 1 FROM conversions WHERE rollout_id = ? AND unit = ? AND metric = ? AND run_epoch = ?',
    ),
    addConversion: raw.prepare(
      'INSERT INTO conversions (rollout_id, unit, metric, run_epoch, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    ),
  }
}

export function evidenceStore(connection: Connection): Stores['evidence'] {
  // A read-only connection has no use for writes, and preparing them there would be refused only when run.
  const statements = prepare(connection)
  const slices = createSliceWrites(connection)
  const ticks = createTickWrites(connection)
  const addToCell = createCellWrites(connection)
  const find: FindExposure = (...place) => newestExposure(statements, ...place)
  const values = createValueWrites(connection, find, eventToleranceMs)
  return {
    ...afterFlush(connection, createEvidenceReads(connection)),
    ...eventStore(connection),
    async addOutcomes(delta) {
      ticks.addOutcomes(delta)
      addToCell(delta)
      slices.addOutcomes(delta)
    },
    expose: async (exposure, metrics) => expose(statements, { slices, ticks, values }, exposure, metrics),
    convert: async (conversion) => convert(statements, ticks, conversion),
    addValue: async (event) => values.addValue(event),
    observe: async (observation) => values.observe(observation),
  }
}

type Statements = ReturnType<typeof prepare>

/** Reads of the tables that a transaction adds up in memory: what it has so far is written first. */
function afterFlush<R extends object>({ flush }: Connection, reads: R): R {
  const wrapped = Object.entries(reads).map(([name, read]) => {
    const call = (...args: unknown[]): unknown => {
      flush()
      return (read as (...given: unknown[]) => unknown)(...args)
    }
    return [name, call]
  })
  return Object.fromEntries(wrapped) as R
}

/** A unit has one for each epoch it was seen in: SQLite takes several times as long to find the last of them by ORDER BY and LIMIT. */
function newestExposure({ exposuresSince }: Statements, ...place: Parameters<FindExposure>): ReturnType<FindExposure> {
  let newest: ReturnType<FindExposure>
  for (const exposure of exposuresSince.all(...place) as NonNullable<typeof newest>[]) {
    if (newest === undefined || exposure.epoch > newest.epoch) newest = exposure
  }
  return newest
}

function expose(
  statements: Statements,
  { slices, ticks, values }: { readonly slices: SliceWrites; readonly ticks: TickWrites; readonly values: ValueWrites },
  exposure: Exposure,
  metrics: ExposureMetrics,
): ExposureResult {
  const { rolloutId, epoch, tick, variant, stratum, at } = exposure
  const unit = unitBytes(exposure.unit)
  const row = { rolloutId, tick, epoch, variant, stratum }
  if (statements.addExposure.run(rolloutId, unit, epoch, variant, stratum, at).changes === 0) {
    const known = statements.readExposure.get(rolloutId, unit, epoch) as { variant: string }
    if (known.variant === variant) return 'repeated'
    ticks.addExposure(row, 'conflicts')
    return 'conflict'
  }
  ticks.addExposure(row, 'exposed')
  values.addUnit({ rolloutId, epoch, variant, stratum }, unit, metrics)
  if (stratum === 'split') slices.addExposure({ rolloutId, epoch, variant }, metrics.slice ?? {})
  for (const metric of metrics.conversions ?? []) {
    if (statements.hasConverted.get(rolloutId, unit, metric, exposure.runEpoch) === undefined) {
      ticks.addConversion(row, metric, 'atRisk')
    }
  }
  return 'first'
}

function convert(statements: Statements, ticks: TickWrites, conversion: Conversion): ConversionResult {
  const { rolloutId, metric, runEpoch, tick, at } = conversion
  const unit = unitBytes(conversion.unit)
  const exposure = newestExposure(statements, rolloutId, unit, runEpoch)
  if (exposure === undefined || at < exposure.at - eventToleranceMs) return 'not-exposed'
  if (at > exposure.at + conversion.windowMs) return 'outside-window'
  if (statements.addConversion.run(rolloutId, unit, metric, runEpoch, at).changes === 0) return 'repeated'
  const { epoch, variant, stratum } = exposure
  ticks.addConversion({ rolloutId, tick, epoch, variant, stratum }, metric, 'converted')
  return 'counted'
}
