import type { RetentionStep, Stores } from '../ports.ts'
import type { Connection } from './database.ts'
import { createRollUp } from './roll-up.ts'

type Tables = { readonly [table: string]: string }

/** Tables without rows of their own numbers, with their primary keys. */
const units: Tables = {
  exposures: 'rollout_id, unit, epoch',
  conversions: 'rollout_id, unit, metric, run_epoch',
  unit_values: 'rollout_id, unit, metric, epoch',
}
const times: Tables = {
  ticks: 'rollout_id, tick, epoch, variant, stratum',
  slice_ticks: 'rollout_id, tick, epoch, variant, attribute, value',
  conversion_ticks: 'rollout_id, tick, epoch, variant, stratum, metric',
  observations: 'rollout_id, tick, epoch, metric, arm',
}
const sums: Tables = {
  cells: 'rollout_id, epoch, variant, stratum',
  value_cells: 'rollout_id, epoch, metric, variant, stratum',
  slice_exposures: 'rollout_id, epoch, attribute, value, variant',
  slice_values: 'rollout_id, attribute, value',
  decisions: 'history_id',
}

export function retentionStore(connection: Connection): Stores['retention'] {
  const { raw } = connection
  const statement = ([table, key]: readonly [string, string]) =>
    raw.prepare(`DELETE FROM ${table} WHERE (${key}) IN (SELECT ${key} FROM ${table} WHERE rollout_id = ? LIMIT ?)`)
  const [ofUnits, ofTimes, ofAll] = [units, times, { ...units, ...times, ...sums }].map((tables) =>
    Object.entries(tables).map(statement),
  ) as [Statements, Statements, Statements]
  type Statements = ReturnType<typeof statement>[]

  function drop(statements: Statements, rolloutId: string, limit: number): RetentionStep {
    let rows = 0
    for (const one of statements) {
      rows += one.run(rolloutId, limit - rows).changes
      if (rows >= limit) return { rows, more: true }
    }
    return { rows, more: false }
  }

  const firstDeleted = raw.prepare('SELECT id FROM deleted_rollouts LIMIT 1').pluck()
  const forgetDeleted = raw.prepare('DELETE FROM deleted_rollouts WHERE id = ?')
  // The oldest come first in both tables, whose numbers grow with time; a clock that went back is none of their business.
  const oldHistory = raw.prepare('SELECT sequence, id, at FROM history ORDER BY sequence LIMIT ?')
  const dropEntry = raw.prepare('DELETE FROM history WHERE sequence = ?')
  const dropDecision = raw.prepare('DELETE FROM decisions WHERE history_id = ?')
  const oldAudit = raw.prepare('SELECT sequence, at FROM audit ORDER BY sequence LIMIT ?')
  const dropAudit = raw.prepare('DELETE FROM audit WHERE sequence = ?')

  return {
    rollUp: createRollUp(connection),
    dropUnits: async (rolloutId, limit) => drop(ofUnits, rolloutId, limit),
    dropTicks: async (rolloutId, limit) => drop(ofTimes, rolloutId, limit),
    async dropDeleted(limit) {
      const id = firstDeleted.get() as string | undefined
      if (id === undefined) return { rows: 0, more: false }
      const step = drop(ofAll, id, limit)
      if (!step.more) forgetDeleted.run(id)
      return { ...step, more: true }
    },
    async dropHistory(before, limit) {
      const entries = (oldHistory.all(limit) as { sequence: number; id: string; at: number }[]).filter(
        ({ at }) => at < before,
      )
      for (const { sequence, id } of entries) {
        dropDecision.run(id)
        dropEntry.run(sequence)
      }
      const told = (oldAudit.all(limit) as { sequence: number; at: number }[]).filter(({ at }) => at < before)
      for (const { sequence } of told) dropAudit.run(sequence)
      return { rows: entries.length + told.length, more: entries.length === limit || told.length === limit }
    },
  }
}
