import type { RolloutDefinition } from './definition.ts'
import { complete, dismiss, endDismissals, enterStage, override, restart, revert, setWeight } from './moves.ts'
import { changed, illegal, quietly, unchanged } from './outcome.ts'
import type { EventContext, Progress, RolloutEvent, RolloutState, Transition } from './state.ts'

type In<P extends RolloutState['phase']> = Extract<RolloutState, { phase: P }>

/** What people may do in every phase in which users are being decided on; `undefined` where the phase itself has to say. */
function whileDeciding(
  definition: RolloutDefinition,
  state: In<'running'> | In<'paused'> | In<'awaiting-approval'>,
  event: RolloutEvent,
  context: EventContext,
): Transition | undefined {
  const { progress } = state
  switch (event.type) {
    case 'advance':
      return enterStage(definition, progress, progress.stage + 1, context, 'advanced by hand')
    case 'set-weight':
      return setWeight(state, event.weight, context)
    case 'revert':
      return revert(definition, progress, 'zero', context, context.reason ?? `reverted by ${context.actor.name}`)
    case 'complete':
      return complete(definition, progress, event.winner, context)
    case 'override':
      return override(definition, state, event)
    case 'dismiss':
      return dismiss(definition, state, event, context)
    case 'clock':
      return endDismissals(definition, state, context)
    case 'thresholds-fixed': {
      const { ms } = progress.thresholds
      if (ms.length === event.ms.length && ms.every((limit, i) => limit === event.ms[i])) return unchanged(state)
      const thresholds = { version: progress.thresholds.version + 1, ms: event.ms }
      return changed(
        { ...state, progress: { ...progress, thresholds } },
        `latency limits set to ${event.ms.map((ms) => ms.toFixed(1)).join(', ')} ms`,
      )
    }
    default:
      return undefined
  }
}

export function running(
  definition: RolloutDefinition,
  state: In<'running'>,
  event: RolloutEvent,
  context: EventContext,
): Transition {
  const { progress } = state
  switch (event.type) {
    case 'start':
    case 'resume':
      return unchanged(state)
    case 'pause':
      return pause(progress, context.reason ?? `paused by ${context.actor.name}`, context, false)
    case 'reject':
      return reject(progress, context)
    case 'approve':
      return rememberApproval(definition, state, context)
    case 'judged':
      return obey(definition, state, event, context)
    default:
      return (
        whileDeciding(definition, state, event, context) ??
        illegal(state, event, ['pause', 'advance', 'approve', 'set-weight', 'revert', 'complete'])
      )
  }
}

/** The verdict of the judge on a running rollout. */
function obey(
  definition: RolloutDefinition,
  state: In<'running'>,
  event: Extract<RolloutEvent, { type: 'judged' }>,
  context: EventContext,
): Transition {
  const { progress } = state
  switch (event.label) {
    case 'hold':
      return unchanged(state)
    case 'pause':
      return pause(progress, event.sentence, context, true)
    case 'revert':
      return revert(definition, progress, definition.revertTo, context, event.sentence)
    case 'advance': {
      const stage = definition.stages[progress.stage]
      if (stage?.approval === true && progress.approvedBy === undefined) {
        const sentence = `Stage ${stage.name} of ${definition.key} has shown what it has to and waits for an approval.`
        return changed({ phase: 'awaiting-approval', progress, since: context.now }, sentence, {
          level: 'info',
          sentence,
        })
      }
      return enterStage(definition, progress, progress.stage + 1, context, event.sentence)
    }
  }
}

export function paused(
  definition: RolloutDefinition,
  state: In<'paused'>,
  event: RolloutEvent,
  context: EventContext,
): Transition {
  const { progress } = state
  switch (event.type) {
    case 'pause':
      return unchanged(state)
    case 'reject':
      return progress.approvedBy === undefined
        ? unchanged(state)
        : quietly({ ...state, progress: withoutApproval(progress) }, `approval taken back by ${context.actor.name}`)
    case 'resume': {
      const resumed: Progress = { ...progress, pausedMs: progress.pausedMs + Math.max(0, context.now - state.pausedAt) }
      return changed({ phase: 'running', progress: resumed }, `resumed by ${context.actor.name}`)
    }
    case 'approve':
      return rememberApproval(definition, state, context)
    case 'restart':
      return restart(definition, progress, event, context)
    case 'judged':
      return event.label === 'revert'
        ? revert(definition, progress, definition.revertTo, context, event.sentence)
        : unchanged(state)
    default:
      return (
        whileDeciding(definition, state, event, context) ??
        illegal(state, event, ['resume', 'advance', 'set-weight', 'revert', 'complete', 'restart'])
      )
  }
}

export function awaitingApproval(
  definition: RolloutDefinition,
  state: In<'awaiting-approval'>,
  event: RolloutEvent,
  context: EventContext,
): Transition {
  const { progress } = state
  switch (event.type) {
    case 'start':
    case 'resume':
      return unchanged(state)
    case 'pause':
      return pause(progress, context.reason ?? `paused by ${context.actor.name}`, context, false)
    case 'reject':
      return reject(progress, context)
    case 'approve':
      return enterStage(
        definition,
        { ...progress, approvedBy: context.actor.name },
        progress.stage + 1,
        context,
        `approved by ${context.actor.name}`,
      )
    case 'judged':
      if (event.label === 'revert') return revert(definition, progress, definition.revertTo, context, event.sentence)
      return event.label === 'pause' ? pause(progress, event.sentence, context, true) : unchanged(state)
    default:
      return (
        whileDeciding(definition, state, event, context) ??
        illegal(state, event, ['approve', 'reject', 'pause', 'advance', 'revert', 'complete'])
      )
  }
}

function pause(progress: Progress, why: string, context: EventContext, automatic: boolean): Transition {
  return changed(
    { phase: 'paused', progress, pausedAt: context.now, why },
    why,
    automatic ? { level: 'alert', sentence: why } : undefined,
  )
}

function reject(progress: Progress, context: EventContext): Transition {
  const why = `rejected by ${context.actor.name}${context.reason === undefined ? '' : `: ${context.reason}`}`
  return pause(withoutApproval(progress), why, context, false)
}

function withoutApproval({ approvedBy: _given, ...kept }: Progress): Progress {
  return kept
}

/** An approval given before the stage has shown everything counts once it has. */
function rememberApproval(
  definition: RolloutDefinition,
  state: In<'running'> | In<'paused'>,
  context: EventContext,
): Transition {
  const { progress } = state
  const stage = definition.stages[progress.stage]
  if (progress.approvedBy !== undefined || stage?.approval !== true) return unchanged(state)
  return quietly(
    { ...state, progress: { ...progress, approvedBy: context.actor.name } },
    `stage ${stage.name} approved by ${context.actor.name}`,
  )
}
