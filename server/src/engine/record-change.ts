import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '@pipit/shared/clock'
import type { Judgement } from '../analysis/index.ts'
import { type DecisionEvidence, encodeEvidence } from '../replay/index.ts'
import { comparedMetrics, type Effect, type EventContext, progressOf, type Transition } from '../rollout/index.ts'
import type { HistoryEntry, RolloutRecord, Stores } from '../storage/ports.ts'
import type { ByWhom } from './api.ts'

/** A transition that changed something. */
export type Moved = Extract<Transition, { ok: true; summary: string }>

/** A judgement with exactly what the judge was given. */
export interface Decided extends DecisionEvidence {
  readonly judgement: Judgement
}

/** What every change of a rollout leaves behind, besides the rollout itself. */
export interface Change {
  readonly event: string
  readonly context: EventContext
  readonly transition: Moved
  /** For automatic decisions: the judgement and all that it rests on. */
  readonly decided?: Decided
  /** For people's changes: what the audit log shows of before and after, beyond the state. */
  readonly definition?: RolloutRecord['definition']
  /** A new run begins: its evidence starts at the new epoch. */
  readonly newRun?: boolean
  readonly wakeAt: number | undefined
}

type NewId = (size?: number) => string

/** Writes a transition: the rollout (version + 1), history, audit, outbox and the ruleset's version, all in the caller's transaction. */
export async function recordChange(
  stores: Stores,
  record: RolloutRecord,
  change: Change,
  newId: NewId,
): Promise<RolloutRecord> {
  const { context, transition } = change
  const { wakeAt: _old, ...kept } = record
  const next: RolloutRecord = {
    ...kept,
    definition: change.definition ?? record.definition,
    state: transition.state,
    version: record.version + 1,
    runEpoch: change.newRun ? (progressOf(transition.state)?.epoch ?? record.runEpoch) : record.runEpoch,
    updatedAt: context.now,
    ...(change.wakeAt === undefined ? {} : { wakeAt: change.wakeAt }),
  }
  const written = await stores.rollouts.update(next, record.version)
  if (!written) throw new Error(`rollout ${record.key} changed within a transaction`)
  if (change.newRun) await stores.judge.delete(record.id)
  const told = { ...change, summary: transition.summary }
  const entry = await addHistory(stores, record, next, told, newId)
  const { before, after } = difference(record, next, entry)
  const images =
    change.definition === undefined
      ? { before, after }
      : {
          before: { ...before, definition: record.definition },
          after: { ...after, definition: next.definition },
        }
  await appendAudit(stores, newId, context, record.environment, change.event, `rollout:${record.key}`, images)
  await emit(stores, record.environment, record.key, transition.effects, context.now, newId)
  return next
}

type Images = { readonly before?: unknown; readonly after?: unknown }

/** Adds an audit row. */
export async function appendAudit(
  stores: Stores,
  newId: NewId,
  { now, actor, reason }: EventContext,
  environment: string | undefined,
  action: string,
  target: string,
  images: Images,
): Promise<void> {
  await stores.audit.append({
    id: newId(),
    ...(environment === undefined ? {} : { environment }),
    at: now,
    actor,
    action,
    target,
    ...(reason === undefined ? {} : { reason }),
    ...images,
  })
}

/** Audit rows of what people do now. */
export function auditor({ clock, newId }: { readonly clock: Clock; readonly newId: NewId }) {
  return (
    stores: Stores,
    environment: string | undefined,
    action: string,
    target: string,
    by: ByWhom,
    images: Images,
  ): Promise<void> => appendAudit(stores, newId, { ...by, now: clock.now() }, environment, action, target, images)
}

