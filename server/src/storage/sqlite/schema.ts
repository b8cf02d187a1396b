import { blob, index, integer, primaryKey, real, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

/** Times are epoch milliseconds, JSON is text, booleans do not occur. */

export const environments = sqliteTable('environments', {
  name: text().primaryKey(),
  unitSalt: text('unit_salt').notNull(),
  rulesetVersion: integer('ruleset_version').notNull(),
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

export const reports = sqliteTable(
  'reports',
  {
    instance: text().primaryKey(),
    seq: integer().notNull(),
    at: integer().notNull(),
  },
  (table) => [index('reports_by_time').on(table.at)],
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

/** Sums of one arm in one time bucket. */
export const ticks = sqliteTable(
  'ticks',
  {
    rolloutId: text('rollout_id').notNull(),
    tick: integer().notNull(),
    epoch: integer().notNull(),
    variant: text().notNull(),
    stratum: text().notNull(),
    n: integer().notNull(),
    failed: integer().notNull(),
    exposed: integer().notNull(),
    conflicts: integer().notNull(),
    thresholds: integer().notNull(),
    timed: integer().notNull(),
    /** JSON list of counts, one for each limit. */
    over: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.rolloutId, table.tick, table.epoch, table.variant, table.stratum] })],
)

export const conversionTicks = sqliteTable(
  'conversion_ticks',
  {
    rolloutId: text('rollout_id').notNull(),
    tick: integer().notNull(),
    epoch: integer().notNull(),
    variant: text().notNull(),
    stratum: text().notNull(),
    metric: text().notNull(),
    atRisk: integer('at_risk').notNull(),
    converted: integer().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.rolloutId, table.tick, table.epoch, table.variant, table.stratum, table.metric] }),
  ],
)

/** User-bucket table of one arm and epoch: float64, 256 rows of n, failed, timed, over…; and its latency sketch. */
export const cells = sqliteTable(
  'cells',
  {
    rolloutId: text('rollout_id').notNull(),
    epoch: integer().notNull(),
    variant: text().notNull(),
    stratum: text().notNull(),
    thresholds: integer().notNull(),
    columns: integer().notNull(),
    buckets: blob({ mode: 'buffer' }).notNull(),
    latency: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.rolloutId, table.epoch, table.variant, table.stratum] })],
)

export const exposures = sqliteTable(
  'exposures',
  {
    rolloutId: text('rollout_id').notNull(),
    unit: blob({ mode: 'buffer' }).notNull(),
    epoch: integer().notNull(),
    variant: text().notNull(),
    stratum: text().notNull(),
    at: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.rolloutId, table.unit, table.epoch] })],
)

export const conversions = sqliteTable(
  'conversions',
  {
    rolloutId: text('rollout_id').notNull(),
    unit: blob({ mode: 'buffer' }).notNull(),
    metric: text().notNull(),
    runEpoch: integer('run_epoch').notNull(),
    at: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.rolloutId, table.unit, table.metric, table.runEpoch] })],
)

export const eventIds = sqliteTable(
  'event_ids',
  {
    environment: text().notNull(),
    id: text().notNull(),
    at: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.environment, table.id] }), index('event_ids_by_time').on(table.at)],
)

export const pendingEvents = sqliteTable(
  'pending_events',
  {
    sequence: integer().primaryKey({ autoIncrement: true }),
    environment: text().notNull(),
    unit: text().notNull(),
    event: text().notNull(),
    at: real().notNull(),
    expiresAt: integer('expires_at').notNull(),
  },
  (table) => [index('pending_by_unit').on(table.environment, table.unit), index('pending_by_time').on(table.expiresAt)],
)
