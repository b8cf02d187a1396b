import { decodeSketch, LatencySketch } from '@pipit/shared/sketch'
import { type ArmTick, type BucketTable, type EpochBuckets, type Tick, userBuckets } from '../../analysis/evidence.ts'
import type { EvidenceTotal, Stores } from '../ports.ts'
import { readTable } from './bucket-table.ts'
import type { Connection } from './database.ts'

interface TickRow {
  readonly tick: number
  readonly epoch: number
  readonly variant: string
  readonly stratum: string
  readonly n: number
  readonly failed: number
  readonly exposed: number
  readonly thresholds: number
  readonly timed: number
  readonly over: string
}

interface ConversionRow {
  readonly tick: number
  readonly epoch: number
  readonly variant: string
  readonly metric: string
  readonly atRisk: number
  readonly converted: number
}

interface CellRow {
  readonly epoch: number
  readonly variant: string
  readonly thresholds: number
  readonly columns: number
  readonly buckets: Buffer
}

type Arm = { -readonly [K in keyof ArmTick]: ArmTick[K] }
type Merged = {
  tick: number
  epoch: number
  thresholdsVersion: number
  canary: Arm
  stable: Arm
  forced: { n: number; failed: number; exposed: number }
}

const armOf = (variant: string): 'canary' | 'stable' => (variant === 'stable' ? 'stable' : 'canary')
const emptyArm = (): Arm => ({ n: 0, failed: 0, timed: 0, over: [], exposed: 0, conversions: {} })

type Reads = Pick<Stores['evidence'], 'ticks' | 'buckets' | 'latency' | 'totals'>

export function createEvidenceReads({ raw }: Connection): Reads {
  const ticks = raw.prepare(
    'SELECT * FROM ticks WHERE rollout_id = ? AND tick > ? AND tick <= ? AND epoch >= ? ORDER BY tick, epoch',
  )
  const conversions = raw.prepare(
    `SELECT tick, epoch, variant, metric, at_risk AS atRisk, converted FROM conversion_ticks
     WHERE rollout_id = ? AND tick > ? AND tick <= ? AND epoch >= ? AND stratum = 'split' ORDER BY tick, epoch`,
  )
  const cells = raw.prepare(
    "SELECT epoch, variant, thresholds, columns, buckets FROM cells WHERE rollout_id = ? AND epoch >= ? AND stratum = 'split' ORDER BY epoch",
  )
  const latencies = raw.prepare(
    "SELECT variant, latency FROM cells WHERE rollout_id = ? AND epoch = ? AND stratum = 'split'",
  )
  const totals = raw.prepare(
    `SELECT epoch, variant, stratum, SUM(n) AS n, SUM(failed) AS failed, SUM(timed) AS timed, SUM(exposed) AS exposed
     FROM ticks WHERE rollout_id = ? AND epoch >= ? GROUP BY epoch, variant, stratum ORDER BY epoch, variant, stratum`,
  )
  const conversionTotals = raw.prepare(
    `SELECT epoch, variant, stratum, metric, SUM(at_risk) AS atRisk, SUM(converted) AS converted
     FROM conversion_ticks WHERE rollout_id = ? AND epoch >= ? GROUP BY epoch, variant, stratum, metric`,
  )
  return {
    async ticks(rolloutId, { fromEpoch, after, through }) {
      const merged = new Map<string, Merged>()
      for (const row of ticks.all(rolloutId, after, through, fromEpoch) as TickRow[])
        addTickRow(entry(merged, row), row)
      for (const row of conversions.all(rolloutId, after, through, fromEpoch) as ConversionRow[])
        addConversionRow(entry(merged, row), row)
      return [...merged.values()].sort((a, b) => a.tick - b.tick || a.epoch - b.epoch).map(toTick)
    },
    async buckets(rolloutId, fromEpoch) {
      return mergeBuckets(cells.all(rolloutId, fromEpoch) as CellRow[])
    },
    async latency(rolloutId, epoch, arm) {
      const rows = (latencies.all(rolloutId, epoch) as { variant: string; latency: string }[]).filter(
        (row) => armOf(row.variant) === arm,
      )
      if (rows.length === 0) return undefined
      const sketch = new LatencySketch()
      for (const row of rows) {
        const part = decodeSketch(row.latency)
        if (part !== undefined) sketch.merge(part)
      }
      return sketch.encode()
    },
    async totals(rolloutId, fromEpoch) {
      const found = totals.all(rolloutId, fromEpoch) as Omit<EvidenceTotal, 'conversions'>[]
      const counted = conversionTotals.all(rolloutId, fromEpoch) as (ConversionRow & { stratum: string })[]
      return found.map((row) => ({
        ...row,
        conversions: Object.fromEntries(
          counted
            .filter(
              (other) => other.epoch === row.epoch && other.variant === row.variant && other.stratum === row.stratum,
            )
            .map(({ metric, atRisk, converted }) => [metric, { atRisk, converted }]),
        ),
      }))
    },
  }
}

