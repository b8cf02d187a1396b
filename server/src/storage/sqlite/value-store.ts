import { userBuckets } from '../../analysis/evidence.ts'
import type { ExposureMetrics, Observation, ValueEvent, ValueResult } from '../ports.ts'
import { readTable } from './bucket-table.ts'
import type { Connection } from './database.ts'
import { createGathered } from './gathered.ts'

interface Place {
  readonly rolloutId: string
  readonly epoch: number
  readonly variant: string
  readonly stratum: string
}

interface StoredRow {
  readonly buckets: Buffer
  readonly units: number
  readonly contributing: number
  readonly squares: number
}

interface Cell extends Place {
  readonly metric: string
  readonly table: Float64Array
  units: number
  contributing: number
  squares: number
}

interface Change {
  readonly bucket: number
  readonly y: number
  readonly d: number
  readonly units: number
  readonly contributing: number
  readonly squares: number
}

/** Where a unit's newest exposure in a run is. */
export type FindExposure = (
  rolloutId: string,
  unit: Buffer,
  runEpoch: number,
) => (Omit<Place, 'rolloutId'> & { readonly at: number }) | undefined

/** Metrics of values, kept as sums by bucket of units, so that a judgement never reads the units. */
export interface ValueWrites {
  addUnit(place: Place, unit: Buffer, metrics: ExposureMetrics): void
  addValue(event: ValueEvent): ValueResult
  observe(observation: Observation): void
}

/**
 * The bucket of a unit: a byte of its 64-bit hash. That hash has the environment's salt, the split has the rollout's: whoever is in a
 * bucket is in either arm by chance.
 */
const bucketOf = (unit: Buffer): number => unit[0] ?? 0

export function createValueWrites(connection: Connection, find: FindExposure, toleranceMs: number): ValueWrites {
  const { raw } = connection
  const readCell = raw.prepare(
    'SELECT buckets, units, contributing, squares FROM value_cells WHERE rollout_id = ? AND epoch = ? AND metric = ? AND variant = ? AND stratum = ?',
  )
  const writeCell = raw.prepare(
    `INSERT INTO value_cells (rollout_id, epoch, metric, variant, stratum, buckets, units, contributing, squares)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET buckets = excluded.buckets, units = excluded.units, contributing = excluded.contributing,
       squares = excluded.squares`,
  )
  const readUnit = raw.prepare(
    'SELECT y FROM unit_values WHERE rollout_id = ? AND unit = ? AND metric = ? AND epoch = ?',
  )
  const addUnitValue = raw.prepare(
    `INSERT INTO unit_values (rollout_id, unit, metric, epoch, y) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET y = y + excluded.y`,
  )
  const addObservation = raw.prepare(
    `INSERT INTO observations (rollout_id, tick, epoch, metric, arm, sum, count)
     VALUES (@rolloutId, @tick, @epoch, @metric, @arm, @sum, @count)
     ON CONFLICT DO UPDATE SET sum = sum + @sum, count = count + @count`,
  )

  const cellOf = createGathered<Place & { readonly metric: string }, Cell>(connection, {
    keyOf: ({ rolloutId, epoch, metric, variant, stratum }) =>
      `${rolloutId}\n${epoch}\n${metric}\n${variant}\n${stratum}`,
    open({ rolloutId, epoch, metric, variant, stratum }) {
      const place = { rolloutId, epoch, metric, variant, stratum }
      const stored = readCell.get(rolloutId, epoch, metric, variant, stratum) as StoredRow | undefined
      if (stored !== undefined) return { ...place, ...stored, table: readTable(stored.buckets) }
      return { ...place, table: new Float64Array(userBuckets * 2), units: 0, contributing: 0, squares: 0 }
    },
    write({ rolloutId, epoch, metric, variant, stratum, table, units, contributing, squares }) {
      const buckets = Buffer.from(table.buffer)
      writeCell.run(rolloutId, epoch, metric, variant, stratum, buckets, units, contributing, squares)
    },
  })

  function change(place: Place, metric: string, added: Change): void {
    const cell = cellOf({ ...place, metric })
    const { table } = cell
    table[added.bucket * 2] = (table[added.bucket * 2] as number) + added.y
    table[added.bucket * 2 + 1] = (table[added.bucket * 2 + 1] as number) + added.d
    cell.units += added.units
    cell.contributing += added.contributing
    cell.squares += added.squares
  }

  return {
    addUnit(place, unit, { perUnit = [], perEvent = [] }) {
      const one = { bucket: bucketOf(unit), y: 0, units: 1, contributing: 0, squares: 0 }
      for (const metric of perUnit) change(place, metric, { ...one, d: 1 })
      for (const metric of perEvent) change(place, metric, { ...one, d: 0 })
    },
    addValue(event) {
      const { rolloutId, metric, at } = event
      const unit = Buffer.from(event.unit, 'hex')
      const exposure = find(rolloutId, unit, event.runEpoch)
      if (exposure === undefined || at < exposure.at - toleranceMs) return 'not-exposed'
      if (at > exposure.at + event.windowMs) return 'outside-window'
      const known = readUnit.get(rolloutId, unit, metric, exposure.epoch) as { y: number } | undefined
      addUnitValue.run(rolloutId, unit, metric, exposure.epoch, event.y)
      const before = capped(known?.y ?? 0, event.cap)
      const after = capped((known?.y ?? 0) + event.y, event.cap)
      change({ ...exposure, rolloutId }, metric, {
        bucket: bucketOf(unit),
        y: after - before,
        d: event.d,
        units: 0,
        contributing: known === undefined ? 1 : 0,
        squares: after * after - before * before,
      })
      return 'counted'
    },
    observe(observation) {
      addObservation.run({ ...observation })
    },
  }
}

const capped = (y: number, cap = Number.POSITIVE_INFINITY): number => Math.max(-cap, Math.min(cap, y))
