import type { RolloutDefinition } from './definition.ts'
import { edit } from './edit.ts'
import { archive, complete, dismiss, enterStage, override, restart, revert, setWeight, start } from './moves.ts'
import { changed, illegal, unchanged } from './outcome.ts'
import type { EventContext, Progress, RolloutEvent, RolloutState, Transition } from './state.ts'

type In<P extends RolloutState['phase']> = Extract<RolloutState, { phase: P }>

/**
 * The rollout as a pure machine. Nothing here reads a clock or touches storage: `context.now` comes with the event, and what must happen
 * outside is returned as effects.
 *
 * | phase | start | pause | resume | advance | approve | reject | set-weight | revert | complete | restart | archive | override | dismiss | judged |
 * |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
 * | draft | running / scheduled | – | – | – | – | – | – | – | – | – | archived | – | – | – |
 * | scheduled | running | – | – | – | – | – | – | reverted to draft | – | – | archived | – | – | – |
 * | running | = | paused | = | next stage | remembered | paused | yes | reverted | succeeded | – | – | yes | yes | advance, pause, revert |
 * | paused | – | = | running | next stage | remembered | = | yes | reverted | succeeded | running | – | yes | yes | revert |
 * | awaiting-approval | – | paused | = | next stage | next stage | paused | yes | reverted | succeeded | – | – | yes | yes | pause, revert |
 * | succeeded | – | – | – | – | – | – | – | reverted | = | running | archived | – | – | – |
 * | reverted | – | – | – | – | – | – | – | = | – | running | archived | – | – | – |
 * | archived | – | – | – | – | – | – | – | – | – | – | = | – | – | – |
 *
 * `=`: already so, answered as unchanged. `–`: refused with what is allowed instead.
 */
export function transition(
  definition: RolloutDefinition,
  state: RolloutState,
  event: RolloutEvent,
  context: EventContext,
): Transition {
  if (event.type === 'edited') return edit(definition, state, event.before, context)
  switch (state.phase) {
    case 'draft':
    case 'scheduled':
      return beforeStart(definition, state, event, context)
    case 'running':
      return running(definition, state, event, context)
    case 'paused':
      return paused(definition, state, event, context)
    case 'awaiting-approval':
      return awaitingApproval(definition, state, event, context)
    case 'succeeded':
      return succeeded(definition, state, event, context)
    case 'reverted':
      return reverted(definition, state, event, context)
    case 'archived':
      return event.type === 'archive' ? unchanged(state) : illegal(state, event, [])
  }
}

function beforeStart(
  definition: RolloutDefinition,
  state: In<'draft'> | In<'scheduled'>,
  event: RolloutEvent,
  context: EventContext,
): Transition {
  switch (event.type) {
    case 'start':
      return start(definition, event, context)
    case 'archive':
      return archive(undefined, context)
    case 'revert':
      if (state.phase === 'draft') return illegal(state, event, ['start', 'archive'])
      return changed({ phase: 'draft' }, 'the schedule is taken back')
    default:
      return illegal(state, event, state.phase === 'draft' ? ['start', 'archive'] : ['start', 'revert', 'archive'])
  }
}

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
    case 'thresholds-fixed': {
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

function running(
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
      return pause(
        progress,
        `rejected by ${context.actor.name}${context.reason === undefined ? '' : `: ${context.reason}`}`,
        context,
        false,
      )
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

function paused(
  definition: RolloutDefinition,
  state: In<'paused'>,
  event: RolloutEvent,
  context: EventContext,
): Transition {
  const { progress } = state
  switch (event.type) {
    case 'pause':
    case 'reject':
      return unchanged(state)
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

function awaitingApproval(
  definition: RolloutDefinition,
  state: In<'awaiting-approval'>,
  event: RolloutEvent,
  context: EventContext,
): Transition {
  const { progress } = state
  switch (event.type) {
    case 'resume':
      return unchanged(state)
    case 'pause':
    case 'reject':
      return pause(
        progress,
        `${event.type === 'pause' ? 'paused' : 'rejected'} by ${context.actor.name}${context.reason === undefined ? '' : `: ${context.reason}`}`,
        context,
        false,
      )
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

function succeeded(
  definition: RolloutDefinition,
  state: In<'succeeded'>,
  event: RolloutEvent,
  context: EventContext,
): Transition {
  switch (event.type) {
    case 'complete':
      return unchanged(state)
    case 'revert':
      return revert(definition, state.progress, 'zero', context, context.reason ?? `reverted by ${context.actor.name}`)
    case 'restart':
      return restart(definition, state.progress, event, context)
    case 'archive':
      return archive(state.progress, context)
    default:
      return illegal(state, event, ['revert', 'restart', 'archive'])
  }
}

function reverted(
  definition: RolloutDefinition,
  state: In<'reverted'>,
  event: RolloutEvent,
  context: EventContext,
): Transition {
  switch (event.type) {
    case 'revert':
      return unchanged(state)
    case 'restart':
      return restart(definition, state.progress, event, context)
    case 'archive':
      return archive(state.progress, context)
    default:
      return illegal(state, event, ['restart', 'archive'])
  }
}

function pause(progress: Progress, why: string, context: EventContext, automatic: boolean): Transition {
  return changed(
    { phase: 'paused', progress, pausedAt: context.now, why },
    why,
    automatic ? { level: 'alert', sentence: why } : undefined,
  )
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
  return changed(
    { ...state, progress: { ...progress, approvedBy: context.actor.name } },
    `stage ${stage.name} approved by ${context.actor.name}`,
  )
}
