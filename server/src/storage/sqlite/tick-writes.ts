import type { OutcomeDelta } from '../ports.ts'
import { type Exceedances, mergeOver } from './bucket-table.ts'
import type { Connection } from './database.ts'
import { createGathered } from './gathered.ts'

export interface TickPlace {
  readonly rolloutId: string
  readonly tick: number
  readonly epoch: number
  readonly variant: string
  readonly stratum: string
}

interface TickSums {
  n: number
  failed: number
  exposed: number
  conflicts: number
  over: Exceedances
  kinds: { [kind: string]: number }
}
type TickRow = TickPlace & TickSums

/** A row of the table. */
export interface StoredTick extends TickPlace {
  readonly n: number
  readonly failed: number
  readonly exposed: number
  readonly conflicts: number
  readonly thresholds: number
  readonly timed: number
  /** JSON. */
  readonly over: string
  readonly kinds: string
}

interface ConversionRow extends TickPlace {
  readonly metric: string
  atRisk: number
  converted: number
}

/** Sums of the arms by time bucket. */
export interface TickWrites {
  addOutcomes(delta: OutcomeDelta): void
  addExposure(place: TickPlace, kind: 'exposed' | 'conflicts'): void
  /** All of a stored row to that of another place. */
  addStored(place: TickPlace, stored: StoredTick): void
  addConversion(place: TickPlace, metric: string, kind: 'atRisk' | 'converted'): void
}

const placeOf = ({ rolloutId, tick, epoch, variant, stratum }: TickPlace): TickPlace => ({
  ...{ rolloutId, tick, epoch, variant, stratum },
})
const keyOf = ({ rolloutId, tick, epoch, variant, stratum }: TickPlace): string =>
  `${rolloutId}\n${tick}\n${epoch}\n${variant}\n${stratum}`

export function createTickWrites(connection: Connection): TickWrites {
  const { raw } = connection
  const readTick = raw.prepare(
    'SELECT n, failed, exposed, conflicts, thresholds, timed, over, kinds FROM ticks WHERE rollout_id = ? AND tick = ? AND epoch = ? AND variant = ? AND stratum = ?',
  )
  const writeTick = raw.prepare(
    `INSERT INTO ticks (rollout_id, tick, epoch, variant, stratum, n, failed, exposed, conflicts, thresholds, timed, over, kinds)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET n = excluded.n, failed = excluded.failed, exposed = excluded.exposed, conflicts = excluded.conflicts,
       thresholds = excluded.thresholds, timed = excluded.timed, over = excluded.over, kinds = excluded.kinds`,
  )
  const addConversions = raw.prepare(
    `INSERT INTO conversion_ticks (rollout_id, tick, epoch, variant, stratum, metric, at_risk, converted)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET at_risk = at_risk + excluded.at_risk, converted = converted + excluded.converted`,
  )

  const tick = createGathered<TickPlace, TickRow>(connection, {
    keyOf,
    open(place) {
      const { rolloutId, epoch, variant, stratum } = place
      const stored = readTick.get(rolloutId, place.tick, epoch, variant, stratum) as StoredTick | undefined
      if (stored === undefined) {
        const over = { thresholds: 0, timed: 0, over: [] }
        return { ...placeOf(place), n: 0, failed: 0, exposed: 0, conflicts: 0, over, kinds: {} }
      }
      return { ...placeOf(place), ...sumsOf(stored) }
    },
    write({ rolloutId, epoch, variant, stratum, n, failed, exposed, conflicts, over, kinds, ...row }) {
      const counted = [over.thresholds, over.timed, JSON.stringify(over.over), JSON.stringify(kinds)]
      writeTick.run(rolloutId, row.tick, epoch, variant, stratum, n, failed, exposed, conflicts, ...counted)
    },
  })
  const conversions = createGathered<TickPlace & { readonly metric: string }, ConversionRow>(connection, {
    keyOf: (place) => `${place.metric}\n${keyOf(place)}`,
    open: (place) => ({ ...placeOf(place), metric: place.metric, atRisk: 0, converted: 0 }),
    write: ({ rolloutId, epoch, variant, stratum, metric, atRisk, converted, ...row }) => {
      addConversions.run(rolloutId, row.tick, epoch, variant, stratum, metric, atRisk, converted)
    },
  })

  return {
    addOutcomes(delta) {
      const row = tick(delta)
      const [n = 0, failed = 0, timed = 0, ...over] = sumColumns(delta)
      row.n += n
      row.failed += failed
      row.over = mergeOver(row.over, { thresholds: delta.thresholdsVersion, timed, over })
      for (const [kind, pairs] of Object.entries(delta.kinds ?? {})) {
        let failures = 0
        for (let i = 1; i < pairs.length; i += 2) failures += pairs[i] as number
        row.kinds[kind] = (row.kinds[kind] ?? 0) + failures
      }
    },
    addExposure(place, kind) {
      tick(place)[kind]++
    },
    addStored(place, stored) {
      const row = tick(place)
      const { n, failed, exposed, conflicts, over, kinds } = sumsOf(stored)
      row.n += n
      row.failed += failed
      row.exposed += exposed
      row.conflicts += conflicts
      row.over = mergeOver(row.over, over)
      for (const [kind, failures] of Object.entries(kinds)) row.kinds[kind] = (row.kinds[kind] ?? 0) + failures
    },
    addConversion(place, metric, kind) {
      conversions({ ...place, metric })[kind]++
    },
  }
}

function sumsOf({ n, failed, exposed, conflicts, thresholds, timed, over, kinds }: StoredTick): TickSums {
  const limits = { thresholds, timed, over: JSON.parse(over) as number[] }
  return { n, failed, exposed, conflicts, over: limits, kinds: JSON.parse(kinds) as { [kind: string]: number } }
}

/** Sums of the columns after the bucket: n, failed, timed, over… */
function sumColumns({ rows, columns }: OutcomeDelta): number[] {
  const sums = new Array<number>(columns - 1).fill(0)
  for (let row = 0; row < rows.length; row += columns) {
    for (let i = 1; i < columns; i++) sums[i - 1] = (sums[i - 1] as number) + (rows[row + i] as number)
  }
  return sums
}
