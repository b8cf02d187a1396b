import { LatencySketch } from '@pipit/shared/sketch'
import type { EvidenceTotal, Stores } from '../ports.ts'
import { createBucketReads } from './bucket-reads.ts'
import type { Connection } from './database.ts'
import { storedSketch } from './stored-sketch.ts'
import { armOf, createTickReads } from './tick-reads.ts'

interface ExposedRow {
  readonly attribute: string
  readonly value: string
  readonly variant: string
  readonly units: number
}

interface ConversionRow {
  readonly epoch: number
  readonly variant: string
  readonly stratum: string
  readonly metric: string
  readonly atRisk: number
  readonly converted: number
}

type Reads = Pick<Stores['evidence'], 'ticks' | 'buckets' | 'exposedBy' | 'latency' | 'totals'>

export function createEvidenceReads(connection: Connection): Reads {
  const { raw } = connection
  const exposedBy = raw.prepare(
    'SELECT attribute, value, variant, units FROM slice_exposures WHERE rollout_id = ? AND epoch = ?',
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
    ticks: createTickReads(connection),
    buckets: createBucketReads(connection),
    async exposedBy(rolloutId, epoch) {
      const found: { [attribute: string]: { [value: string]: { canary: number; stable: number } } } = {}
      for (const { attribute, value, variant, units } of exposedBy.all(rolloutId, epoch) as ExposedRow[]) {
        found[attribute] ??= {}
        const values = found[attribute] as { [value: string]: { canary: number; stable: number } }
        const arms = values[value] ?? { canary: 0, stable: 0 }
        values[value] = { ...arms, [armOf(variant)]: arms[armOf(variant)] + units }
      }
      return found
    },
    async latency(rolloutId, epoch, arm) {
      const rows = (latencies.all(rolloutId, epoch) as { variant: string; latency: string }[]).filter(
        (row) => armOf(row.variant) === arm,
      )
      if (rows.length === 0) return undefined
      const sketch = new LatencySketch()
      for (const row of rows) sketch.merge(storedSketch(row.latency))
      return sketch.encode()
    },
    async totals(rolloutId, fromEpoch) {
      const found = totals.all(rolloutId, fromEpoch) as Omit<EvidenceTotal, 'conversions'>[]
      const counted = conversionTotals.all(rolloutId, fromEpoch) as ConversionRow[]
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
