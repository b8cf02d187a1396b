import { type CompiledRollout, type CompiledRuleset, splitVariant, unitOf } from '@pipit/shared/decide'
import { unitHash } from '@pipit/shared/hash'
import {
  type EventItem,
  type ExposureCell,
  type PageUser,
  pageUnit,
  type Report,
  type WireError,
} from '@pipit/shared/protocol'
import type { HubLimits } from '../limits.ts'

export interface PageReportParts {
  readonly compiled: CompiledRuleset
  /** Whom the report is about; undefined where nobody is known. */
  readonly user: PageUser | undefined
  readonly count: (counter: string, by?: number) => void
}

/** What no page has to tell: a report of so many outcomes is not of one user. */
export function pageReportFault({ outcomes = [], seq }: Report, { pageOutcomes }: HubLimits): WireError | undefined {
  let told = 0
  for (const { buckets, columns } of outcomes)
    for (let i = 1; i < buckets.length; i += columns) told += buckets[i] as number
  if (told <= pageOutcomes) return undefined
  const message = `the report tells of ${told} outcomes; a page may tell of ${pageOutcomes} (limit pageOutcomes)`
  return { type: 'error', code: 'limit', message, retry: false, path: 'outcomes', seq }
}

/**
 * A page's report as it may be stored. The page names no units: its user's are put in here, for each rollout what it assigns. What is
 * about rollouts that are not for browsers is left out, and so are exposures and events of nobody; outcomes need no user.
 */
export function fillPageReport(report: Report, parts: PageReportParts): Report {
  const units = createUnits(parts)
  const { outcomes, exposures, events, breakers, ...rest } = report
  const isOurs = ({ rollout }: { readonly rollout: string }): boolean => units.rollout(rollout) !== undefined
  return {
    ...rest,
    ...(outcomes === undefined ? {} : { outcomes: ours(outcomes, isOurs, parts) }),
    ...(exposures === undefined
      ? {}
      : { exposures: ours(exposures, isOurs, parts).flatMap((cell) => exposureOf(cell, units, parts)) }),
    ...(events === undefined ? {} : { events: events.flatMap((event) => eventsOf(event, units, parts)) }),
    ...(breakers === undefined ? {} : { breakers: ours(breakers, isOurs, parts) }),
  }
}

interface Units {
  /** A rollout that is for browsers. */
  rollout(key: string): CompiledRollout | undefined
  /** What a rollout assigns of the user. */
  named(rollout: CompiledRollout): string | undefined
  hash(unit: string): string
  /** The rollouts for browsers that count an event. */
  counting(event: string): readonly CompiledRollout[]
}

function createUnits({ compiled, user }: PageReportParts): Units {
  const salt = compiled.ruleset.unitSalt
  const all = [...compiled.rollouts.values()].filter(({ source }) => source.browser === true)
  return {
    rollout(key) {
      const found = compiled.rollout(key)
      return found?.source.browser === true ? found : undefined
    },
    named: (rollout) => unitOf(rollout, user, {}),
    hash: (unit) => unitHash(salt, unit),
    counting: (event) => all.filter(({ source }) => source.events?.includes(event)),
  }
}

function ours<T>(cells: readonly T[], isOurs: (cell: T) => boolean, { count }: PageReportParts): readonly T[] {
  const kept = cells.filter(isOurs)
  if (kept.length < cells.length) count('page_foreign_cells', cells.length - kept.length)
  return kept
}

function exposureOf(cell: ExposureCell, units: Units, { count }: PageReportParts): readonly ExposureCell[] {
  const rollout = units.rollout(cell.rollout)
  if (rollout === undefined) return []
  if (cell.units.some((unit) => unit !== pageUnit)) {
    count('page_foreign_units')
    return []
  }
  const name = units.named(rollout)
  if (name === undefined) {
    count('page_without_unit')
    return []
  }
  if (isMisplaced(cell, rollout, name)) {
    count('page_wrong_variants')
    return []
  }
  const unit = units.hash(name)
  return isSampled(rollout, unit) ? [{ ...cell, units: [unit] }] : []
}

/** Rollouts may assign different attributes: the event is told once for each unit that the user is to them. */
function eventsOf(event: EventItem, units: Units, { count }: PageReportParts): readonly EventItem[] {
  if (event.unit !== pageUnit) {
    count('page_foreign_units')
    return []
  }
  const counting = units.counting(event.event)
  if (counting.length === 0) {
    count('page_events_unused')
    return []
  }
  // As SDKs tell them: by what is assigned, and of an id that is told for several units each its own, the same in every process.
  const distinct = new Map<string, string>()
  for (const rollout of counting) {
    const unit = units.named(rollout)
    const what = rollout.units === undefined ? '' : String(rollout.source.unit)
    if (unit !== undefined && ![...distinct.values()].includes(unit)) distinct.set(what, unit)
  }
  if (distinct.size === 0) count('page_without_unit')
  const { id } = event
  return [...distinct].map(([what, unit]) => ({
    ...event,
    unit: units.hash(unit),
    ...(id === undefined || what === '' ? {} : { id: unitHash(id, what) }),
  }))
}

/** Whether the split cannot have given the user this arm: the page decided for somebody else, or lies. What was before this epoch is not known. */
function isMisplaced({ stratum, epoch, variant }: ExposureCell, rollout: CompiledRollout, unit: string): boolean {
  return stratum === 'split' && epoch === rollout.epoch && variant !== splitVariant(rollout, unit)
}

/** As SDKs leave out whom a rollout's `unitSample` leaves out: pages do not know of it. */
function isSampled({ source: { unitSample } }: CompiledRollout, hash: string): boolean {
  return unitSample === undefined || Number.parseInt(hash.slice(0, 8), 16) < unitSample * 4_294_967_296
}
