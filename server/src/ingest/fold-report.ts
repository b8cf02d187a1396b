import type { OutcomeCell, Report } from '@pipit/shared/protocol'
import type { Stores } from '../storage/ports.ts'
import type { IngestIndex, IngestRollout } from './rollout-index.ts'

/** An event waits for its exposure this long: the process that decided reports on its own schedule. */
const pendingMs = 120_000
/** An event told to be older than this counts as this old. */
const oldestEventMs = 90 * 86_400_000

export type Tally = { [counter: string]: number }

interface Folding {
  readonly stores: Stores
  readonly environment: string
  readonly index: IngestIndex
  readonly now: number
  readonly tally: Tally
}

/**
 * Adds a report to the evidence. What refers to nothing that is known (a rollout that was deleted, a variant that is no more, an
 * epoch still to come) is counted and left out; the rest of the report stands.
 */
export async function foldReport(
  stores: Stores,
  environment: string,
  index: IngestIndex,
  report: Report,
  now: number,
  tally: Tally,
): Promise<void> {
  const folding: Folding = { stores, environment, index, now, tally }
  add(tally, 'reports')
  for (const cell of report.outcomes ?? []) await foldOutcomes(folding, cell)
  for (const cell of report.exposures ?? []) await foldExposures(folding, cell)
  for (const event of report.events ?? []) await foldEvent(folding, event)
  for (const [kind, count] of Object.entries(report.dropped ?? {})) add(tally, `sdk_dropped_${kind}`, count)
}

function add(tally: Tally, counter: string, count = 1): void {
  tally[counter] = (tally[counter] ?? 0) + count
}

const tickOf = (now: number, rollout: IngestRollout): number => Math.floor(now / rollout.tickMs)

/** The rollout that a cell is about, where its epoch and variant can be. */
function target(
  { index, tally }: Folding,
  cell: { readonly rollout: string; readonly epoch: number; readonly variant: string },
): IngestRollout | undefined {
  const rollout = index.rollouts.get(cell.rollout)
  if (rollout === undefined) add(tally, 'unknown_rollout')
  else if (!rollout.variants.has(cell.variant)) add(tally, 'unknown_variant')
  else if (cell.epoch > rollout.epoch || cell.epoch < 1) add(tally, 'unknown_epoch')
  else {
    if (cell.epoch < rollout.epoch) add(tally, 'late_cells')
    return rollout
  }
  return undefined
}

async function foldOutcomes(folding: Folding, cell: NonNullable<Report['outcomes']>[number]): Promise<void> {
  const { stores, now, tally } = folding
  const rollout = target(folding, cell)
  if (rollout === undefined) return
  if (cell.thresholds > rollout.thresholdsVersion) return add(tally, 'unknown_thresholds')
  const isOfOtherLimits = cell.thresholds === rollout.thresholdsVersion && cell.columns !== 4 + rollout.limits
  if (isOfOtherLimits) add(tally, 'unknown_thresholds')
  const counted = isOfOtherLimits ? withoutLimits(cell) : cell
  await stores.evidence.addOutcomes({
    rolloutId: rollout.id,
    epoch: cell.epoch,
    tick: tickOf(now, rollout),
    variant: cell.variant,
    stratum: cell.stratum,
    thresholdsVersion: counted.thresholds,
    columns: counted.columns,
    rows: counted.buckets,
    ...(cell.latency === undefined ? {} : { latency: cell.latency }),
  })
  let outcomes = 0
  for (let i = 1; i < cell.buckets.length; i += cell.columns) outcomes += cell.buckets[i] as number
  add(tally, 'outcomes', outcomes)
}

/** Requests and failures only: the exceedances are not of the limits they are said to be of. */
function withoutLimits({ buckets, columns }: OutcomeCell): Pick<OutcomeCell, 'thresholds' | 'columns' | 'buckets'> {
  return { thresholds: 0, columns: 4, buckets: buckets.filter((_, i) => i % columns < 4) }
}

async function foldExposures(folding: Folding, cell: NonNullable<Report['exposures']>[number]): Promise<void> {
  const { stores, environment, now, tally } = folding
  const rollout = target(folding, cell)
  if (rollout === undefined) return
  const metrics = rollout.metrics.map((metric) => metric.key)
  const { evidence } = stores
  const waiting = await evidence.hasPending(environment)
  for (const unit of cell.units) {
    const { epoch, variant, stratum } = cell
    const result = await evidence.expose(
      {
        rolloutId: rollout.id,
        runEpoch: rollout.runEpoch,
        epoch,
        tick: tickOf(now, rollout),
        unit,
        variant,
        stratum,
        at: now,
      },
      metrics,
    )
    add(tally, result === 'conflict' ? 'exposure_conflicts' : result === 'first' ? 'exposures' : 'exposures_repeated')
    if (result !== 'first' || !waiting) continue
    for (const event of await evidence.takePending(environment, unit)) {
      if (event.expiresAt > now) await convert(folding, event.event, unit, event.at, event.expiresAt)
      else add(tally, 'events_expired')
    }
  }
}

async function foldEvent(folding: Folding, item: NonNullable<Report['events']>[number]): Promise<void> {
  const { stores, environment, index, now, tally } = folding
  // Nothing is kept of what nobody counts, its id neither.
  if (!index.byEvent.has(item.event)) return add(tally, 'events_unused')
  if (item.id !== undefined && !(await stores.evidence.claimEvent(environment, item.id, now)))
    return add(tally, 'events_repeated')
  add(tally, 'events')
  await convert(folding, item.event, item.unit, now - Math.round(Math.min(item.ageMs, oldestEventMs)), now + pendingMs)
}

/** Counts an event for every metric that is about it; where its unit was not exposed yet, it waits. */
async function convert(
  { stores, environment, index, now, tally }: Folding,
  event: string,
  unit: string,
  at: number,
  expiresAt: number,
): Promise<void> {
  let waits = false
  for (const { rollout, metric } of index.byEvent.get(event) ?? []) {
    const result = await stores.evidence.convert({
      rolloutId: rollout.id,
      runEpoch: rollout.runEpoch,
      metric: metric.key,
      unit,
      tick: tickOf(now, rollout),
      at,
      windowMs: metric.windowMs,
    })
    add(tally, `conversions_${result.replaceAll('-', '_')}`)
    if (result === 'not-exposed' && rollout.isOpen) waits = true
  }
  if (!waits || expiresAt <= now) return
  const kept = await stores.evidence.addPending({ environment, event, unit, at, expiresAt })
  if (!kept) add(tally, 'events_pending_full')
}
