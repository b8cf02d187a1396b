import { decodeSketch, LatencySketch } from '@pipit/shared/sketch'
import { proposeThresholds, thresholdsFor } from '../analysis/index.ts'
import {
  type EventContext,
  progressOf,
  type RolloutDefinition,
  type RolloutState,
  transition,
} from '../rollout/index.ts'
import type { RolloutRecord, Stores } from '../storage/ports.ts'
import type { Moved } from './record-change.ts'

/**
 * Limits that SDKs count latencies against: those in milliseconds at once, and the others where the rollout has none yet or compares other latencies than before. They come from what
 * stable showed in this run so far, and hold only for what is counted from now on (STATISTICS 4.4).
 */
export async function limitsWanted(
  stores: Stores,
  record: RolloutRecord,
  context: EventContext,
): Promise<Moved | undefined> {
  const progress = progressOf(record.state)
  const wanted = thresholdsFor(record.definition).length
  if (progress === undefined || wanted === progress.thresholds.ms.length) return undefined
  if (wanted === 0) return fix(record.definition, record.state, [], context)
  const epochs = Array.from({ length: progress.epoch - record.runEpoch + 1 }, (_, i) => record.runEpoch + i)
  return fix(record.definition, record.state, await propose(stores, record, epochs), context)
}

/** A new stage begins with limits from the one before it, in the same change: its first outcome is counted against them. */
export async function withFreshLimits(
  stores: Stores,
  record: RolloutRecord,
  moved: Moved,
  context: EventContext,
): Promise<Moved> {
  const before = progressOf(record.state)
  if (before === undefined || moved.state.phase !== 'running' || moved.state.progress.stage === before.stage)
    return moved
  const proposed = await propose(stores, record, [before.epoch])
  // A short stage may not have shown enough: then the limits it had are better than none.
  if (proposed !== undefined && proposed.length < before.thresholds.ms.length) return moved
  const fixed = fix(record.definition, moved.state, proposed, context)
  return fixed === undefined ? moved : { ...moved, state: fixed.state }
}

async function propose(
  stores: Stores,
  { id, definition }: RolloutRecord,
  epochs: readonly number[],
): Promise<number[] | undefined> {
  const sketch = new LatencySketch()
  for (const epoch of epochs) {
    const text = await stores.evidence.latency(id, epoch, 'stable')
    const part = text === undefined ? undefined : decodeSketch(text)
    if (part !== undefined) sketch.merge(part)
  }
  return proposeThresholds(definition, sketch)
}

function fix(
  definition: RolloutDefinition,
  state: RolloutState,
  ms: readonly number[] | undefined,
  context: EventContext,
): Moved | undefined {
  if (ms === undefined) return undefined
  const moved = transition(definition, state, { type: 'thresholds-fixed', ms }, context)
  return moved.ok && !('unchanged' in moved) ? moved : undefined
}