function entry(
  merged: Map<string, Merged>,
  { tick, epoch }: { readonly tick: number; readonly epoch: number },
): Merged {
  const key = `${tick} ${epoch}`
  let found = merged.get(key)
  if (found === undefined) {
    found = {
      tick,
      epoch,
      thresholdsVersion: 0,
      canary: emptyArm(),
      stable: emptyArm(),
      forced: { n: 0, failed: 0, exposed: 0 },
    }
    merged.set(key, found)
  }
  return found
}

function addTickRow(into: Merged, row: TickRow): void {
  if (row.stratum !== 'split') {
    if (armOf(row.variant) === 'stable') return
    into.forced.n += row.n
    into.forced.failed += row.failed
    into.forced.exposed += row.exposed
    return
  }
  const arm = into[armOf(row.variant)]
  arm.n += row.n
  arm.failed += row.failed
  arm.exposed += row.exposed
  if (row.thresholds > into.thresholdsVersion) {
    // Newer limits: what was counted against older ones in this bucket is left aside in both arms.
    into.thresholdsVersion = row.thresholds
    for (const side of [into.canary, into.stable]) {
      side.timed = 0
      side.over = []
    }
  }
  if (row.thresholds !== into.thresholdsVersion) return
  const over = JSON.parse(row.over) as number[]
  arm.timed += row.timed
  arm.over = Array.from(
    { length: Math.max(over.length, arm.over.length) },
    (_, i) => (arm.over[i] ?? 0) + (over[i] ?? 0),
  )
}

function addConversionRow(into: Merged, row: ConversionRow): void {
  const arm = into[armOf(row.variant)]
  const before = arm.conversions[row.metric] ?? { atRisk: 0, converted: 0 }
  arm.conversions = {
    ...arm.conversions,
    [row.metric]: { atRisk: before.atRisk + row.atRisk, converted: before.converted + row.converted },
  }
}

function toTick({ tick, epoch, thresholdsVersion, canary, stable, forced }: Merged): Tick {
  return { tick, epoch, thresholdsVersion, canary, stable, forcedCanary: forced }
}

const emptyTable = (limits: number): BucketTable => ({
  n: new Float64Array(userBuckets),
  failed: new Float64Array(userBuckets),
  timed: new Float64Array(userBuckets),
  over: Array.from({ length: limits }, () => new Float64Array(userBuckets)),
})

function mergeBuckets(rows: readonly CellRow[]): EpochBuckets[] {
  const epochs = [...new Set(rows.map((row) => row.epoch))]
  return epochs.map((epoch) => {
    const own = rows.filter((row) => row.epoch === epoch)
    const thresholdsVersion = Math.max(...own.map((row) => row.thresholds))
    const limits = Math.max(
      0,
      ...own.filter((row) => row.thresholds === thresholdsVersion).map((row) => row.columns - 4),
    )
    const buckets = { epoch, thresholdsVersion, canary: emptyTable(limits), stable: emptyTable(limits) }
    for (const row of own) addTable(buckets[armOf(row.variant)], row, row.thresholds === thresholdsVersion)
    return buckets
  })
}

function addTable(into: BucketTable, row: CellRow, counted: boolean): void {
  const table = readTable(row.buckets)
  const width = row.columns - 1
  for (let bucket = 0; bucket < userBuckets; bucket++) {
    const at = bucket * width
    into.n[bucket] = (into.n[bucket] as number) + (table[at] as number)
    into.failed[bucket] = (into.failed[bucket] as number) + (table[at + 1] as number)
    if (!counted) continue
    into.timed[bucket] = (into.timed[bucket] as number) + (table[at + 2] as number)
    into.over.forEach((limit, i) => {
      limit[bucket] = (limit[bucket] as number) + (table[at + 3 + i] ?? 0)
    })
  }
}
