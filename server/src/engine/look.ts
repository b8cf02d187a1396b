import { foldTick, type JudgeInput, type Judgement, judge, judgeVersion, startJudge } from '../analysis/index.ts'
import type { StageView } from '../analysis/judgement.ts'
import {
  type EventContext,
  nextWake,
  progressOf,
  type RolloutDefinition,
  type RolloutEvent,
  stageView,
  transition,
} from '../rollout/index.ts'
import type { JudgeRecord, RolloutRecord, Stores } from '../storage/ports.ts'
import type { Publisher } from './api.ts'
import { beginsRun } from './commands.ts'
import { limitsWanted, withFreshLimits } from './limits.ts'
import { lastClosedTick, nextLook } from './next-look.ts'
import { addHistory, type Decided, emit, judgedDefinition, type Moved, recordChange } from './record-change.ts'

/** Where nothing happens a rollout is judged this often all the same. */
const judgeEveryMs = 60_000

const engineActor = { kind: 'engine', name: 'pipit' } as const

export interface LookParts {
  readonly publisher: Publisher
  readonly newId: (size?: number) => string
}

/** One look: what all its steps need. */
interface Look extends LookParts {
  readonly stores: Stores
  readonly context: EventContext
}

/**
 * One look at one rollout, inside one transaction: what time alone changes, the ticks that have closed, latency limits where they are
 * wanted, the judge, and what the machine makes of the verdict, stored together. Works from what is stored alone, so that it may be
 * repeated, late, cut off anywhere, or done by another engine at the same time.
 *
 * `now` has to be read before the transaction is asked for: transactions run in the order they were asked for, so that every report
 * counted in a closed tick is stored by the time the tick is read.
 */
export async function look(stores: Stores, id: string, now: number, parts: LookParts): Promise<void> {
  const record = await stores.rollouts.getById(id)
  if (record?.wakeAt === undefined || record.wakeAt > now) return
  const taken: Look = { ...parts, stores, context: { now, actor: engineActor } }
  const passed = await follow(taken, record, { type: 'clock' })
  const after = await weigh(taken, passed)
  await stores.rollouts.setWake(id, nextLook(after.definition, after.state, now))
}

/** The rollout after an event of the engine's own. */
async function follow(
  taken: Look,
  record: RolloutRecord,
  event: RolloutEvent,
  decided?: Decided,
): Promise<RolloutRecord> {
  const moved = transition(record.definition, record.state, event, taken.context)
  if (!moved.ok) throw new Error(`${event.type} by the engine: ${moved.message}`)
  if ('unchanged' in moved) return record
  const limited = await withFreshLimits(taken.stores, record, moved, taken.context)
  return await store(taken, record, limited, event.type, decided)
}

async function store(
  { stores, context, newId }: Look,
  record: RolloutRecord,
  moved: Moved,
  event: string,
  decided?: Decided,
): Promise<RolloutRecord> {
  const change = {
    event,
    context,
    transition: moved,
    ...(decided === undefined ? {} : { decided }),
    newRun: beginsRun(event, record.state, moved.state),
    wakeAt: nextLook(record.definition, moved.state, context.now),
  }
  return await recordChange(stores, record, change, newId)
}

/** Takes the evidence in, judges where there is anything to judge, and does what the verdict says. */
async function weigh(taken: Look, before: RolloutRecord): Promise<RolloutRecord> {
  const { stores, context } = taken
  if (stageView(before.definition, before.state, context.now) === undefined) return before
  const limits = await limitsWanted(stores, before, context)
  const record = limits === undefined ? before : await store(taken, before, limits, 'thresholds-fixed')
  const stage = stageView(record.definition, record.state, context.now)
  if (stage === undefined) return record
  const definition = await judgedDefinition(stores, record)
  const known = await memoryOf(stores, record, definition)
  const memory = await fold(taken, record, definition, known, stage)
  if (memory === known && !isDue(taken, record, memory.judgement, stage)) return record
  let input = await judgeInput(taken, record, definition, memory, stage)
  let judgement = judge(input)
  if (judgement.sampleRatio.mismatch) {
    // Whence a mismatch comes is read only when there is one: a thousand instances are a thousand rows.
    input = { ...input, exposedBy: await stores.evidence.exposedBy(record.id, stage.epoch) }
    judgement = judge(input)
  }
  const decided = { judgement, input, through: memory.foldedTick }
  await stores.judge.put({ ...memory, state: judgement.state, judgement })
  await tellAlerts(taken, record, memory.judgement, decided)
  const { label, sentence } = judgement
  return await follow(taken, record, { type: 'judged', label, sentence }, decided)
}

