import type { Random } from '@pipit/shared/clock'
import { createOutcomeAggregator, eventByUnit, isEvidence, isSampled, stratumOf } from '@pipit/shared/counting'
import { type CompiledRollout, type CompiledRuleset, sliceOf, splitVariant, unitOf } from '@pipit/shared/decide'
import { unitHash } from '@pipit/shared/hash'
import {
  type EventItem,
  type ExposureCell,
  type OutcomeCell,
  type PageDecision,
  type PageOutcomes,
  type PageUser,
  type PastPageEvent,
  type Report,
  type UnpackedPageReport,
  type WireError,
  wireLimits,
} from '@pipit/shared/protocol'
import type { HubLimits } from '../limits.ts'

/** Of each kind in one report: whoever makes it up must not use the counters up for everybody. */
const mostDropped = 1_000_000

export interface PageReportParts {
  readonly compiled: CompiledRuleset
  /** Whom the report is about, as far as it may claim; undefined where it names nobody. */
  readonly user: PageUser | undefined
  /** Gives outcomes of nobody a bucket. */
  readonly random: Random
  readonly count: (counter: string, by?: number) => void
}

/** What no page has to tell: a report of so much is not of one user. */
export function pageReportFault(report: UnpackedPageReport, { pageOutcomes }: HubLimits): WireError | undefined {
  const { outcomes, exposures, events, seq } = report
  const told = outcomes.reduce((sum, { ms }) => sum + ms.length, 0)
  const bounds = [
    ['outcomes', told, pageOutcomes, 'pageOutcomes'],
    ['outcomes', outcomes.length, wireLimits.pageOutcomeLists, 'pageOutcomeLists'],
    ['exposures', exposures.length, wireLimits.exposureUnits, 'exposureUnits'],
    ['events', events.length, wireLimits.events, 'events'],
  ] as const
  for (const [path, is, most, limit] of bounds) {
    if (is <= most) continue
    const what = limit === 'pageOutcomeLists' ? 'lists of outcomes' : path
    const message = `report ${seq} tells of ${is} ${what}; a page may tell of ${most} at once (limit ${limit})`
    return { type: 'error', code: 'limit', message, retry: false, path: 'items', seq }
  }
  return undefined
}

/**
 * What a page told, added up as an SDK would have: outcomes to cells by the present thresholds, units and slices put in for the page's user, for
 * each rollout what it assigns. What is about rollouts that are not for browsers is left out, and so are exposures and events of nobody; outcomes
 * need no user.
 */
export function foldPageReport(report: UnpackedPageReport, parts: PageReportParts): Report {
  const { seq, outcomes, exposures, events, dropped } = report
  const { cells, lost } = foldOutcomes(outcomes, parts)
  const told = lost === 0 ? dropped : { ...dropped, outcomes: lost + (dropped.outcomes ?? 0) }
  const dropping = Object.fromEntries(Object.entries(told).map(([kind, n]) => [kind, Math.min(n, mostDropped)]))
  const all = {
    outcomes: cells,
    exposures: exposures.flatMap((exposure) => exposureOf(exposure, parts)),
    events: events.flatMap((event) => eventsOf(event, parts)),
  }
  return {
    type: 'report',
    seq,
    ...Object.fromEntries(Object.entries(all).filter(([, list]) => list.length > 0)),
    ...(Object.keys(dropping).length === 0 ? {} : { dropped: dropping }),
  }
}

/** The rollout that something is about, where it is for browsers, says anything about a variant, and can have been decided like this. */
function rolloutOf(decision: PageDecision, parts: PageReportParts): CompiledRollout | undefined {
  if (!isEvidence(decision.reason)) return undefined
  const { compiled, count } = parts
  const found = compiled.rollout(decision.rollout)
  if (found?.source.browser !== true) count('page_foreign_cells')
  else if (!isKnown(decision, found)) count('page_unknown_decisions')
  else return found
  return undefined
}

/** Each epoch, variant and rule that is told of gets memory and rows of its own: a page may not make them up. */
function isKnown(decision: PageDecision, { source }: CompiledRollout): boolean {
  const { epoch, variant } = decision
  if (epoch < 1 || epoch > source.epoch || !source.variants.some(({ name }) => name === variant)) return false
  const stratum = stratumOf(decision)
  return !stratum.startsWith('rule:') || (source.rules ?? []).some(({ name }) => stratum === `rule:${name}`)
}

/** What a rollout assigns of the user. Where requests are dealt out there is no unit. */
function unitFor(rollout: CompiledRollout, { reason }: PageDecision, { user }: PageReportParts): string | undefined {
  return rollout.byRequest && reason === 'split' ? undefined : unitOf(rollout, user, {})
}

interface Folded {
  readonly cells: readonly OutcomeCell[]
  /** Outcomes of more different decisions than anybody makes. */
  readonly lost: number
}

function foldOutcomes(outcomes: readonly PageOutcomes[], parts: PageReportParts): Folded {
  const aggregator = createOutcomeAggregator(parts.random)
  for (const told of outcomes) {
    const rollout = rolloutOf(told, parts)
    if (rollout === undefined) continue
    const unit = unitFor(rollout, told, parts)
    const slice = sliceOf(rollout, parts.user, told.reason)
    const decision = { ...told, unit, ...(slice === undefined ? {} : { slice }) }
    const { ok } = told
    const kind = ok ? undefined : told.kind
    for (const ms of told.ms) aggregator.add(decision, rollout, { ok, latencyMs: ms ?? undefined, kind })
  }
  return { cells: aggregator.take(aggregator.cells), lost: aggregator.takeDropped() }
}

function exposureOf(exposure: PageDecision, parts: PageReportParts): readonly ExposureCell[] {
  const rollout = rolloutOf(exposure, parts)
  if (rollout === undefined) return []
  const name = unitFor(rollout, exposure, parts)
  if (name === undefined) {
    parts.count('page_without_unit')
    return []
  }
  const stratum = stratumOf(exposure)
  if (isMisplaced(exposure, stratum, rollout, name)) {
    parts.count('page_wrong_variants')
    return []
  }
  const unit = unitHash(parts.compiled.ruleset.unitSalt, name)
  const { unitSample } = rollout.source
  if (unitSample !== undefined && !isSampled(unitSample, unit)) return []
  const { rollout: key, epoch, variant, reason } = exposure
  const slice = sliceOf(rollout, parts.user, reason)
  return [{ rollout: key, epoch, variant, stratum, reason, units: [unit], ...(slice === undefined ? {} : { slice }) }]
}

/** Whether the split cannot have given the user this arm: the page decided for somebody else, or lies. What was before this epoch is not known. */
function isMisplaced(
  { epoch, variant }: PageDecision,
  stratum: string,
  rollout: CompiledRollout,
  unit: string,
): boolean {
  return stratum === 'split' && epoch === rollout.epoch && variant !== splitVariant(rollout, unit)
}

function eventsOf(event: PastPageEvent, { compiled, user, count }: PageReportParts): readonly EventItem[] {
  const counting = [...compiled.rollouts.values()].filter(
    ({ source }) => source.browser === true && source.events?.includes(event.event),
  )
  if (counting.length === 0) count('page_events_unused')
  else if (counting.every((rollout) => unitOf(rollout, user, {}) === undefined)) count('page_without_unit')
  return eventByUnit(event, compiled, {
    unitOf: (rollout) => (rollout.source.browser === true ? unitOf(rollout, user, {}) : undefined),
  })
}
