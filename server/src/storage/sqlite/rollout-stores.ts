import { and, asc, eq, isNotNull, lte, min } from 'drizzle-orm'
import type { RolloutDefinition } from '../../rollout/definition.ts'
import type { RolloutState } from '../../rollout/state.ts'
import type { CatalogRecord, RolloutRecord, Stores } from '../ports.ts'
import type { Connection } from './database.ts'
import * as tables from './schema.ts'

export function rolloutStore({ orm }: Connection): Stores['rollouts'] {
  const table = tables.rollouts
  const record = ({ definition, state, wakeAt, ...row }: typeof table.$inferSelect): RolloutRecord => ({
    ...row,
    definition: JSON.parse(definition) as RolloutDefinition,
    state: JSON.parse(state) as RolloutState,
    ...(wakeAt === null ? {} : { wakeAt }),
  })
  const values = ({ definition, state, wakeAt, ...row }: RolloutRecord): typeof table.$inferInsert => ({
    ...row,
    definition: JSON.stringify(definition),
    state: JSON.stringify(state),
    wakeAt: wakeAt ?? null,
  })
  return {
    async get(environment, key) {
      const row = orm
        .select()
        .from(table)
        .where(and(eq(table.environment, environment), eq(table.key, key)))
        .get()
      return row && record(row)
    },
    async getById(id) {
      const row = orm.select().from(table).where(eq(table.id, id)).get()
      return row && record(row)
    },
    async list(environment) {
      return orm
        .select()
        .from(table)
        .where(eq(table.environment, environment))
        .orderBy(asc(table.key))
        .all()
        .map(record)
    },
    async insert(rollout) {
      return orm.insert(table).values(values(rollout)).onConflictDoNothing().run().changes > 0
    },
    async update(rollout, expectedVersion) {
      const { id, ...rest } = values(rollout)
      return (
        orm
          .update(table)
          .set(rest)
          .where(and(eq(table.id, id), eq(table.version, expectedVersion)))
          .run().changes > 0
      )
    },
    async delete(id, expectedVersion) {
      const gone =
        orm
          .delete(table)
          .where(and(eq(table.id, id), eq(table.version, expectedVersion)))
          .run().changes > 0
      if (gone) {
        for (const part of [tables.history, tables.judgeMemory]) orm.delete(part).where(eq(part.rolloutId, id)).run()
        orm.insert(tables.deletedRollouts).values({ id }).onConflictDoNothing().run()
      }
      return gone
    },
    async setWake(id, wakeAt) {
      orm
        .update(table)
        .set({ wakeAt: wakeAt ?? null })
        .where(eq(table.id, id))
        .run()
    },
    async due(now, limit) {
      const rows = orm
        .select()
        .from(table)
        .where(and(isNotNull(table.wakeAt), lte(table.wakeAt, now)))
        .orderBy(asc(table.wakeAt))
        .limit(limit)
        .all()
      return rows.map(record)
    },
    async nextWakeAt() {
      return (
        orm
          .select({ at: min(table.wakeAt) })
          .from(table)
          .get()?.at ?? undefined
      )
    },
  }
}

/** Cohorts or metrics: named definitions with versions. */
export function catalogStore<D>({ orm }: Connection, kind: 'cohort' | 'metric') {
  const table = tables.catalog
  const record = (row: typeof table.$inferSelect): CatalogRecord<D> => ({
    environment: row.environment,
    key: row.key,
    definition: JSON.parse(row.definition) as D,
    version: row.version,
    updatedAt: row.updatedAt,
  })
  const one = (environment: string, key: string) =>
    and(eq(table.kind, kind), eq(table.environment, environment), eq(table.key, key))
  return {
    async get(environment: string, key: string): Promise<CatalogRecord<D> | undefined> {
      const row = orm.select().from(table).where(one(environment, key)).get()
      return row && record(row)
    },
    async list(environment: string): Promise<readonly CatalogRecord<D>[]> {
      const where = and(eq(table.kind, kind), eq(table.environment, environment))
      return orm.select().from(table).where(where).orderBy(asc(table.key)).all().map(record)
    },
    async insert(item: CatalogRecord<D>): Promise<boolean> {
      const row = { ...item, kind, definition: JSON.stringify(item.definition) }
      return orm.insert(table).values(row).onConflictDoNothing().run().changes > 0
    },
    async update(item: CatalogRecord<D>, expectedVersion: number): Promise<boolean> {
      const set = { definition: JSON.stringify(item.definition), version: item.version, updatedAt: item.updatedAt }
      return (
        orm
          .update(table)
          .set(set)
          .where(and(one(item.environment, item.key), eq(table.version, expectedVersion)))
          .run().changes > 0
      )
    },
    async delete(environment: string, key: string, expectedVersion: number): Promise<boolean> {
      return (
        orm
          .delete(table)
          .where(and(one(environment, key), eq(table.version, expectedVersion)))
          .run().changes > 0
      )
    },
  }
}
