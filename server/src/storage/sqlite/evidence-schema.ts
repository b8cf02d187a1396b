import { blob, index, integer, primaryKey, real, sqliteTable, text } from 'drizzle-orm/sqlite-core'

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
    /** JSON record of failures by kind. */
    kinds: text().notNull().default('{}'),
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
    /** Float64, 256 failures for each kind in the order of the protocol; absent while there are none. */
    kinds: blob({ mode: 'buffer' }),
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
    value: real(),
  },
  (table) => [index('pending_by_unit').on(table.environment, table.unit), index('pending_by_time').on(table.expiresAt)],
)

/** Randomised outcomes of one arm in one time bucket, by the value of a slice. */
export const sliceTicks = sqliteTable(
  'slice_ticks',
  {
    rolloutId: text('rollout_id').notNull(),
    tick: integer().notNull(),
    epoch: integer().notNull(),
    variant: text().notNull(),
    attribute: text().notNull(),
    value: text().notNull(),
    n: integer().notNull(),
    failed: integer().notNull(),
    thresholds: integer().notNull(),
    timed: integer().notNull(),
    over: text().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.rolloutId, table.tick, table.epoch, table.variant, table.attribute, table.value] }),
  ],
)

/** Randomised units first exposed in an epoch, by the value of a slice, the SDK or the instance. */
export const sliceExposures = sqliteTable(
  'slice_exposures',
  {
    rolloutId: text('rollout_id').notNull(),
    epoch: integer().notNull(),
    attribute: text().notNull(),
    value: text().notNull(),
    variant: text().notNull(),
    units: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.rolloutId, table.epoch, table.attribute, table.value, table.variant] })],
)

/** Values of slices that are kept apart: so many of an attribute, the first that came. */
export const sliceValues = sqliteTable(
  'slice_values',
  {
    rolloutId: text('rollout_id').notNull(),
    attribute: text().notNull(),
    value: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.rolloutId, table.attribute, table.value] })],
)

/** What one unit added to a metric of values in one epoch, before its cap. */
export const unitValues = sqliteTable(
  'unit_values',
  {
    rolloutId: text('rollout_id').notNull(),
    unit: blob({ mode: 'buffer' }).notNull(),
    metric: text().notNull(),
    epoch: integer().notNull(),
    y: real().notNull(),
  },
  (table) => [primaryKey({ columns: [table.rolloutId, table.unit, table.metric, table.epoch] })],
)

/** A metric of values of one arm and epoch: float64, 256 rows of y, d by bucket of units; and sums over units. */
export const valueCells = sqliteTable(
  'value_cells',
  {
    rolloutId: text('rollout_id').notNull(),
    epoch: integer().notNull(),
    metric: text().notNull(),
    variant: text().notNull(),
    stratum: text().notNull(),
    buckets: blob({ mode: 'buffer' }).notNull(),
    units: integer().notNull(),
    contributing: integer().notNull(),
    squares: real().notNull(),
  },
  (table) => [primaryKey({ columns: [table.rolloutId, table.epoch, table.metric, table.variant, table.stratum] })],
)

export const observations = sqliteTable(
  'observations',
  {
    rolloutId: text('rollout_id').notNull(),
    tick: integer().notNull(),
    epoch: integer().notNull(),
    metric: text().notNull(),
    arm: text().notNull(),
    sum: real().notNull(),
    count: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.rolloutId, table.tick, table.epoch, table.metric, table.arm] })],
)

/** The evidence of automatic decisions, by the history entry that tells of them. */
export const decisions = sqliteTable(
  'decisions',
  {
    historyId: text('history_id').primaryKey(),
    rolloutId: text('rollout_id').notNull(),
    at: integer().notNull(),
    judge: text().notNull(),
    evidence: blob({ mode: 'buffer' }).notNull(),
  },
  (table) => [index('decisions_by_rollout').on(table.rolloutId)],
)
