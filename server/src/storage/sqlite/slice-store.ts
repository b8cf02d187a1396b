import { sliceLimits } from '../../analysis/slice-limits.ts'
import type { OutcomeDelta } from '../ports.ts'
import { type Exceedances, mergeOver } from './bucket-table.ts'
import type { Connection } from './database.ts'
import { createGathered } from './gathered.ts'

export const otherValue = '(other)'

interface Place {
  readonly rolloutId: string
  readonly epoch: number
  readonly variant: string
}

interface ValuePlace extends Place {
  readonly attribute: string
  readonly value: string
}

/** A row of the table; `over` is JSON. */
export interface StoredSliceTick extends ValuePlace {
  readonly n: number
  readonly failed: number
  readonly thresholds: number
  readonly timed: number
  readonly over: string
}

interface TickRow extends ValuePlace {
  readonly tick: number
  n: number
  failed: number
  over: Exceedances
}

/** Values may have any characters: theirs come last. */
const keyOf = ({ rolloutId, epoch, variant, attribute, value }: ValuePlace): string =>
  `${rolloutId}\n${epoch}\n${variant}\n${attribute.length}\n${attribute}${value}`

/** Counts by slices, SDK and instance. */
export interface SliceWrites {
  addOutcomes(delta: OutcomeDelta): void
  addExposure(place: Place, slice: { readonly [attribute: string]: string }): void
  /** All of a stored row to that of another time bucket. */
  addStored(tick: number, stored: StoredSliceTick): void
}

export function createSliceWrites(connection: Connection): SliceWrites {
  const { raw, onRollback } = connection
  const knownValue = raw.prepare('SELECT 1 FROM slice_values WHERE rollout_id = ? AND attribute = ? AND value = ?')
  const countValues = raw.prepare('SELECT COUNT(*) AS n FROM slice_values WHERE rollout_id = ? AND attribute = ?')
  const addValue = raw.prepare('INSERT INTO slice_values (rollout_id, attribute, value) VALUES (?, ?, ?)')
  const readTick = raw.prepare(
    'SELECT n, failed, thresholds, timed, over FROM slice_ticks WHERE rollout_id = ? AND tick = ? AND epoch = ? AND variant = ? AND attribute = ? AND value = ?',
  )
  const writeTick = raw.prepare(
    `INSERT INTO slice_ticks (rollout_id, tick, epoch, variant, attribute, value, n, failed, thresholds, timed, over)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET n = excluded.n, failed = excluded.failed, thresholds = excluded.thresholds, timed = excluded.timed,
       over = excluded.over`,
  )
  const addExposures = raw.prepare(
    `INSERT INTO slice_exposures (rollout_id, epoch, attribute, value, variant, units) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET units = units + excluded.units`,
  )
  const tickOf = createGathered<ValuePlace & { readonly tick: number }, TickRow>(connection, {
    keyOf: (place) => `${place.tick}\n${keyOf(place)}`,
    open({ tick, ...place }) {
      const { rolloutId, epoch, variant, attribute, value } = place
      const stored = readTick.get(rolloutId, tick, epoch, variant, attribute, value) as
        | { n: number; failed: number; thresholds: number; timed: number; over: string }
        | undefined
      if (stored === undefined) return { ...place, tick, n: 0, failed: 0, over: { thresholds: 0, timed: 0, over: [] } }
      const { n, failed, thresholds, timed } = stored
      return { ...place, tick, n, failed, over: { thresholds, timed, over: JSON.parse(stored.over) as number[] } }
    },
    write({ rolloutId, tick, epoch, variant, attribute, value, n, failed, over }) {
      const place = [rolloutId, tick, epoch, variant, attribute, value]
      writeTick.run(...place, n, failed, over.thresholds, over.timed, JSON.stringify(over.over))
    },
  })
  const exposures = createGathered<ValuePlace, ValuePlace & { units: number }>(connection, {
    keyOf,
    open: (place) => ({ ...place, units: 0 }),
    write({ rolloutId, epoch, attribute, value, variant, units }) {
      addExposures.run(rolloutId, epoch, attribute, value, variant, units)
    },
  })
  // Which values are kept apart is asked for every outcome cell and exposure. Only the writing connection uses this.
  const kept = new Set<string>()
  onRollback(() => kept.clear())

  /** The value itself while there is room for it, else `(other)`. */
  function keptValue(rolloutId: string, attribute: string, value: string): string {
    const name = `${rolloutId}\n${attribute}\n${value}`
    if (kept.has(name)) return value
    if (knownValue.get(rolloutId, attribute, value) === undefined) {
      const limit = attribute === 'instance' ? sliceLimits.instances : sliceLimits.values
      if ((countValues.get(rolloutId, attribute) as { n: number }).n >= limit) return otherValue
      addValue.run(rolloutId, attribute, value)
    }
    if (kept.size >= 100_000) kept.clear()
    kept.add(name)
    return value
  }

  return {
    addOutcomes(delta) {
      const { rolloutId, tick, epoch, variant, thresholdsVersion, slices = {} } = delta
      if (delta.stratum !== 'split') return
      for (const [attribute, values] of Object.entries(slices)) {
        for (const [given, [n = 0, failed = 0, timed = 0, ...over]] of Object.entries(values)) {
          const value = keptValue(rolloutId, attribute, given)
          const row = tickOf({ rolloutId, tick, epoch, variant, attribute, value })
          row.n += n
          row.failed += failed
          row.over = mergeOver(row.over, { thresholds: thresholdsVersion, timed, over })
        }
      }
    },
    addStored(tick, { n, failed, thresholds, timed, over, ...place }) {
      const row = tickOf({ ...place, tick })
      row.n += n
      row.failed += failed
      row.over = mergeOver(row.over, { thresholds, timed, over: JSON.parse(over) as number[] })
    },
    addExposure({ rolloutId, epoch, variant }, slice) {
      for (const [attribute, given] of Object.entries(slice)) {
        const value = keptValue(rolloutId, attribute, given)
        exposures({ rolloutId, epoch, variant, attribute, value }).units++
      }
    },
  }
}
