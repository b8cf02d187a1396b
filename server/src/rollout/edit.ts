import { plainDeal, redeal } from './deal.ts'
import type { RolloutDefinition } from './definition.ts'
import { latencyQuantile } from './metric.ts'
import { changed, rejected } from './outcome.ts'
import type { EventContext, Progress, RolloutState, Transition } from './state.ts'

/**
 * The state under an edited definition. What was earned is kept: the rollout stays in the stage of the same name. A changed weight of
 * that stage takes effect at once and begins a new epoch.
 */
export function edit(
  definition: RolloutDefinition,
  state: RolloutState,
  before: RolloutDefinition,
  context: EventContext,
): Transition {
  switch (state.phase) {
    case 'draft':
    case 'scheduled':
      return changed(state, `edited by ${context.actor.name}`)
    case 'archived':
      return rejected('illegal-in-phase', 'an archived rollout cannot be edited; make a new one')
    case 'succeeded':
    case 'reverted': {
      const stage = Math.min(state.progress.stage, definition.stages.length - 1)
      if (state.phase === 'succeeded' && !definition.variants.some((variant) => variant.name === state.winner)) {
        return rejected('invalid-edit', `variant "${state.winner}" is what everybody gets and cannot be removed`)
      }
      const { deal: _dealt, ...kept } = state.progress
      const progress = { ...kept, ...dealUnder(definition, state.progress, before), stage }
      return changed({ ...state, progress }, `edited by ${context.actor.name}`)
    }
    case 'running':
    case 'paused':
    case 'awaiting-approval':
      return editRunning(definition, state, before, context)
  }
}

function editRunning(
  definition: RolloutDefinition,
  state: Extract<RolloutState, { phase: 'running' | 'paused' | 'awaiting-approval' }>,
  before: RolloutDefinition,
  context: EventContext,
): Transition {
  const { progress } = state
  const current = before.stages[progress.stage]
  const index = definition.stages.findIndex((stage) => stage.name === current?.name)
  const stage = definition.stages[index]
  if (stage === undefined) {
    return rejected(
      'invalid-edit',
      `stage "${current?.name}" is under way and cannot be removed or renamed; move on first, or revert`,
    )
  }
  const passed = passedFault(definition, before, progress.stage, index)
  if (passed !== undefined) return rejected('invalid-edit', passed)
  if (assignedBy(definition) !== assignedBy(before)) {
    return rejected(
      'invalid-edit',
      'the unit decides who is in which arm and cannot change while the rollout runs; restart it instead',
    )
  }
  if (definition.analysis.tickMs !== before.analysis.tickMs) {
    return rejected('invalid-edit', 'analysis.tick cannot change while the rollout runs; restart it instead')
  }
  const reweighted = stage.weight !== current?.weight
  // Other arms, shares or people deal the canary's users anew: what was counted so far is of another deal.
  const redealt = armsOf(definition) !== armsOf(before) || peopleOf(definition) !== peopleOf(before)
  const known = new Set(definition.variants.map((variant) => variant.name))
  const { deal: _dealt, ...kept } = progress
  const next: Progress = {
    ...kept,
    ...dealUnder(definition, progress, before),
    stage: index,
    overrides: Object.fromEntries(Object.entries(progress.overrides).filter(([, variant]) => known.has(variant))),
    // Other latency metrics or margins need other limits; they are fixed anew from the traffic that comes.
    thresholds: limitsOf(definition) === limitsOf(before) ? progress.thresholds : { ...progress.thresholds, ms: [] },
    ...(reweighted ? { weight: stage.weight } : {}),
    ...(reweighted || redealt ? { epoch: progress.epoch + 1, stageStartedAt: context.now, pausedMs: 0 } : {}),
  }
  const summary = `edited by ${context.actor.name}${reweighted ? `; weight of stage ${stage.name} now ${stage.weight} %` : ''}`
  if (state.phase === 'awaiting-approval' && (reweighted || redealt || !stage.approval)) {
    return changed({ phase: 'running', progress: next }, summary)
  }
  if (state.phase === 'paused')
    return changed({ ...state, progress: next, ...(reweighted || redealt ? { pausedAt: context.now } : {}) }, summary)
  return changed({ ...state, progress: next }, summary)
}

/** What was passed stays as it was: its evidence was earned at those weights, and a revert may go back to them. */
function passedFault(
  definition: RolloutDefinition,
  before: RolloutDefinition,
  stage: number,
  index: number,
): string | undefined {
  const now = definition.stages.slice(0, index)
  const was = before.stages.slice(0, stage)
  const same =
    now.length === was.length && was.every(({ name, weight }, i) => now[i]?.name === name && now[i]?.weight === weight)
  if (same) return undefined
  const names = was.map(({ name, weight }) => `${name} (${weight} %)`).join(', ') || 'none'
  return `the stages passed already (${names}) cannot be added to, removed, renamed or given other weights; edit the stages to come, or restart`
}

const assignedBy = ({ unit, assign }: RolloutDefinition): string => JSON.stringify([unit ?? 'id', assign])

const armsOf = ({ variants }: RolloutDefinition): string =>
  JSON.stringify(variants.slice(1).map(({ name, share }) => [name, share ?? 1]))

const peopleOf = ({ prerequisites, layer }: RolloutDefinition): string => JSON.stringify([prerequisites, layer])

/** How the canary's users are dealt to the arms of an edited definition, where that is not as if it had always been so. */
function dealUnder(
  definition: RolloutDefinition,
  progress: Progress,
  before: RolloutDefinition,
): Pick<Progress, 'deal'> {
  if (armsOf(definition) === armsOf(before)) return progress.deal === undefined ? {} : { deal: progress.deal }
  const deal = redeal(progress.deal ?? plainDeal(before.variants), definition.variants)
  return JSON.stringify(deal) === JSON.stringify(plainDeal(definition.variants)) ? {} : { deal }
}

const limitsOf = ({ guards, gates }: RolloutDefinition): string =>
  JSON.stringify(
    [
      ...gates.map(({ metric, noWorseThan }) => [metric, noWorseThan?.relative]),
      ...guards.map(({ metric, worseThan, never }) => [metric, worseThan?.relative, never?.above]),
    ].filter(([metric]) => latencyQuantile(String(metric)) !== undefined),
  )
