import type { Ruleset } from '@pipit/shared/rules'
import { projectRuleset } from '../rollout/index.ts'
import type { EnvironmentRecord, Storage } from '../storage/ports.ts'
import type { MemberLists } from './member-lists.ts'

/** Readings that a change may overtake; then the last one is taken. */
const attempts = 20

/**
 * The newest ruleset of an environment, from storage. What is read is of one version, or where changes never cease of that version and
 * newer: an SDK that held the same version with older content would not be told of the difference. Rejects where there is no such environment.
 */
export async function readRuleset(storage: Storage, memberLists: MemberLists, name: string): Promise<Ruleset> {
  let environment = await environmentOf(storage, name)
  for (let i = 1; ; i++) {
    const ruleset = await readOnce(storage, memberLists, environment)
    const now = await environmentOf(storage, name)
    if (now.rulesetVersion === environment.rulesetVersion || i === attempts) return ruleset
    environment = now
  }
}

async function environmentOf(storage: Storage, name: string): Promise<EnvironmentRecord> {
  const environment = await storage.environments.get(name)
  if (environment === undefined) throw new Error(`there is no environment "${name}"`)
  return environment
}

async function readOnce(storage: Storage, memberLists: MemberLists, environment: EnvironmentRecord): Promise<Ruleset> {
  const [rollouts, cohorts, metrics] = await Promise.all([
    storage.rollouts.list(environment.name),
    storage.cohorts.list(environment.name),
    storage.metrics.list(environment.name),
  ])
  const lists = await memberLists.of(environment, cohorts)
  return projectRuleset({
    environment,
    rollouts,
    cohorts: cohorts.map(({ key, definition }) => ({ definition, members: lists.get(key) })),
    metrics: metrics.map((record) => record.definition),
  })
}
