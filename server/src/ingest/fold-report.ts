import type { OutcomeCell, Report } from '@pipit/shared/protocol'
import type { PendingEvent, SliceSums, Stores, ValueResult } from '../storage/ports.ts'
import type { ReportingInstance } from './api.ts'
import type { IngestIndex, IngestRollout, ValueUse } from './rollout-index.ts'

/** An event waits for its exposure this long: the process that decided reports on its own schedule. */
const pendingMs = 120_000
/** An event told to be older than this counts as this old. */
const oldestEventMs = 90 * 86_400_000

export type Tally = { [counter: string]: number }

export interface Folding {
  readonly stores: Stores
  readonly environment: string
  readonly instance: ReportingInstance
  readonly index: IngestIndex
  readonly now: number
  readonly tally: Tally
}

/**
 * Adds a report to the evidence. What refers to nothing that is known (a rollout that was deleted, a variant that is no more, an
 * epoch still to come) is counted and left out; the rest of the report stands.
 */
export async function foldReport(folding: Folding, report: Report): Promise<void> {
  const { tally } = folding
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
  const slices = slicesOf(folding.instance, rollout, counted)
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
    ...(cell.kinds === undefined ? {} : { kinds: cell.kinds }),
    ...(slices === undefined ? {} : { slices }),
  })
  let outcomes = 0
  for (let i = 1; i < cell.buckets.length; i += cell.columns) outcomes += cell.buckets[i] as number
  add(tally, 'outcomes', outcomes)
}

/** Requests and failures only: the exceedances are not of the limits they are said to be of. */
function withoutLimits(cell: OutcomeCell): OutcomeCell {
  const { slices: _, ...rest } = cell
  return { ...rest, thresholds: 0, columns: 4, buckets: cell.buckets.filter((_number, i) => i % cell.columns < 4) }
}

/**
 * Sums by slice: as the SDK tells them where users have the attribute; where they have none, all of the cell is of the instance's label of
 * that name, or of its SDK.
 */
function slicesOf(instance: ReportingInstance, rollout: IngestRollout, cell: OutcomeCell): SliceSums | undefined {
  if (rollout.slices.length === 0 || cell.stratum !== 'split') return undefined
  const found: { [attribute: string]: { readonly [value: string]: readonly number[] } } = {}
  let whole: readonly number[] | undefined
  for (const attribute of rollout.slices) {
    const told = cell.slices?.[attribute]
    const label = labelOf(instance, attribute)
    if (told !== undefined) found[attribute] = told
    else if (label !== undefined) {
      whole ??= sumsOf(cell)
      found[attribute] = { [label]: whole }
    }
  }
  return found
}

const labelOf = ({ sdk, labels }: ReportingInstance, attribute: string): string | undefined =>
  attribute === 'sdk' ? sdk : labels?.[attribute]

/** Sums over the buckets of a cell: n, failed, timed, over… */
function sumsOf({ buckets, columns }: OutcomeCell): number[] {
  const sums = new Array<number>(columns - 1).fill(0)
  for (let i = 0; i < buckets.length; i++) {
    const column = i % columns
    if (column > 0) sums[column - 1] = (sums[column - 1] as number) + (buckets[i] as number)
  }
  return sums
}

/** What a unit's exposure is counted under besides its arm. */
function sliceOf(
  instance: ReportingInstance,
  rollout: IngestRollout,
  told: NonNullable<Report['exposures']>[number]['slice'],
): { readonly [attribute: string]: string } {
  const slice: { [attribute: string]: string } = { instance: instance.group ?? instance.id }
  if (instance.sdk !== undefined) slice.sdk = instance.sdk
  for (const attribute of rollout.slices) {
    const value = told?.[attribute] ?? labelOf(instance, attribute)
    if (value !== undefined) slice[attribute] = value
  }
  return slice
}

async function foldExposures(folding: Folding, cell: NonNullable<Report['exposures']>[number]): Promise<void> {
  const { stores, environment, now, tally } = folding
  const rollout = target(folding, cell)
  if (rollout === undefined) return
  const metrics = { ...rollout.counted, slice: sliceOf(folding.instance, rollout, cell.slice) }
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
      if (event.expiresAt > now) await useEvent(folding, event)
      else add(tally, 'events_expired')
    }
  }
}

/** An id is one among the events of its name: a purchase and its refund may both have the order's. */
export const eventKey = (event: string, id: string): string => `${event.length} ${event} ${id}`

async function foldEvent(folding: Folding, item: NonNullable<Report['events']>[number]): Promise<void> {
  const { stores, environment, index, now, tally } = folding
  // Nothing is kept of what nobody counts, its id neither.
  if (!index.byEvent.has(item.event)) return add(tally, 'events_unused')
  if (item.id !== undefined && !(await stores.evidence.claimEvent(environment, eventKey(item.event, item.id), now)))
    return add(tally, 'events_repeated')
  add(tally, 'events')
  const { event, unit, value } = item
  const at = now - Math.round(Math.min(item.ageMs, oldestEventMs))
  await useEvent(folding, {
    environment,
    event,
    unit,
    at,
    expiresAt: now + pendingMs,
    ...(value === undefined ? {} : { value }),
  })
}

/** Counts an event for every metric that is about it; where its unit was not exposed yet, it waits. */
async function useEvent(folding: Folding, event: PendingEvent): Promise<void> {
  const { stores, index, now, tally } = folding
  const uses = index.byEvent.get(event.event)
  if (uses === undefined) return
  let waits = false
  for (const { rollout, metric } of uses.conversions) {
    const { unit, at } = event
    const tick = tickOf(now, rollout)
    const place = { rolloutId: rollout.id, runEpoch: rollout.runEpoch, metric: metric.key, windowMs: metric.windowMs }
    const result = await stores.evidence.convert({ ...place, unit, at, tick })
    add(tally, `conversions_${result.replaceAll('-', '_')}`)
    if (result === 'not-exposed' && rollout.isOpen) waits = true
  }
  for (const use of uses.values) {
    const result = await addValue(folding, use, event)
    if (result === 'not-exposed' && use.rollout.isOpen) waits = true
  }
  if (!waits || event.expiresAt <= now) return
  if (!(await stores.evidence.addPending(event))) add(tally, 'events_pending_full')
}

/** An event without a value says nothing to a sum of values; to a count it does. */
async function addValue(
  { stores, tally }: Folding,
  { rollout, metric, y, d }: ValueUse,
  { unit, at, value }: PendingEvent,
): Promise<ValueResult | undefined> {
  if (value === undefined && (y === 'value' || d === 'value')) {
    add(tally, 'values_missing')
    return undefined
  }
  const amount = (of: typeof y): number => (of === undefined ? 0 : of === 'count' ? 1 : (value ?? 0))
  const result = await stores.evidence.addValue({
    ...{ rolloutId: rollout.id, runEpoch: rollout.runEpoch, metric: metric.key, windowMs: metric.windowMs },
    ...{ unit, at, y: amount(y), d: amount(d) },
    ...(metric.cap === undefined ? {} : { cap: metric.cap }),
  })
  add(tally, `values_${result.replaceAll('-', '_')}`)
  return result
}
