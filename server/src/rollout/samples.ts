import type { RolloutDefinition } from './definition.ts'
import { parseRollout } from './parse.ts'
import type { EventContext, Progress, RolloutEvent, RolloutState, Transition } from './state.ts'

/** Sample rollouts, states and events of the tests in this folder. */

export function definitionOf(changes: object = {}): RolloutDefinition {
  const parsed = parseRollout({
    key: 'checkout-v2',
    stages: [
      { name: 'internal', weight: 0, cohorts: ['internal'], hold: '10m' },
      { name: 'beta', weight: 5, cohorts: ['beta'], hold: '30m', approval: true },
      { name: 'half', weight: 50, hold: '1h' },
      { name: 'full', weight: 100 },
    ],
    guards: [{ metric: 'error_rate', worseThan: { relative: 1.5 }, action: 'revert' }],
    ...changes,
  })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues))
  return parsed.definition
}

export const now = 1_700_000_000_000

export const context: EventContext = { now, actor: { kind: 'person', name: 'ada' } }

/** In stage `beta` since a minute. */
export function progressAt(changes: Partial<Progress> = {}): Progress {
  return {
    salt: 'aaaabbbbccccdddd',
    epoch: 3,
    stage: 1,
    weight: 5,
    startedAt: now - 600_000,
    stageStartedAt: now - 60_000,
    pausedMs: 0,
    overrides: {},
    dismissed: {},
    thresholds: { version: 0, ms: [] },
    ...changes,
  }
}

export const states: readonly RolloutState[] = [
  { phase: 'draft' },
  { phase: 'scheduled', startAt: now - 1, salt: 'aaaabbbbccccdddd' },
  { phase: 'running', progress: progressAt() },
  { phase: 'paused', progress: progressAt(), pausedAt: now - 1000, why: 'lunch' },
  { phase: 'awaiting-approval', progress: progressAt(), since: now - 1000 },
  { phase: 'succeeded', progress: progressAt({ stage: 3, weight: 100 }), winner: 'canary', endedAt: now - 1000 },
  { phase: 'reverted', progress: progressAt({ weight: 0 }), why: 'errors', endedAt: now - 1000 },
  { phase: 'archived', progress: progressAt({ weight: 0 }), archivedAt: now - 1000 },
]

export function stateIn<P extends RolloutState['phase']>(phase: P): Extract<RolloutState, { phase: P }> {
  const state = states.find((candidate) => candidate.phase === phase)
  if (state === undefined) throw new Error(`no sample of ${phase}`)
  return state as Extract<RolloutState, { phase: P }>
}

export const salt = 'eeeeffffgggghhhh'

export const events = {
  start: { type: 'start', salt },
  'start later': { type: 'start', at: now + 1000, salt },
  pause: { type: 'pause' },
  resume: { type: 'resume' },
  advance: { type: 'advance' },
  approve: { type: 'approve' },
  reject: { type: 'reject' },
  'set-weight': { type: 'set-weight', weight: 12.5 },
  revert: { type: 'revert' },
  complete: { type: 'complete' },
  restart: { type: 'restart', people: 'same', salt },
  archive: { type: 'archive' },
  override: { type: 'override', unit: 'u1', variant: 'canary' },
  dismiss: { type: 'dismiss', metric: 'error_rate', until: now + 1000 },
  edited: { type: 'edited', before: definitionOf() },
  clock: { type: 'clock' },
  'judged hold': { type: 'judged', label: 'hold', sentence: 'Holding.' },
  'judged advance': { type: 'judged', label: 'advance', sentence: 'All shown.' },
  'judged pause': { type: 'judged', label: 'pause', sentence: 'Undecided.' },
  'judged revert': { type: 'judged', label: 'revert', sentence: 'Errors doubled.' },
  'thresholds-fixed': { type: 'thresholds-fixed', ms: [120, 240] },
} satisfies Record<string, RolloutEvent>

/** The state that must have come out of a transition. */
export function stateOf<P extends RolloutState['phase']>(
  result: Transition,
  phase: P,
): Extract<RolloutState, { phase: P }> {
  if (!result.ok) throw new Error(`refused: ${result.message}`)
  if (result.state.phase !== phase) throw new Error(`is ${result.state.phase}, not ${phase}`)
  return result.state as Extract<RolloutState, { phase: P }>
}
