import { index, integer, primaryKey, real, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

/** Times are epoch milliseconds, JSON is text, booleans do not occur. */

export const environments = sqliteTable('environments', {
  name: text().primaryKey(),
  unitSalt: text('unit_salt').notNull(),
  rulesetVersion: integer('ruleset_version').notNull(),
  holdback: real().notNull().default(0),
  pageSecret: text('page_secret'),
  userHash: text('user_hash').notNull().default('off'),
  createdAt: integer('created_at').notNull(),
})

export const keys = sqliteTable(
  'keys',
  {
    id: text().primaryKey(),
    environment: text(),
    kind: text().notNull(),
    role: text(),
    name: text().notNull(),
    hash: text().notNull(),
    hint: text().notNull(),
    /** A JSON list. */
    origins: text(),
    createdAt: integer('created_at').notNull(),
    lastUsedAt: integer('last_used_at'),
    revokedAt: integer('revoked_at'),
  },
  (table) => [uniqueIndex('keys_by_hash').on(table.hash)],
)

export const rollouts = sqliteTable(
  'rollouts',
  {
    id: text().primaryKey(),
    environment: text().notNull(),
    key: text().notNull(),
    definition: text().notNull(),
    state: text().notNull(),
    version: integer().notNull(),
    runEpoch: integer('run_epoch').notNull(),
    wakeAt: integer('wake_at'),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
  },
  (table) => [
    uniqueIndex('rollouts_by_key').on(table.environment, table.key),
    index('rollouts_by_wake').on(table.wakeAt),
  ],
)

/** Rollouts that are gone, whose evidence is not yet. */
export const deletedRollouts = sqliteTable('deleted_rollouts', { id: text().primaryKey() })

export const judgeMemory = sqliteTable('judge_memory', {
  rolloutId: text('rollout_id').primaryKey(),
  state: text().notNull(),
  foldedTick: integer('folded_tick').notNull(),
  judgement: text(),
})

export const history = sqliteTable(
  'history',
  {
    sequence: integer().primaryKey({ autoIncrement: true }),
    id: text().notNull(),
    rolloutId: text('rollout_id').notNull(),
    at: integer().notNull(),
    entry: text().notNull(),
  },
  (table) => [index('history_by_rollout').on(table.rolloutId, table.sequence)],
)

export const catalog = sqliteTable(
  'catalog',
  {
    kind: text().notNull(),
    environment: text().notNull(),
    key: text().notNull(),
    definition: text().notNull(),
    version: integer().notNull(),
    updatedAt: integer('updated_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.kind, table.environment, table.key] })],
)

/** Who is listed in a cohort. */
export const cohortMembers = sqliteTable(
  'cohort_members',
  {
    environment: text().notNull(),
    cohort: text().notNull(),
    id: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.environment, table.cohort, table.id] })],
)

export const audit = sqliteTable(
  'audit',
  {
    sequence: integer().primaryKey({ autoIncrement: true }),
    id: text().notNull(),
    environment: text(),
    at: integer().notNull(),
    target: text().notNull(),
    entry: text().notNull(),
  },
  (table) => [index('audit_by_target').on(table.target, table.sequence)],
)

export const outbox = sqliteTable(
  'outbox',
  {
    sequence: integer().primaryKey({ autoIncrement: true }),
    id: text().notNull(),
    environment: text().notNull(),
    rolloutKey: text('rollout_key'),
    effect: text().notNull(),
    createdAt: integer('created_at').notNull(),
    attempts: integer().notNull(),
    nextAttemptAt: integer('next_attempt_at').notNull(),
  },
  (table) => [uniqueIndex('outbox_by_id').on(table.id), index('outbox_by_time').on(table.nextAttemptAt)],
)

/** The highest sequence taken from an instance, and which of those right below it were: bit 0 is that of `seq` − 1. */
export const reports = sqliteTable(
  'reports',
  {
    instance: text().primaryKey(),
    seq: integer().notNull(),
    mask: integer().notNull(),
    expiresAt: integer('expires_at').notNull(),
  },
  (table) => [index('reports_by_expiry').on(table.expiresAt)],
)

export const idempotency = sqliteTable(
  'idempotency',
  {
    key: text().primaryKey(),
    fingerprint: text().notNull(),
    status: integer().notNull(),
    body: text().notNull(),
    at: integer().notNull(),
  },
  (table) => [index('idempotency_by_time').on(table.at)],
)
