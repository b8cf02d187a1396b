import { awaitingApproval, paused, running } from './deciding.ts'
import type { RolloutDefinition } from './definition.ts'
import { edit } from './edit.ts'
import { archive, begin, complete, restart, revert, start } from './moves.ts'
import { changed, illegal, unchanged } from './outcome.ts'
import type { EventContext, RolloutEvent, RolloutState, Transition } from './state.ts'

type In<P extends RolloutState['phase']> = Extract<RolloutState, { phase: P }>

/**
 * The rollout as a pure machine. Nothing here reads a clock or touches storage: `context.now` comes with the event, and what must happen
 * outside is returned as effects.
 *
 * | phase | start | pause | resume | advance | approve | reject | set-weight | revert | complete |
 * |---|---|---|---|---|---|---|---|---|---|
 * | draft | running, scheduled | – | – | – | – | – | – | – | – |
 * | scheduled | running, scheduled | – | – | – | – | – | – | draft | – |
 * | running | = | paused | = | next stage | remembered | paused | running | reverted | succeeded |
 * | paused | – | = | running | next stage | remembered | = | paused | reverted | succeeded |
 * | awaiting-approval | = | paused | = | next stage | next stage | paused | running | reverted | succeeded |
 * | succeeded | – | – | – | – | – | – | – | reverted | = |
 * | reverted | – | – | – | – | – | – | – | = | – |
 * | archived | – | – | – | – | – | – | – | – | – |
 *
 * | phase | restart | archive | override, dismiss | edited | clock | judged | thresholds-fixed |
 * |---|---|---|---|---|---|---|---|
 * | draft | – | archived | – | draft | = | – | – |
 * | scheduled | – | archived | – | scheduled | running when due | – | – |
 * | running | – | – | running | running | running | next stage, awaiting-approval, paused, reverted | running |
 * | paused | running | – | paused | paused | paused | reverted | paused |
 * | awaiting-approval | – | – | awaiting-approval | awaiting-approval, running | awaiting-approval | paused, reverted | awaiting-approval |
 * | succeeded | running | archived | – | succeeded | = | – | – |
 * | reverted | running | archived | – | reverted | = | – | – |
 * | archived | – | = | – | – | = | – | – |
 *
 * The next stage after the last is `succeeded`. By `revertTo: previous-stage` a revert by verdict ends in `paused` at the last stage before
 * that had a comparison; a person's revert always goes to 0 %. `clock` ends dismissals whose time is over, else it changes nothing.
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
      return event.type === 'archive' || event.type === 'clock' ? unchanged(state) : illegal(state, event, [])
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
      return start(definition, state, event, context)
    case 'clock':
      return state.phase === 'scheduled' && state.startAt <= context.now
        ? begin(definition, { salt: state.salt, epoch: 1 }, context, 'started as scheduled')
        : unchanged(state)
    case 'archive':
      return archive(undefined, context)
    case 'revert':
      if (state.phase === 'draft') return illegal(state, event, ['start', 'archive'])
      return changed({ phase: 'draft' }, 'the schedule is taken back')
    default:
      return illegal(state, event, state.phase === 'draft' ? ['start', 'archive'] : ['start', 'revert', 'archive'])
  }
}

function succeeded(
  definition: RolloutDefinition,
  state: In<'succeeded'>,
  event: RolloutEvent,
  context: EventContext,
): Transition {
  switch (event.type) {
    case 'clock':
      return unchanged(state)
    case 'complete':
      return event.winner === undefined || event.winner === state.winner
        ? unchanged(state)
        : complete(definition, state.progress, event.winner, context)
    case 'revert':
      return revert(definition, state.progress, 'zero', context, context.reason ?? `reverted by ${context.actor.name}`)
    case 'restart':
      return restart(definition, state.progress, event, context)
    case 'archive':
      return archive(state.progress, context)
    default:
      return illegal(state, event, ['complete with another winner', 'revert', 'restart', 'archive'])
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
    case 'clock':
      return unchanged(state)
    case 'restart':
      return restart(definition, state.progress, event, context)
    case 'archive':
      return archive(state.progress, context)
    default:
      return illegal(state, event, ['restart', 'archive'])
  }
}
