import { phases, type Ruleset } from '@pipit/shared/rules'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RolloutDefinition } from './definition.ts'
import { projectRuleset } from './project-ruleset.ts'
import { definitionOf, now } from './samples.ts'
import type { Effect, RolloutEvent, RolloutState } from './state.ts'
import { transition } from './transition.ts'
import { nextWake, progressOf, stageView } from './view.ts'

/** Definitions that a rollout is edited to and fro between. */
const definitions: readonly RolloutDefinition[] = [
  definitionOf(),
  definitionOf({ revertTo: 'previous-stage' }),
  definitionOf({
    stages: [
      { name: 'internal', weight: 0, cohorts: ['internal', 'staff'] },
      { name: 'beta', weight: 7 },
      { name: 'full', weight: 100 },
    ],
  }),
  definitionOf({ variants: [{ name: 'stable' }, { name: 'canary', share: 1 }, { name: 'canary-b', share: 3 }] }),
]

type Step = { readonly afterMs: number } & (
  | { readonly event: Exclude<RolloutEvent, { type: 'edited' }> }
  | { readonly editTo: number }
)

const salts = fc.stringMatching(/^[a-z]{16}$/)
const weights = fc.oneof(
  fc.integer({ min: 0, max: 100_000 }).map((steps) => steps / 1000),
  fc.double(),
)
const personEvents: fc.Arbitrary<Exclude<RolloutEvent, { type: 'edited' }>> = fc.oneof(
  fc.record({ type: fc.constant('start' as const), salt: salts }),
  fc.record({ type: fc.constant('start' as const), salt: salts, at: fc.integer({ min: now, max: now + 1e7 }) }),
  fc.constantFrom(
    ...(['pause', 'resume', 'advance', 'approve', 'reject', 'revert', 'archive', 'clock'] as const).map(
      (type) => ({ type }) as const,
    ),
  ),
  fc.record({ type: fc.constant('set-weight' as const), weight: weights }),
  fc.constant({ type: 'complete' as const }),
  fc.record({
    type: fc.constant('restart' as const),
    people: fc.constantFrom('same' as const, 'fresh' as const),
    salt: salts,
  }),
  fc.record({
    type: fc.constant('override' as const),
    unit: fc.string(),
    variant: fc.constantFrom('stable', 'canary', 'nobody', undefined),
  }),
  fc.record({
    type: fc.constant('dismiss' as const),
    metric: fc.constantFrom('error_rate', 'other'),
    until: fc.integer({ min: now, max: now + 1e7 }),
  }),
)
const engineEvents: fc.Arbitrary<Exclude<RolloutEvent, { type: 'edited' }>> = fc.oneof(
  fc.constant({ type: 'clock' as const }),
  fc.record({
    type: fc.constant('judged' as const),
    label: fc.constantFrom(
      'advance' as const,
      'advance' as const,
      'hold' as const,
      'pause' as const,
      'revert' as const,
    ),
    sentence: fc.constant('Judged.'),
  }),
  fc.record({ type: fc.constant('thresholds-fixed' as const), ms: fc.array(fc.nat(), { maxLength: 2 }) }),
)
const stepOf = fc.oneof(
  fc.record({ afterMs: fc.nat(1e6), event: fc.oneof(personEvents, engineEvents) }),
  fc.record({ afterMs: fc.nat(1e6), editTo: fc.nat(definitions.length - 1) }),
)
const steps: fc.Arbitrary<readonly Step[]> = fc
  .array(stepOf, { maxLength: 60 })
  .map((list) => [{ afterMs: 0, event: { type: 'start', salt: 'abcdabcdabcdabcd' } }, ...list])

interface World {
  readonly definition: RolloutDefinition
  readonly state: RolloutState
  readonly at: number
  readonly byHand: boolean
}

const rulesetOf = ({ definition, state }: Pick<World, 'definition' | 'state'>): Ruleset =>
  projectRuleset({
    environment: { name: 'production', unitSalt: 'salt', rulesetVersion: 1, holdback: 0 },
    rollouts: [{ key: definition.key, definition, state }],
    cohorts: [],
    metrics: [],
  })

function step(
  world: World,
  { afterMs, ...what }: Step,
): { readonly world: World; readonly effects: readonly Effect[] } {
  const at = world.at + afterMs
  const event: RolloutEvent = 'event' in what ? what.event : { type: 'edited', before: world.definition }
  const definition = 'event' in what ? world.definition : (definitions[what.editTo] ?? world.definition)
  const result = transition(definition, world.state, event, { now: at, actor: { kind: 'person', name: 'ada' } })
  if (!result.ok || 'unchanged' in result) {
    if (result.ok) expect(result.state).toBe(world.state)
    else expect(result.message.length).toBeGreaterThan(10)
    return { world: { ...world, at }, effects: [] }
  }
  const [was, is] = [progressOf(world.state), progressOf(result.state)]
  const moved = was?.stage !== is?.stage || was?.weight !== is?.weight || event.type === 'restart'
  const byHand = event.type === 'set-weight' || (world.byHand && !moved)
  return { world: { definition, state: result.state, at, byHand }, effects: result.effects }
}

function checkState({ definition, state, at, byHand }: World): void {
  expect(phases).toContain(state.phase)
  const progress = progressOf(state)
  if (progress === undefined) return
  expect(progress.weight).toBeGreaterThanOrEqual(0)
  expect(progress.weight).toBeLessThanOrEqual(100)
  expect(definition.stages[progress.stage]).toBeDefined()
  const stage = definition.stages[progress.stage]
  if (stageView(definition, state, at) !== undefined && !byHand) expect(progress.weight).toBe(stage?.weight)
  if (state.phase === 'reverted') expect(progress.weight).toBe(0)
  if (state.phase === 'succeeded') expect(definition.variants.map(({ name }) => name)).toContain(state.winner)
  const wake = nextWake(definition, state, at)
  if (wake !== undefined) expect(wake).toBeGreaterThan(at)
  expect(stageView(definition, state, at)?.elapsedMs ?? 0).toBeGreaterThanOrEqual(0)
  expect(JSON.parse(JSON.stringify(state))).toEqual(state)
}

/** What holds between two states that follow each other. */
function checkMove(before: World, after: World, effects: readonly Effect[]): void {
  const [was, is] = [progressOf(before.state), progressOf(after.state)]
  if (was !== undefined && is !== undefined) {
    expect(is.epoch).toBeGreaterThanOrEqual(was.epoch)
    expect(is.thresholds.version).toBeGreaterThanOrEqual(was.thresholds.version)
    const edited = before.definition !== after.definition
    if (was.stage !== is.stage && !edited) expect(is.epoch).toBe(was.epoch + 1)
    if (was.weight !== is.weight || was.salt !== is.salt) expect(is.epoch).toBe(was.epoch + 1)
  }
  const published = effects.some((effect) => effect.type === 'publish')
  if (!published) expect(rulesetOf(after)).toEqual(rulesetOf(before))
}

describe('the machine under any sequence of events', () => {
  it('keeps its invariants, and publishes whatever an SDK could notice', () => {
    fc.assert(
      fc.property(steps, (list) => {
        let world: World = { definition: definitionOf(), state: { phase: 'draft' }, at: now, byHand: false }
        for (const next of list) {
          const { world: after, effects } = step(world, next)
          checkMove(world, after, effects)
          checkState(after)
          world = after
        }
      }),
      { numRuns: 500 },
    )
  })
})