/** What the judge remembers of this run; where another version of it did, the run's evidence is read again from the beginning. */
async function memoryOf(stores: Stores, record: RolloutRecord, definition: RolloutDefinition): Promise<JudgeRecord> {
  const known = await stores.judge.get(record.id)
  if (known?.state.judge === judgeVersion) return known
  return { rolloutId: record.id, state: startJudge(definition), foldedTick: -1 }
}

/** The memory with every tick that closed since; the same memory when there was none. */
async function fold(
  { stores, context }: Look,
  record: RolloutRecord,
  definition: RolloutDefinition,
  known: JudgeRecord,
  stage: StageView,
): Promise<JudgeRecord> {
  const through = lastClosedTick(definition.analysis.tickMs, context.now)
  const after = known.foldedTick
  if (through <= after) return known
  const ticks = await stores.evidence.ticks(record.id, { fromEpoch: record.runEpoch, after, through })
  const newest = ticks.at(-1)
  if (newest === undefined) return known
  let state = known.state
  for (const tick of ticks) {
    state = foldTick(definition, state, tick.epoch === stage.epoch ? { ...tick, stage: stage.index } : tick)
  }
  return { ...known, state, foldedTick: newest.tick }
}

/** Without new evidence the last verdict stands, until time or people change what it rested on. */
function isDue(
  { publisher, context: { now } }: Look,
  record: RolloutRecord,
  last: Judgement | undefined,
  stage: StageView,
): boolean {
  if (last === undefined || last.epoch !== stage.epoch) return true
  if (record.updatedAt >= last.at || now - last.at >= judgeEveryMs) return true
  const due = nextWake(record.definition, record.state, last.at)
  if (due !== undefined && due <= now) return true
  return publisher.breakers(record.environment, record.key).open > 0
}

/** Everything a judgement rests on: stored with each decision, so that it can be taken again. */
async function judgeInput(
  { stores, publisher, context: { now } }: Look,
  record: RolloutRecord,
  definition: RolloutDefinition,
  memory: JudgeRecord,
  stage: StageView,
): Promise<JudgeInput> {
  const dismissed = progressOf(record.state)?.dismissed ?? {}
  return {
    definition,
    state: memory.state,
    stage,
    buckets: await stores.evidence.buckets(record.id, record.runEpoch),
    dismissed: Object.keys(dismissed).filter((metric) => (dismissed[metric]?.until ?? 0) > now),
    breakers: publisher.breakers(record.environment, record.key),
    now,
  }
}

/** Guards and checks that only alert tell people once when they begin to. */
async function tellAlerts(
  { stores, context, newId }: Look,
  record: RolloutRecord,
  before: Judgement | undefined,
  decided: Decided,
): Promise<void> {
  const { judgement } = decided
  for (const name of judgement.alerts) {
    if (before?.alerts.includes(name)) continue
    const found =
      judgement.metrics.find((entry) => entry.metric === name) ?? judgement.checks.find((entry) => entry.check === name)
    const sentence = `Alert for ${record.key}: ${found?.sentence ?? name}`
    await addHistory(stores, record, record, { event: 'alert', context, summary: sentence, decided }, newId)
    const effect = { type: 'notify', level: 'warning', sentence } as const
    await emit(stores, record.environment, record.key, [effect], context.now, newId)
  }
}
