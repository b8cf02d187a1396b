import type { RetentionStep, Stores } from '../ports.ts'
import type { Connection } from './database.ts'
import { createSliceWrites, type StoredSliceTick } from './slice-store.ts'
import { createTickWrites, type StoredTick } from './tick-writes.ts'

const hourMs = 3_600_000
/** A decision was taken on what had closed a while before it: looks come every few seconds. */
const decidedAfterMs = 60_000
/** Hours that one call looks at without finding anything to do. */
const mostHours = 100

const nothing: RetentionStep = { rows: 0, more: false }

type Options = Parameters<Stores['retention']['rollUp']>[1]

interface Table {
  readonly name: 'ticks' | 'slice_ticks' | 'conversion_ticks' | 'observations'
  /** Adds the rows of buckets `after < tick ≤ upTo` to those of the bucket `into`. */
  readonly merge: (place: { rolloutId: string; into: number; upTo: number }) => void
}

/** Adds old time buckets up to hours, some at a time. */
export function createRollUp(connection: Connection): Stores['retention']['rollUp'] {
  const { raw, onRollback } = connection
  const decided = raw.prepare('SELECT 1 FROM decisions WHERE rollout_id = ? AND at >= ? AND at < ?')
  // How far each table of a rollout is rolled up, so that hours that are done are not looked at again. Only the writing connection uses this.
  const doneBefore = new Map<string, number>()
  onRollback(() => doneBefore.clear())
  const tables = tablesOf(connection).map((table) => ({
    ...table,
    next: raw.prepare(`SELECT MIN(tick) AS tick FROM ${table.name} WHERE rollout_id = ? AND tick >= ?`),
    counted: raw.prepare(
      `SELECT tick FROM ${table.name} WHERE rollout_id = ? AND tick > ? AND tick <= ? ORDER BY tick LIMIT ?`,
    ),
    remove: raw.prepare(`DELETE FROM ${table.name} WHERE rollout_id = ? AND tick > ? AND tick <= ?`),
  }))

  /** Some of the first hour of a table that can be rolled up; the step says whether it is worth calling again. */
  function rollUp(
    table: (typeof tables)[number],
    rolloutId: string,
    { tickMs, through, limit }: Options,
  ): RetentionStep {
    const name = `${table.name}/${rolloutId}`
    for (let looked = 0; looked < mostHours; looked++) {
      const { tick } = table.next.get(rolloutId, doneBefore.get(name) ?? 0) as { tick: number | null }
      if (tick === null) return nothing
      const hour = Math.floor((tick * tickMs) / hourMs)
      const into = Math.ceil((hour * hourMs) / tickMs)
      const last = Math.ceil(((hour + 1) * hourMs) / tickMs) - 1
      if (last > through) return nothing
      const isKept = decided.get(rolloutId, hour * hourMs, (hour + 1) * hourMs + decidedAfterMs + tickMs) !== undefined
      const rows = isKept ? [] : (table.counted.all(rolloutId, into, last, limit + 1) as { tick: number }[])
      if (rows.length > 0) {
        const upTo = rows.length <= limit ? last : wholeTicks(rows)
        table.merge({ rolloutId, into, upTo })
        connection.flush()
        return { rows: table.remove.run(rolloutId, into, upTo).changes, more: true }
      }
      doneBefore.set(name, last + 1)
    }
    return { rows: 0, more: true }
  }

  return async (rolloutId, options) => {
    for (const table of tables) {
      const step = rollUp(table, rolloutId, options)
      if (step.more) return step
    }
    return nothing
  }
}

/** The last bucket that is there with all its rows; the first where that alone is more than asked for. */
function wholeTicks(rows: readonly { readonly tick: number }[]): number {
  const cut = rows.at(-1)?.tick ?? 0
  return rows.findLast(({ tick }) => tick < cut)?.tick ?? cut
}

function tablesOf(connection: Connection): readonly Table[] {
  const { raw } = connection
  const writes = createTickWrites(connection)
  const slices = createSliceWrites(connection)
  const span = 'rollout_id = @rolloutId AND tick > @into AND tick <= @upTo'
  const ticks = raw.prepare(`SELECT rollout_id AS rolloutId, * FROM ticks WHERE ${span}`)
  const sliceTicks = raw.prepare(`SELECT rollout_id AS rolloutId, * FROM slice_ticks WHERE ${span}`)
  const conversions = raw.prepare(
    `INSERT INTO conversion_ticks (rollout_id, tick, epoch, variant, stratum, metric, at_risk, converted)
     SELECT rollout_id, @into, epoch, variant, stratum, metric, SUM(at_risk), SUM(converted) FROM conversion_ticks
     WHERE ${span} GROUP BY epoch, variant, stratum, metric
     ON CONFLICT DO UPDATE SET at_risk = at_risk + excluded.at_risk, converted = converted + excluded.converted`,
  )
  const observations = raw.prepare(
    `INSERT INTO observations (rollout_id, tick, epoch, metric, arm, sum, count)
     SELECT rollout_id, @into, epoch, metric, arm, SUM(sum), SUM(count) FROM observations
     WHERE ${span} GROUP BY epoch, metric, arm
     ON CONFLICT DO UPDATE SET sum = sum + excluded.sum, count = count + excluded.count`,
  )
  return [
    {
      name: 'ticks',
      merge(place) {
        for (const row of ticks.all(place) as StoredTick[]) writes.addStored({ ...row, tick: place.into }, row)
      },
    },
    {
      name: 'slice_ticks',
      merge(place) {
        for (const row of sliceTicks.all(place) as StoredSliceTick[]) slices.addStored(place.into, row)
      },
    },
    { name: 'conversion_ticks', merge: (place) => conversions.run(place) },
    { name: 'observations', merge: (place) => observations.run(place) },
  ]
}
