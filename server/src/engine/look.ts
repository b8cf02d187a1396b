import { decodeSketch } from '@pipit/shared/sketch'
import {
  foldTick,
  type Judgement,
  type JudgeState,
  judge,
  judgeVersion,
  proposeThresholds,
  startJudge,
  thresholdsFor,
} from '../analysis/index.ts'
import {
  type EventContext,
  nextWake,
  type Progress,
  type RolloutDefinition,
  type RolloutState,
  stageView,
  type Transition,
  transition,
} from '../rollout/index.ts'
import type { JudgeRecord, RolloutRecord, Stores } from '../storage/ports.ts'
import type { Publisher } from './api.ts'
import { beginsRun } from './commands.ts'
import { emit, judgedDefinition, recordChange } from './record-change.ts'

/** After a tick's end, time for what was in flight to be stored before the tick counts as closed. */
const settleMs = 30

export interface LookParts {
  readonly publisher: Publisher
  readonly newId: (size?: number) => string
}

const engineActor = { kind: 'engine', name: 'pipit' } as const

type Moved = Extract<Transition, { ok: true; summary: string }>

/**
 * One look at one rollout, inside one transaction: folds the ticks that have closed, fixes latency limits where they are wanted, judges,
 * lets the machine move, and stores all of it together. Works from what is stored alone, so that it may be repeated or cut off anywhere.
 */
export async function look(stores: Stores, id: string, now: number, parts: LookParts): Promise<void> {
  const record = await stores.rollouts.getById(id)
  if (record === undefined) return
  const context: EventContext = { now, actor: engineActor }
  const ticked = transition(record.definition, record.state, { type: 'clock' }, context)
  if (ticked.ok && !('unchanged' in ticked)) {
    await store(stores, record, ticked, 'clock', context, parts)
    return
  }
  if (stageView(record.definition, record.state, now) === undefined) {
    await stores.rollouts.setWake(record.id, nextWake(record.definition, record.state, now))
    return
  }
  await lookAtRun(stores, record, context, parts)
}

async function lookAtRun(
  stores: Stores,
  record: RolloutRecord,
  context: EventContext,
  parts: LookParts,
): Promise<void> {
  const definition = await judgedDefinition(stores, record)
  const limits = await limitsFor(stores, record, definition, context)
  if (limits !== undefined) {
    await store(stores, record, limits, 'thresholds-fixed', context, parts)
    return
  }
  const known = await stores.judge.get(record.id)
  const folded = await fold(stores, record, definition, known, context.now)
  const judgement = await judgeNow(stores, record, definition, folded.state, context.now, parts)
  const quiet =
    folded.ticks === 0 && known?.judgement?.label === judgement.label && known.judgement.sentence === judgement.sentence
  if (!quiet)
    await stores.judge.put({ rolloutId: record.id, state: judgement.state, foldedTick: folded.through, judgement })
  await tellAlerts(stores, record, known?.judgement, judgement, context.now, parts)
  const event = { type: 'judged', label: judgement.label, sentence: judgement.sentence } as const
  const moved = transition(record.definition, record.state, event, context)
  if (!moved.ok) throw new Error(`verdict ${judgement.label} on ${record.key}: ${moved.message}`)
  if ('unchanged' in moved) {
    await stores.rollouts.setWake(record.id, nextLook(record.definition, record.state, context.now))
    return
  }
  const withLimits = await enterWithLimits(stores, record, definition, moved, context)
  await store(stores, record, withLimits, 'judged', context, parts, judgement)
}

async function store(
  stores: Stores,
  record: RolloutRecord,
  moved: Moved,
  event: string,
  context: EventContext,
  parts: LookParts,
  judgement?: Judgement,
): Promise<void> {
  const change = {
    event,
    context,
    transition: moved,
    ...(judgement === undefined ? {} : { judgement }),
    newRun: beginsRun(record.state, moved.state),
    wakeAt: nextLook(record.definition, moved.state, context.now),
  }
  await recordChange(stores, record, change, parts.newId)
}

interface Folded {
  readonly state: JudgeState
  readonly through: number
  readonly ticks: number
}

