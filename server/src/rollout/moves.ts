import { isWeight } from './check.ts'
import { checkNames, type RolloutDefinition } from './definition.ts'
import { changed, quietly, rejected, unchanged } from './outcome.ts'
import type { EventContext, Progress, RolloutEvent, RolloutState, Transition } from './state.ts'

type Deciding = Extract<RolloutState, { phase: 'running' | 'paused' | 'awaiting-approval' }>

/** The arm that everybody gets when the rollout succeeds and nobody named one: the one with the largest share. */
export function mainArm(definition: RolloutDefinition): string {
  const arms = definition.variants.filter((variant) => variant.name !== 'stable')
  return arms.reduce((best, arm) => ((arm.share ?? 1) > (best.share ?? 1) ? arm : best), arms[0] ?? { name: 'canary' })
    .name
}

export function start(
  definition: RolloutDefinition,
  state: Extract<RolloutState, { phase: 'draft' | 'scheduled' }>,
  event: Extract<RolloutEvent, { type: 'start' }>,
  context: EventContext,
): Transition {
  const { at } = event
  if (at === undefined) return begin(definition, { salt: event.salt, epoch: 1 }, context, 'started')
  if (state.phase === 'scheduled' && state.startAt === at) return unchanged(state)
  if (!(at > context.now) || at > latestTime) {
    return rejected(
      'in-the-past',
      'a start is scheduled for a time to come, in epoch milliseconds; without `at` it is now',
    )
  }
  return changed({ phase: 'scheduled', startAt: at, salt: event.salt }, `scheduled for ${isoTime(at)}`)
}

/** The latest time that can be written as a date. */
const latestTime = 8.64e15

const isoTime = (at: number): string => new Date(at).toISOString()

/** The first stage, by `from.salt` and under `from.epoch`. */
export function begin(
  definition: RolloutDefinition,
  from: Pick<Progress, 'salt' | 'epoch'> & Partial<Pick<Progress, 'overrides' | 'thresholds' | 'deal'>>,
  context: EventContext,
  what: string,
): Transition {
  const stage = definition.stages[0]
  const progress: Progress = {
    salt: from.salt,
    epoch: from.epoch,
    stage: 0,
    weight: stage?.weight ?? 0,
    startedAt: context.now,
    stageStartedAt: context.now,
    pausedMs: 0,
    overrides: from.overrides ?? {},
    dismissed: {},
    thresholds: from.thresholds ?? { version: 0, ms: [] },
    ...(from.deal === undefined ? {} : { deal: from.deal }),
  }
  return changed(
    { phase: 'running', progress },
    `${what} by ${context.actor.name} at stage ${stage?.name}, ${progress.weight} %`,
  )
}

export function restart(
  definition: RolloutDefinition,
  progress: Progress,
  event: Extract<RolloutEvent, { type: 'restart' }>,
  context: EventContext,
): Transition {
  const known = new Set(definition.variants.map((variant) => variant.name))
  const from = {
    salt: event.people === 'fresh' ? event.salt : progress.salt,
    epoch: progress.epoch + 1,
    overrides: Object.fromEntries(Object.entries(progress.overrides).filter(([, variant]) => known.has(variant))),
    // The limits are fixed anew from this run's traffic; the version grows so that no count is taken for another's.
    thresholds: { version: progress.thresholds.version, ms: [] },
    ...(event.people === 'same' && progress.deal !== undefined ? { deal: progress.deal } : {}),
  }
  return begin(definition, from, context, `restarted with ${event.people} people`)
}

/** Goes to a stage, or to the end when there is none left. */
export function enterStage(
  definition: RolloutDefinition,
  progress: Progress,
  index: number,
  context: EventContext,
  why: string,
): Transition {
  const stage = definition.stages[index]
  if (stage === undefined) return complete(definition, progress, undefined, context, why)
  const { approvedBy: _given, ...kept } = progress
  const next: Progress = {
    ...kept,
    stage: index,
    weight: stage.weight,
    epoch: progress.epoch + 1,
    stageStartedAt: context.now,
    pausedMs: 0,
  }
  const sentence = `${definition.key} goes on to stage ${stage.name}, ${stage.weight} %.`
  return changed({ phase: 'running', progress: next }, `to stage ${stage.name}, ${stage.weight} %: ${why}`, {
    level: 'info',
    sentence,
  })
}

export function complete(
  definition: RolloutDefinition,
  progress: Progress,
  winner: string | undefined,
  context: EventContext,
  why = `completed by ${context.actor.name}`,
): Transition {
  const arm = winner ?? mainArm(definition)
  if (arm === 'stable' || !definition.variants.some((variant) => variant.name === arm)) {
    return rejected(
      'unknown-variant',
      `"${arm}" cannot win: name one of ${armsText(definition)}; to go back to stable use revert`,
    )
  }
  const next: Progress = { ...progress, weight: 100, epoch: progress.epoch + 1 }
  const sentence = `${definition.key} has succeeded: everybody gets ${arm}.`
  return changed(
    { phase: 'succeeded', progress: next, winner: arm, endedAt: context.now },
    `succeeded with ${arm}: ${why}`,
    { level: 'info', sentence },
  )
}

