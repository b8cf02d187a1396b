import { and, asc, desc, eq, isNull, lt, lte, min, or, sql } from 'drizzle-orm'
import type { Judgement, JudgeState } from '../../analysis/judgement.ts'
import type { Effect } from '../../rollout/state.ts'
import type { AuditEntry, EnvironmentRecord, HistoryEntry, KeyRecord, OutboxItem, Role, Stores } from '../ports.ts'
import type { Connection } from './database.ts'
import { decisions } from './evidence-schema.ts'
import * as tables from './schema.ts'

/** A row without its nulls: absent is `undefined` outside SQL. */
export function present<T extends object>(row: T): { [K in keyof T]: Exclude<T[K], null> } {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as {
    [K in keyof T]: Exclude<T[K], null>
  }
}

export function environmentStore({ orm, raw }: Connection): Stores['environments'] {
  const table = tables.environments
  // Asked for with every batch of reports: drizzle would build and prepare it anew each time.
  const read = raw.prepare(
    `SELECT name, unit_salt AS unitSalt, ruleset_version AS rulesetVersion, holdback, page_secret AS pageSecret,
       user_hash AS userHash, created_at AS createdAt FROM environments WHERE name = ?`,
  )
  const record = (row: typeof table.$inferSelect): EnvironmentRecord => ({
    ...present(row),
    userHash: row.userHash === 'required' ? 'required' : 'off',
  })
  return {
    list: async () => orm.select().from(table).orderBy(asc(table.name)).all().map(record),
    async get(name) {
      const row = read.get(name) as typeof table.$inferSelect | undefined
      return row && record(row)
    },
    async insert(record: EnvironmentRecord) {
      orm.insert(table).values(record).run()
    },
    async setHoldback(name, holdback) {
      return orm.update(table).set({ holdback }).where(eq(table.name, name)).run().changes > 0
    },
    async setPages(name, pages) {
      return orm.update(table).set(pages).where(eq(table.name, name)).run().changes > 0
    },
    async bump(name) {
      const row = orm
        .update(table)
        .set({ rulesetVersion: sql`${table.rulesetVersion} + 1` })
        .where(eq(table.name, name))
        .returning({ version: table.rulesetVersion })
        .get()
      if (row === undefined) throw new Error(`there is no environment "${name}"`)
      return row.version
    },
  }
}

export function keyStore({ orm }: Connection): Stores['keys'] {
  const table = tables.keys
  const record = (row: typeof table.$inferSelect): KeyRecord => {
    const { kind, role, origins, ...rest } = present(row)
    return {
      ...rest,
      kind: kind as KeyRecord['kind'],
      ...(role === undefined ? {} : { role: role as Role }),
      ...(origins === undefined ? {} : { origins: JSON.parse(origins) as readonly string[] }),
    } as KeyRecord
  }
  // Asked for by each request and each socket: made once.
  const byHash = orm
    .select()
    .from(table)
    .where(eq(table.hash, sql.placeholder('hash')))
    .prepare()
  return {
    async insert(key) {
      const origins = key.origins === undefined ? null : JSON.stringify(key.origins)
      orm
        .insert(table)
        .values({ ...key, origins })
        .run()
    },
    async list(environment) {
      const where =
        environment === undefined ? undefined : or(eq(table.environment, environment), isNull(table.environment))
      return orm.select().from(table).where(where).orderBy(asc(table.createdAt)).limit(10_000).all().map(record)
    },
    async findByHash(hash) {
      const row = byHash.get({ hash })
      return row && record(row)
    },
    async revoke(id, at) {
      return (
        orm
          .update(table)
          .set({ revokedAt: at })
          .where(and(eq(table.id, id), isNull(table.revokedAt)))
          .run().changes > 0
      )
    },
    async touch(id, at) {
      orm.update(table).set({ lastUsedAt: at }).where(eq(table.id, id)).run()
    },
  }
}

export function judgeStore({ orm }: Connection): Stores['judge'] {
  const table = tables.judgeMemory
  return {
    async get(rolloutId) {
      const row = orm.select().from(table).where(eq(table.rolloutId, rolloutId)).get()
      if (row === undefined) return undefined
      const judgement = row.judgement === null ? {} : { judgement: JSON.parse(row.judgement) as Judgement }
      return { rolloutId, state: JSON.parse(row.state) as JudgeState, foldedTick: row.foldedTick, ...judgement }
    },
    async put({ rolloutId, state, foldedTick, judgement }) {
      const values = {
        state: JSON.stringify(state),
        foldedTick,
        judgement: judgement === undefined ? null : JSON.stringify({ ...judgement, state: { judge: judgement.judge } }),
      }
      orm
        .insert(table)
        .values({ rolloutId, ...values })
        .onConflictDoUpdate({ target: table.rolloutId, set: values })
        .run()
    },
    async delete(rolloutId) {
      orm.delete(table).where(eq(table.rolloutId, rolloutId)).run()
    },
  }
}

