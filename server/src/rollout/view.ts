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

/**
 * When the state itself needs attention, apart from new evidence: a schedule, the end of a dismissal, of a hold, of half the longest hold
 * (the first final look of STATISTICS 5.2) or of all of it. A schedule that is over is due at once.
 */
export function nextWake(definition: RolloutDefinition, state: RolloutState, now: number): number | undefined {
  if (state.phase === 'scheduled') return state.startAt
  if (state.phase !== 'running' && state.phase !== 'paused' && state.phase !== 'awaiting-approval') return undefined
  const moments = [
    ...dismissalEnds(state.progress),
    ...(state.phase === 'running' ? stageMoments(definition, state.progress) : []),
  ]
  const coming = moments.filter((moment) => moment > now)
  return coming.length === 0 ? undefined : Math.min(...coming)
}

const dismissalEnds = (progress: Progress): number[] => Object.values(progress.dismissed).map(({ until }) => until)

function stageMoments(definition: RolloutDefinition, progress: Progress): number[] {
  const stage = definition.stages[progress.stage]
  if (stage === undefined) return []
  const begin = progress.stageStartedAt + progress.pausedMs
  return [begin + stage.holdMs, begin + Math.ceil(stage.maxHoldMs / 2), begin + stage.maxHoldMs]
}
