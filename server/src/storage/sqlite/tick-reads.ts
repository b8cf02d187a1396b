import type { ArmTick, ExternalTick, ForcedTick, Requests, Tick } from '../../analysis/evidence.ts'
import type { Stores } from '../ports.ts'
import type { Connection } from './database.ts'

interface Counted {
  readonly n: number
  readonly failed: number
  readonly thresholds: number
  readonly timed: number
  readonly over: string
}

interface Placed {
  readonly tick: number
  readonly epoch: number
}

interface TickRow extends Placed, Counted {
  readonly variant: string
  readonly stratum: string
  readonly exposed: number
  readonly conflicts: number
  readonly kinds: string
}

interface ConversionRow extends Placed {
  readonly variant: string
  readonly metric: string
  readonly atRisk: number
  readonly converted: number
}

interface SliceRow extends Placed, Counted {
  readonly variant: string
  readonly attribute: string
  readonly value: string
}

interface ObservationRow extends Placed {
  readonly metric: string
  readonly arm: 'canary' | 'stable'
  readonly sum: number
  readonly count: number
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }
type Side = Writable<Requests>
type Arm = Writable<ArmTick>
interface Slice {
  readonly canary: Side
  readonly stable: Side
}
interface Merged extends Placed {
  thresholdsVersion: number
  readonly canary: Arm
  readonly stable: Arm
  readonly forced: Writable<ForcedTick> & Side
  readonly slices: { [attribute: string]: { [value: string]: Slice } }
  readonly external: { [metric: string]: { canary: ExternalTick['canary']; stable: ExternalTick['stable'] } }
}

export const armOf = (variant: string): 'canary' | 'stable' => (variant === 'stable' ? 'stable' : 'canary')
const noRequests = (): Side => ({ n: 0, failed: 0, timed: 0, over: [] })
const emptyArm = (): Arm => ({ ...noRequests(), exposed: 0, conversions: {} })

/** Closed ticks of a rollout, arms added up. */
export function createTickReads({ raw }: Connection): Stores['evidence']['ticks'] {
  const span = 'rollout_id = ? AND tick > ? AND tick <= ? AND epoch >= ?'
  const ticks = raw.prepare(`SELECT * FROM ticks WHERE ${span} ORDER BY tick, epoch`)
  const conversions = raw.prepare(
    `SELECT tick, epoch, variant, metric, at_risk AS atRisk, converted FROM conversion_ticks
     WHERE ${span} AND stratum = 'split' ORDER BY tick, epoch`,
  )
  const slices = raw.prepare(`SELECT * FROM slice_ticks WHERE ${span}`)
  const observations = raw.prepare(`SELECT tick, epoch, metric, arm, sum, count FROM observations WHERE ${span}`)
  return async (rolloutId, { fromEpoch, after, through }) => {
    const merged = new Map<string, Merged>()
    const where = [rolloutId, after, through, fromEpoch] as const
    for (const row of ticks.all(...where) as TickRow[]) addTickRow(entry(merged, row), row)
    for (const row of conversions.all(...where) as ConversionRow[]) addConversionRow(entry(merged, row), row)
    for (const row of slices.all(...where) as SliceRow[]) addSliceRow(entry(merged, row), row)
    for (const row of observations.all(...where) as ObservationRow[]) addObservationRow(entry(merged, row), row)
    return [...merged.values()].sort((a, b) => a.tick - b.tick || a.epoch - b.epoch).map(toTick)
  }
}

function entry(merged: Map<string, Merged>, { tick, epoch }: Placed): Merged {
  const key = `${tick} ${epoch}`
  let found = merged.get(key)
  if (found === undefined) {
    found = {
      ...{ tick, epoch, thresholdsVersion: 0 },
      ...{ canary: emptyArm(), stable: emptyArm() },
      forced: { ...noRequests(), exposed: 0 },
      slices: {},
      external: {},
    }
    merged.set(key, found)
  }
  return found
}

function addTickRow(into: Merged, row: TickRow): void {
  if (row.stratum !== 'split') {
    if (armOf(row.variant) === 'stable') return
    into.forced.exposed += row.exposed
    addKinds(into.forced, row.kinds)
    addCounted(into, into.forced, row)
    return
  }
  const arm = into[armOf(row.variant)]
  arm.exposed += row.exposed
  if (row.conflicts > 0) arm.conflicts = (arm.conflicts ?? 0) + row.conflicts
  addKinds(arm, row.kinds)
  addCounted(into, arm, row)
}

function addKinds(side: { kinds?: ArmTick['kinds'] }, json: string): void {
  if (json === '{}') return
  const sums: { [kind: string]: number } = { ...side.kinds }
  for (const [kind, count] of Object.entries(JSON.parse(json) as { [kind: string]: number }))
    sums[kind] = (sums[kind] ?? 0) + count
  side.kinds = sums
}

function addCounted(into: Merged, side: Side, row: Counted): void {
  side.n += row.n
  side.failed += row.failed
  if (row.thresholds > into.thresholdsVersion) {
    // Newer limits: what was counted against older ones in this bucket is left aside everywhere.
    into.thresholdsVersion = row.thresholds
    for (const counted of sidesOf(into)) {
      counted.timed = 0
      counted.over = []
    }
  }
  if (row.thresholds !== into.thresholdsVersion) return
  const over = JSON.parse(row.over) as number[]
  side.timed += row.timed
  side.over = Array.from(
    { length: Math.max(over.length, side.over.length) },
    (_, i) => (side.over[i] ?? 0) + (over[i] ?? 0),
  )
}

function sidesOf({ canary, stable, forced, slices }: Merged): Side[] {
  const sliced = Object.values(slices).flatMap((values) => Object.values(values).flatMap((s) => [s.canary, s.stable]))
  return [canary, stable, forced, ...sliced]
}

function addConversionRow(into: Merged, row: ConversionRow): void {
  const arm = into[armOf(row.variant)]
  const before = arm.conversions[row.metric] ?? { atRisk: 0, converted: 0 }
  arm.conversions = {
    ...arm.conversions,
    [row.metric]: { atRisk: before.atRisk + row.atRisk, converted: before.converted + row.converted },
  }
}

function addSliceRow(into: Merged, row: SliceRow): void {
  let values = into.slices[row.attribute]
  if (values === undefined) {
    values = {}
    into.slices[row.attribute] = values
  }
  let slice = values[row.value]
  if (slice === undefined) {
    slice = { canary: noRequests(), stable: noRequests() }
    values[row.value] = slice
  }
  addCounted(into, slice[armOf(row.variant)], row)
}

function addObservationRow(into: Merged, { metric, arm, sum, count }: ObservationRow): void {
  const none = { sum: 0, count: 0 }
  const found = into.external[metric] ?? { canary: none, stable: none }
  into.external[metric] = { ...found, [arm]: { sum, count } }
}

function toTick({ forced, slices, external, ...tick }: Merged): Tick {
  return {
    ...tick,
    forcedCanary: forced,
    ...(Object.keys(slices).length === 0 ? {} : { slices }),
    ...(Object.keys(external).length === 0 ? {} : { external }),
  }
}
