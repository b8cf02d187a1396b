import type { StageView } from '../analysis/judgement.ts'
import type { RolloutDefinition } from './definition.ts'
import type { Progress, RolloutState } from './state.ts'

/** Where a started rollout stands; undefined before the start. */
export function progressOf(state: RolloutState): Progress | undefined {
  return 'progress' in state ? state.progress : undefined
}

/** The stage as the judge is asked about it; undefined where nobody is being decided on. */
export function stageView(definition: RolloutDefinition, state: RolloutState, now: number): StageView | undefined {
  if (state.phase !== 'running' && state.phase !== 'paused' && state.phase !== 'awaiting-approval') return undefined
  const { progress } = state
  const stage = definition.stages[progress.stage]
  const sincePause = state.phase === 'paused' ? Math.max(0, now - state.pausedAt) : 0
  return {
    epoch: progress.epoch,
    index: progress.stage,
    weight: progress.weight,
    elapsedMs: Math.max(0, now - progress.stageStartedAt - progress.pausedMs - sincePause),
    approvalMissing: stage?.approval === true && progress.approvedBy === undefined,
  }
}

/** When the state itself needs attention, apart from new evidence: a schedule, the end of a hold or of the longest hold. */
export function nextWake(definition: RolloutDefinition, state: RolloutState, now: number): number | undefined {
  if (state.phase === 'scheduled') return state.startAt
  if (state.phase !== 'running') return undefined
  const { progress } = state
  const stage = definition.stages[progress.stage]
  if (stage === undefined) return undefined
  const begin = progress.stageStartedAt + progress.pausedMs
  const moments = [begin + stage.holdMs, begin + stage.maxHoldMs / 2, begin + stage.maxHoldMs].filter(
    (moment) => moment > now,
  )
  return moments.length === 0 ? undefined : Math.min(...moments)
}