export function historyStore({ orm }: Connection): Stores['history'] {
  const table = tables.history
  return {
    async append(entry: HistoryEntry) {
      orm
        .insert(table)
        .values({ id: entry.id, rolloutId: entry.rolloutId, at: entry.at, entry: JSON.stringify(entry) })
        .run()
    },
    async get(rolloutId, id) {
      const where = and(eq(table.rolloutId, rolloutId), eq(table.id, id))
      const row = orm.select().from(table).where(where).get()
      return row && (JSON.parse(row.entry) as HistoryEntry)
    },
    async list(rolloutId, { limit, before, below }) {
      const where = and(
        eq(table.rolloutId, rolloutId),
        before === undefined ? undefined : lt(table.at, before),
        below === undefined ? undefined : lt(table.sequence, below),
      )
      const rows = orm.select().from(table).where(where).orderBy(desc(table.sequence)).limit(limit).all()
      return rows.map((row) => ({ ...(JSON.parse(row.entry) as HistoryEntry), sequence: row.sequence }))
    },
  }
}

export function auditStore({ orm }: Connection): Stores['audit'] {
  const table = tables.audit
  return {
    async append(entry: AuditEntry) {
      const { id, at, target, environment } = entry
      orm
        .insert(table)
        .values({ id, at, target, environment: environment ?? null, entry: JSON.stringify(entry) })
        .run()
    },
    async list({ environment, target, limit, before, below }) {
      const where = and(
        environment === undefined ? undefined : or(eq(table.environment, environment), isNull(table.environment)),
        target === undefined ? undefined : eq(table.target, target),
        before === undefined ? undefined : lt(table.at, before),
        below === undefined ? undefined : lt(table.sequence, below),
      )
      const rows = orm.select().from(table).where(where).orderBy(desc(table.sequence)).limit(limit).all()
      return rows.map((row) => ({ ...(JSON.parse(row.entry) as AuditEntry), sequence: row.sequence }))
    },
  }
}

export function outboxStore({ orm }: Connection): Stores['outbox'] {
  const table = tables.outbox
  return {
    async add(item: OutboxItem) {
      orm
        .insert(table)
        .values({ ...item, rolloutKey: item.rolloutKey ?? null, effect: JSON.stringify(item.effect) })
        .run()
    },
    async due(now, limit) {
      const rows = orm
        .select()
        .from(table)
        .where(lte(table.nextAttemptAt, now))
        .orderBy(asc(table.sequence))
        .limit(limit)
        .all()
      return rows.map(({ sequence: _order, rolloutKey, effect, ...row }) => ({
        ...row,
        ...(rolloutKey === null ? {} : { rolloutKey }),
        effect: JSON.parse(effect) as Effect,
      }))
    },
    async done(id) {
      orm.delete(table).where(eq(table.id, id)).run()
    },
    async retry(id, nextAttemptAt) {
      orm
        .update(table)
        .set({ attempts: sql`${table.attempts} + 1`, nextAttemptAt })
        .where(eq(table.id, id))
        .run()
    },
    async nextAttemptAt() {
      return (
        orm
          .select({ at: min(table.nextAttemptAt) })
          .from(table)
          .get()?.at ?? undefined
      )
    },
  }
}

export function idempotencyStore({ orm }: Connection): Stores['idempotency'] {
  const table = tables.idempotency
  return {
    async get(key) {
      const row = orm.select().from(table).where(eq(table.key, key)).get()
      return row && { fingerprint: row.fingerprint, status: row.status, body: row.body }
    },
    async put(key, value, at) {
      orm
        .insert(table)
        .values({ key, ...value, at })
        .onConflictDoNothing()
        .run()
    },
    async prune(before) {
      orm.delete(table).where(lt(table.at, before)).run()
    },
  }
}

export function decisionStore({ orm }: Connection): Stores['decisions'] {
  const table = decisions
  return {
    async put(record) {
      orm
        .insert(table)
        .values({ ...record, evidence: Buffer.from(record.evidence) })
        .run()
    },
    get: async (historyId) => orm.select().from(table).where(eq(table.historyId, historyId)).get(),
  }
}