async function fold(
  stores: Stores,
  record: RolloutRecord,
  definition: RolloutDefinition,
  known: JudgeRecord | undefined,
  now: number,
): Promise<Folded> {
  const progress = progressIn(record.state)
  const through = Math.floor((now - settleMs) / definition.analysis.tickMs) - 1
  // A judge of another version reads the run's evidence again from its beginning.
  const usable = known?.state.judge === judgeVersion ? known : undefined
  const after = usable?.foldedTick ?? -1
  // After the wall clock was set back there is nothing new until it has caught up.
  if (through <= after) return { state: usable?.state ?? startJudge(definition), through: after, ticks: 0 }
  const ticks = await stores.evidence.ticks(record.id, { fromEpoch: record.runEpoch, after, through })
  let state = usable?.state ?? startJudge(definition)
  for (const tick of ticks)
    state = foldTick(definition, state, tick.epoch === progress.epoch ? { ...tick, stage: progress.stage } : tick)
  return { state, through, ticks: ticks.length }
}

async function judgeNow(
  stores: Stores,
  record: RolloutRecord,
  definition: RolloutDefinition,
  state: JudgeState,
  now: number,
  { publisher }: LookParts,
): Promise<Judgement> {
  const stage = stageView(definition, record.state, now)
  if (stage === undefined) throw new Error(`rollout ${record.key} is not deciding`)
  const { dismissed } = progressIn(record.state)
  return judge({
    definition,
    state,
    stage,
    buckets: await stores.evidence.buckets(record.id, record.runEpoch),
    dismissed: Object.keys(dismissed).filter((metric) => (dismissed[metric]?.until ?? 0) > now),
    breakers: publisher.breakers(record.environment, record.key),
    now,
  })
}

function progressIn(state: RolloutState): Progress {
  if (!('progress' in state) || state.progress === undefined)
    throw new Error(`a ${state.phase} rollout has no progress`)
  return state.progress
}

/** Limits for the latency guards where the run has none yet, or where its guards have changed. */
async function limitsFor(
  stores: Stores,
  record: RolloutRecord,
  definition: RolloutDefinition,
  context: EventContext,
): Promise<Moved | undefined> {
  const { thresholds, epoch } = progressIn(record.state)
  if (thresholdsFor(definition).length === thresholds.ms.length) return undefined
  return fixLimits(record.definition, record.state, await propose(stores, record.id, epoch, definition), context)
}

async function propose(
  stores: Stores,
  id: string,
  epoch: number,
  definition: RolloutDefinition,
): Promise<number[] | undefined> {
  if (thresholdsFor(definition).length === 0) return []
  const text = await stores.evidence.latency(id, epoch, 'stable')
  const sketch = text === undefined ? undefined : decodeSketch(text)
  return sketch === undefined ? undefined : proposeThresholds(definition, sketch)
}

function fixLimits(
  definition: RolloutDefinition,
  state: RolloutState,
  ms: readonly number[] | undefined,
  context: EventContext,
): Moved | undefined {
  if (ms === undefined) return undefined
  const moved = transition(definition, state, { type: 'thresholds-fixed', ms }, context)
  return moved.ok && !('unchanged' in moved) ? moved : undefined
}

/** A new stage begins with limits from the one before it, in the same change: its first outcome is counted against them. */
async function enterWithLimits(
  stores: Stores,
  record: RolloutRecord,
  definition: RolloutDefinition,
  moved: Moved,
  context: EventContext,
): Promise<Moved> {
  const before = progressIn(record.state)
  if (moved.state.phase !== 'running' || moved.state.progress.epoch === before.epoch) return moved
  const fixed = fixLimits(
    record.definition,
    moved.state,
    await propose(stores, record.id, before.epoch, definition),
    context,
  )
  return fixed === undefined ? moved : { ...moved, state: fixed.state }
}

/** Guards that only alert tell people once when they begin to fire. */
async function tellAlerts(
  stores: Stores,
  record: RolloutRecord,
  before: Judgement | undefined,
  now: Judgement,
  at: number,
  parts: LookParts,
): Promise<void> {
  for (const metric of now.alerts) {
    if (before?.alerts.includes(metric)) continue
    const found = now.metrics.find((entry) => entry.metric === metric)
    const sentence = `Alert for ${record.key}: ${found?.sentence ?? metric}`
    await emit(
      stores,
      record.environment,
      record.key,
      [{ type: 'notify', level: 'warning', sentence }],
      at,
      parts.newId,
    )
  }
}

/** Shortly after the next tick boundary while people are being decided on, or when the state itself asks for it. */
export function nextLook(definition: RolloutDefinition, state: RolloutState, now: number): number | undefined {
  const own = nextWake(definition, state, now)
  if (stageView(definition, state, now) === undefined) return own
  const { tickMs } = definition.analysis
  const boundary = (Math.floor((now - settleMs) / tickMs) + 1) * tickMs + settleMs
  return own === undefined ? boundary : Math.min(own, boundary)
}
