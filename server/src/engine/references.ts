import { cohortsInCondition } from '@pipit/shared/rules'
import type { RolloutRecord, Stores } from '../storage/ports.ts'

/** What refers to a cohort, in words people find it by. An archived rollout refers to nothing any more. */
export async function usersOfCohort(stores: Stores, environment: string, key: string): Promise<readonly string[]> {
  const rollouts = (await stores.rollouts.list(environment)).flatMap((record) => cohortUses(record, key))
  const cohorts = (await stores.cohorts.list(environment))
    .filter(({ definition }) => cohortsInCondition(definition.when).includes(key))
    .map((record) => `cohort ${record.key}`)
  return [...rollouts, ...cohorts]
}

/** What refers to a metric of the environment; `among` narrows the rollouts that are asked. */
export async function usersOfMetric(
  stores: Stores,
  environment: string,
  key: string,
  among: (record: RolloutRecord) => boolean = () => true,
): Promise<readonly string[]> {
  return (await stores.rollouts.list(environment)).filter(among).flatMap((record) => metricUses(record, key))
}

/** The rollouts that are only for those who have a variant of this one. */
export async function usersOfRollout(stores: Stores, environment: string, key: string): Promise<readonly string[]> {
  return (await stores.rollouts.list(environment)).flatMap((record) =>
    record.state.phase !== 'archived' && record.definition.prerequisites?.some(({ rollout }) => rollout === key)
      ? [`rollout ${record.key}`]
      : [],
  )
}

function cohortUses({ key, definition, state }: RolloutRecord, cohort: string): readonly string[] {
  if (state.phase === 'archived') return []
  const stages = definition.stages
    .filter((stage) => stage.cohorts.includes(cohort))
    .map((stage) => `rollout ${key} (stage ${stage.name})`)
  const rules = definition.rules
    .filter((rule) => rule.cohort === cohort || cohortsInCondition(rule.when).includes(cohort))
    .map((rule) => `rollout ${key} (rule ${rule.name})`)
  return [...stages, ...rules]
}

function metricUses({ key, definition, state }: RolloutRecord, metric: string): readonly string[] {
  if (state.phase === 'archived' || definition.metrics.some((own) => own.key === metric)) return []
  const guards = definition.guards.filter((guard) => guard.metric === metric).map(() => `rollout ${key} (guard)`)
  const gates = definition.gates.filter((gate) => gate.metric === metric).map(() => `rollout ${key} (gate)`)
  return [...guards, ...gates]
}
