import type { Stores } from '../ports.ts'
import type { Connection } from './database.ts'

/** Ids listed in cohorts, one row each: lists are long, and their changes short. */
export function memberStore({ raw }: Connection): Stores['members'] {
  const insert = raw.prepare(
    'INSERT INTO cohort_members (environment, cohort, id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  )
  const remove = raw.prepare('DELETE FROM cohort_members WHERE environment = ? AND cohort = ? AND id = ?')
  const clear = raw.prepare('DELETE FROM cohort_members WHERE environment = ? AND cohort = ?')
  const after = raw
    .prepare('SELECT id FROM cohort_members WHERE environment = ? AND cohort = ? AND id > ? ORDER BY id LIMIT ?')
    .pluck()

  return {
    add: async (environment, cohort, ids) => ids.filter((id) => insert.run(environment, cohort, id).changes > 0),
    remove: async (environment, cohort, ids) => ids.filter((id) => remove.run(environment, cohort, id).changes > 0),
    // No id is empty, so that all come after the empty text.
    page: async (environment, cohort, options) =>
      after.all(environment, cohort, options.after ?? '', options.limit) as string[],
    async clear(environment, cohort) {
      clear.run(environment, cohort)
    },
  }
}