/** What a change was of: the place of the rollout, and of its overrides, dismissals and the like those that are not as before. */
function difference(
  before: RolloutRecord,
  after: RolloutRecord,
  { from, to }: HistoryEntry,
): { before: object; after: object } {
  const [was, is] = [detailsOf(before), detailsOf(after)]
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])].filter(
    (name) => !isDeepStrictEqual(was[name], is[name]),
  )
  const only = (details: Details): Details =>
    Object.fromEntries(names.flatMap((name) => (Object.hasOwn(details, name) ? [[name, details[name]]] : [])))
  return {
    before: { version: before.version, ...from, ...only(was) },
    after: { version: after.version, ...to, ...only(is) },
  }
}

type Details = { readonly [name: string]: unknown }

function detailsOf({ state }: RolloutRecord): Details {
  const progress = progressOf(state)
  if (progress === undefined) return state.phase === 'scheduled' ? { startAt: state.startAt } : {}
  const { overrides, dismissed, approvedBy, thresholds, salt } = progress
  return Object.fromEntries([
    ...Object.entries(overrides).map(([unit, variant]) => [`override ${unit}`, variant]),
    ...Object.entries(dismissed).map(([metric, entry]) => [`dismissed ${metric}`, entry]),
    ...(approvedBy === undefined ? [] : [['approvedBy', approvedBy]]),
    ['thresholds', thresholds],
    ['salt', salt],
  ])
}

/** Adds to a rollout's history what happened to it. */
export async function addHistory(
  stores: Stores,
  before: RolloutRecord,
  after: RolloutRecord,
  { event, context, summary, decided }: Pick<Change, 'event' | 'context' | 'decided'> & { readonly summary: string },
  newId: NewId,
): Promise<HistoryEntry> {
  const entry: HistoryEntry = {
    id: newId(),
    rolloutId: before.id,
    at: context.now,
    actor: context.actor,
    event,
    summary,
    ...(context.reason === undefined ? {} : { reason: context.reason }),
    from: place(before),
    to: place(after),
    ...(decided === undefined ? {} : { judgement: decided.judgement }),
  }
  await stores.history.append(entry)
  if (decided !== undefined) {
    await stores.decisions.put({
      ...{ historyId: entry.id, rolloutId: before.id, at: context.now, judge: decided.judgement.judge },
      evidence: encodeEvidence({ input: decided.input, through: decided.through }),
    })
  }
  return entry
}

/** Where a rollout is, as history shows it. */
export function place({ definition, state }: Pick<RolloutRecord, 'definition' | 'state'>): HistoryEntry['from'] {
  const progress = progressOf(state)
  if (progress === undefined) return { phase: state.phase }
  const stage = definition.stages[progress.stage]?.name
  return {
    phase: state.phase,
    ...(stage === undefined ? {} : { stage }),
    weight: progress.weight,
    epoch: progress.epoch,
  }
}

/** Puts effects into the outbox; one that SDKs can notice also moves the ruleset's version. */
export async function emit(
  stores: Stores,
  environment: string,
  rolloutKey: string | undefined,
  effects: readonly Effect[],
  now: number,
  newId: NewId,
): Promise<void> {
  if (effects.some((effect) => effect.type === 'publish')) await stores.environments.bump(environment)
  for (const effect of effects) {
    await stores.outbox.add({
      id: newId(),
      environment,
      ...(rolloutKey === undefined ? {} : { rolloutKey }),
      effect,
      createdAt: now,
      attempts: 0,
      nextAttemptAt: now,
    })
  }
}

/** Publishes a change that is of no one rollout: SDKs hold every cohort, and both they and ingest count by the ruleset's metrics. */
export const publisher =
  ({ clock, newId }: { readonly clock: Clock; readonly newId: NewId }) =>
  (stores: Stores, environment: string): Promise<void> =>
    emit(stores, environment, undefined, [{ type: 'publish' }], clock.now(), newId)

/** The definition with the environment's metrics that it names, as the judge needs it. */
export async function judgedDefinition(
  stores: Stores,
  { environment, definition }: RolloutRecord,
): Promise<RolloutRecord['definition']> {
  const shared = (await stores.metrics.list(environment)).map((record) => record.definition)
  return { ...definition, metrics: comparedMetrics(definition, shared) }
}