/** To 0 %, or to the last stage before this one that had a comparison, where it waits for people. */
export function revert(
  definition: RolloutDefinition,
  progress: Progress,
  to: RolloutDefinition['revertTo'],
  context: EventContext,
  why: string,
): Transition {
  const epoch = progress.epoch + 1
  const sentence = `${definition.key} is reverted: ${why}`
  if (to === 'previous-stage') {
    for (let i = progress.stage - 1; i >= 0; i--) {
      const stage = definition.stages[i]
      if (stage === undefined || stage.weight === 0) continue
      const { approvedBy: _given, ...kept } = progress
      const back: Progress = {
        ...kept,
        stage: i,
        weight: stage.weight,
        epoch,
        stageStartedAt: context.now,
        pausedMs: 0,
      }
      return changed(
        { phase: 'paused', progress: back, pausedAt: context.now, why },
        `back to stage ${stage.name}, ${stage.weight} %: ${why}`,
        { level: 'alert', sentence },
      )
    }
  }
  return changed({ phase: 'reverted', progress: { ...progress, weight: 0, epoch }, why, endedAt: context.now }, why, {
    level: 'alert',
    sentence,
  })
}

export function setWeight(state: Deciding, weight: number, context: EventContext): Transition {
  if (!isWeight(weight)) {
    return rejected('invalid-weight', `a weight is from 0 to 100 in steps of 0.001, not ${weight}`)
  }
  const exact = Math.round(weight * 1000) / 1000
  if (exact === state.progress.weight) return unchanged(state)
  const progress: Progress = {
    ...state.progress,
    weight: exact,
    epoch: state.progress.epoch + 1,
    stageStartedAt: context.now,
    pausedMs: 0,
  }
  const next: RolloutState =
    state.phase === 'paused'
      ? { ...state, progress, pausedAt: context.now }
      : state.phase === 'awaiting-approval'
        ? { phase: 'running', progress }
        : { ...state, progress }
  return changed(next, `weight set from ${state.progress.weight} % to ${exact} % by ${context.actor.name}`)
}

/** Overrides of one rollout: each is sent to every SDK. */
const maxOverrides = 1000

export function override(
  definition: RolloutDefinition,
  state: Deciding,
  event: Extract<RolloutEvent, { type: 'override' }>,
): Transition {
  const others = Object.fromEntries(Object.entries(state.progress.overrides).filter(([unit]) => unit !== event.unit))
  const before = Object.hasOwn(state.progress.overrides, event.unit) ? state.progress.overrides[event.unit] : undefined
  if (event.variant === before) return unchanged(state)
  if (event.variant !== undefined && !definition.variants.some((variant) => variant.name === event.variant)) {
    return rejected(
      'unknown-variant',
      `"${event.variant}" is no variant of ${definition.key}; it has stable, ${armsText(definition)}`,
    )
  }
  if (event.variant !== undefined && Object.keys(others).length >= maxOverrides) {
    return rejected(
      'limit-reached',
      `${definition.key} has ${maxOverrides} overrides, the most it can have; use a cohort for more`,
    )
  }
  const overrides = event.variant === undefined ? others : { ...others, [event.unit]: event.variant }
  const summary =
    event.variant === undefined ? `override of ${event.unit} removed` : `${event.unit} always gets ${event.variant}`
  return changed({ ...state, progress: { ...state.progress, overrides } }, summary)
}

export function dismiss(
  definition: RolloutDefinition,
  state: Deciding,
  event: Extract<RolloutEvent, { type: 'dismiss' }>,
  context: EventContext,
): Transition {
  const isCheck = (checkNames as readonly string[]).includes(event.metric)
  if (!isCheck && !definition.guards.some((guard) => guard.metric === event.metric)) {
    const guards = definition.guards.map((guard) => guard.metric).join(', ') || 'none'
    const message = `${definition.key} has no guard on "${event.metric}"; it has ${guards}, and the checks ${checkNames.join(', ')}`
    return rejected('unknown-guard', message)
  }
  if (!(event.until > context.now) || event.until > latestTime) {
    return rejected('in-the-past', 'a guard is dismissed until a time to come, in epoch milliseconds')
  }
  const entry = { until: event.until, reason: context.reason ?? '', by: context.actor.name }
  const dismissed = { ...state.progress.dismissed, [event.metric]: entry }
  const what = isCheck ? 'check' : 'guard on'
  const summary = `${what} ${event.metric} ignored until ${isoTime(event.until)}`
  return quietly({ ...state, progress: { ...state.progress, dismissed } }, summary)
}

/** Guards whose dismissal is over guard again. */
export function endDismissals(definition: RolloutDefinition, state: Deciding, context: EventContext): Transition {
  const { dismissed } = state.progress
  const over = Object.keys(dismissed).filter((metric) => (dismissed[metric]?.until ?? 0) <= context.now)
  if (over.length === 0) return unchanged(state)
  const left = Object.fromEntries(Object.entries(dismissed).filter(([metric]) => !over.includes(metric)))
  const sentence = `${definition.key}: the guard on ${over.join(', ')} counts again, its dismissal is over.`
  return quietly({ ...state, progress: { ...state.progress, dismissed: left } }, sentence, { level: 'info', sentence })
}

export function archive(progress: Progress | undefined, context: EventContext): Transition {
  const state: RolloutState = {
    phase: 'archived',
    archivedAt: context.now,
    ...(progress === undefined ? {} : { progress }),
  }
  return changed(state, `archived by ${context.actor.name}`)
}

function armsText(definition: RolloutDefinition): string {
  return definition.variants
    .filter((variant) => variant.name !== 'stable')
    .map((variant) => variant.name)
    .join(', ')
}
