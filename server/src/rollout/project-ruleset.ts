import type { MemberList, Ruleset, RulesetCohort, RulesetRollout } from '@pipit/shared/rules'
import type { CohortDefinition, MetricDefinition, RolloutDefinition } from './definition.ts'
import { eventSums } from './metric.ts'
import type { RolloutState } from './state.ts'
import { progressOf } from './view.ts'

export interface ProjectionInput {
  readonly environment: {
    readonly name: string
    readonly unitSalt: string
    readonly rulesetVersion: number
    readonly holdback: number
  }
  readonly rollouts: readonly {
    readonly key: string
    readonly definition: RolloutDefinition
    readonly state: RolloutState
  }[]
  /** With the hashes of those that are listed, where there is a list. */
  readonly cohorts: readonly { readonly definition: CohortDefinition; readonly members: MemberList | undefined }[]
  readonly metrics: readonly MetricDefinition[]
}

/** What a server-side SDK is told: everything it needs to decide and nothing else. The same input gives the same document. */
export function projectRuleset(input: ProjectionInput): Ruleset {
  const visible = input.rollouts.filter(({ state }) => state.phase !== 'archived')
  return {
    version: input.environment.rulesetVersion,
    environment: input.environment.name,
    unitSalt: input.environment.unitSalt,
    ...(input.environment.holdback > 0 ? { holdback: input.environment.holdback } : {}),
    rollouts: Object.fromEntries(
      visible.map(({ key, definition, state }) => [key, projectRollout(definition, state, input.metrics)]),
    ),
    cohorts: Object.fromEntries(input.cohorts.map((cohort) => [cohort.definition.key, projectCohort(cohort)])),
  }
}

function projectCohort({ definition: { when }, members }: ProjectionInput['cohorts'][number]): RulesetCohort {
  return { ...(when === undefined ? {} : { when }), ...(members === undefined ? {} : { members }) }
}

function projectRollout(
  definition: RolloutDefinition,
  state: RolloutState,
  metrics: readonly MetricDefinition[],
): RulesetRollout {
  const { phase } = state
  const progress = progressOf(state)
  const base = {
    phase,
    salt: progress?.salt ?? '',
    hash: 1 as const,
    epoch: progress?.epoch ?? 0,
    weight: progress?.weight ?? 0,
    variants: definition.variants,
    ...(definition.browser === true ? { browser: true as const } : {}),
  }
  if (phase === 'succeeded') return { ...base, winner: state.winner, ...assignmentOf(definition) }
  if (progress === undefined || phase === 'reverted') return base
  const stage = definition.stages[progress.stage]
  const cohorts = [...new Set(definition.stages.slice(0, progress.stage + 1).flatMap((passed) => passed.cohorts))]
  const events = eventsOf(definition, metrics)
  return {
    ...base,
    ...(stage === undefined ? {} : { stage: stage.name }),
    ...(progress.deal === undefined ? {} : { deal: progress.deal }),
    ...assignmentOf(definition),
    ...(definition.rules.length > 0 ? { rules: definition.rules } : {}),
    ...(cohorts.length > 0 ? { cohorts } : {}),
    ...(Object.keys(progress.overrides).length > 0 ? { overrides: progress.overrides } : {}),
    ...(progress.thresholds.ms.length > 0 ? { thresholds: progress.thresholds } : {}),
    ...(events.length > 0 ? { events } : {}),
    ...(definition.slices.length > 0 ? { slices: definition.slices } : {}),
    ...(definition.unitSample < 1 ? { unitSample: definition.unitSample } : {}),
    ...(definition.deadmanMs === undefined ? {} : { deadmanMs: definition.deadmanMs }),
    ...(definition.breaker ? {} : { breaker: false }),
  }
}

/** What is assigned, and who may take part. */
const assignmentOf = ({
  unit,
  assign,
  prerequisites,
  layer,
}: RolloutDefinition): Pick<RulesetRollout, 'unit' | 'assign' | 'prerequisites' | 'layer'> => ({
  ...(unit === undefined ? {} : { unit }),
  ...(assign === undefined ? {} : { assign }),
  ...(prerequisites === undefined ? {} : { prerequisites }),
  ...(layer === undefined ? {} : { layer }),
})

/** The metrics that a rollout compares: its own definitions, and those of the environment that a guard or gate names. */
export function comparedMetrics(
  definition: RolloutDefinition,
  environment: readonly MetricDefinition[],
): readonly MetricDefinition[] {
  const own = new Set(definition.metrics.map((metric) => metric.key))
  const named = new Set([
    ...definition.guards.map((guard) => guard.metric),
    ...definition.gates.map((gate) => gate.metric),
  ])
  return [...definition.metrics, ...environment.filter((metric) => named.has(metric.key) && !own.has(metric.key))]
}

function eventsOf(definition: RolloutDefinition, environment: readonly MetricDefinition[]): readonly string[] {
  return [
    ...new Set(
      comparedMetrics(definition, environment)
        .flatMap(eventSums)
        .map(({ event }) => event),
    ),
  ]
}
