import type { Judgement } from '../analysis/index.ts'
import {
  comparedMetrics,
  type Effect,
  type EventContext,
  progressOf,
  type RolloutState,
  type Transition,
} from '../rollout/index.ts'
import type { HistoryEntry, RolloutRecord, Stores } from '../storage/ports.ts'

/** What every change of a rollout leaves behind, besides the rollout itself. */
export interface Change {
  readonly event: string
  readonly context: EventContext
  readonly transition: Extract<Transition, { ok: true; summary: string }>
  readonly judgement?: Judgement
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
  const entry: HistoryEntry = {
    id: newId(),
    rolloutId: record.id,
    at: context.now,
    actor: context.actor,
    event: change.event,
    summary: transition.summary,
    ...(context.reason === undefined ? {} : { reason: context.reason }),
    from: place(record.state, record),
    to: place(next.state, next),
    ...(change.judgement === undefined ? {} : { judgement: change.judgement }),
  }
  await stores.history.append(entry)
  await stores.audit.append({
    id: newId(),
    environment: record.environment,
    at: context.now,
    actor: context.actor,
    action: change.event,
    target: `rollout:${record.key}`,
    ...(context.reason === undefined ? {} : { reason: context.reason }),
    before: {
      version: record.version,
      ...entry.from,
      ...(change.definition === undefined ? {} : { definition: record.definition }),
    },
    after: {
      version: next.version,
      ...entry.to,
      ...(change.definition === undefined ? {} : { definition: next.definition }),
    },
  })
  await emit(stores, record.environment, record.key, transition.effects, context.now, newId)
  return next
}

function place(state: RolloutState, { definition }: RolloutRecord): HistoryEntry['from'] {
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

/** The definition with the environment's metrics that it names, as the judge needs it. */
export async function judgedDefinition(
  stores: Stores,
  { environment, definition }: RolloutRecord,
): Promise<RolloutRecord['definition']> {
  const shared = (await stores.metrics.list(environment)).map((record) => record.definition)
  return { ...definition, metrics: comparedMetrics(definition, shared) }
}
