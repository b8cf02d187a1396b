import { sliceLimits } from '../../analysis/slice-limits.ts'
import type { OutcomeDelta } from '../ports.ts'
import { mergeOver } from './bucket-table.ts'
import type { Connection } from './database.ts'

export const otherValue = '(other)'

interface Place {
  readonly rolloutId: string
  readonly epoch: number
  readonly variant: string
}

/** Counts by slices, SDK and instance. */
export interface SliceWrites {
  addOutcomes(delta: OutcomeDelta): void
  addExposure(place: Place, slice: { readonly [attribute: string]: string }): void
}

export function createSliceWrites({ raw, onRollback }: Connection): SliceWrites {
  const knownValue = raw.prepare('SELECT 1 FROM slice_values WHERE rollout_id = ? AND attribute = ? AND value = ?')
  const countValues = raw.prepare('SELECT COUNT(*) AS n FROM slice_values WHERE rollout_id = ? AND attribute = ?')
  const addValue = raw.prepare('INSERT INTO slice_values (rollout_id, attribute, value) VALUES (?, ?, ?)')
  const readTick = raw.prepare(
    'SELECT thresholds, timed, over FROM slice_ticks WHERE rollout_id = ? AND tick = ? AND epoch = ? AND variant = ? AND attribute = ? AND value = ?',
  )
  const addTick = raw.prepare(
    `INSERT INTO slice_ticks (rollout_id, tick, epoch, variant, attribute, value, n, failed, thresholds, timed, over)
     VALUES (@rolloutId, @tick, @epoch, @variant, @attribute, @value, @n, @failed, @thresholds, @timed, @over)
     ON CONFLICT DO UPDATE SET n = n + @n, failed = failed + @failed, thresholds = @thresholds, timed = @timed, over = @over`,
  )
  const addExposure = raw.prepare(
    `INSERT INTO slice_exposures (rollout_id, epoch, attribute, value, variant, units) VALUES (?, ?, ?, ?, ?, 1)
     ON CONFLICT DO UPDATE SET units = units + 1`,
  )
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
          const before = readTick.get(rolloutId, tick, epoch, variant, attribute, value) as
            | { thresholds: number; timed: number; over: string }
            | undefined
          const counted = mergeOver(before, { thresholds: thresholdsVersion, timed, over })
          const place = { rolloutId, tick, epoch, variant, attribute, value }
          addTick.run({ ...place, n, failed, ...counted, over: JSON.stringify(counted.over) })
        }
      }
    },
    addExposure({ rolloutId, epoch, variant }, slice) {
      for (const [attribute, given] of Object.entries(slice)) {
        addExposure.run(rolloutId, epoch, attribute, keptValue(rolloutId, attribute, given), variant)
      }
    },
  }
}
