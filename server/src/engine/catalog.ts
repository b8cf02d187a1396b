import { createHash } from 'node:crypto'
import { cohortsInCondition, type RulesetCohort, validateCohortGraph } from '@pipit/shared/rules'
import { type CohortDefinition, keyPattern, type MetricDefinition } from '../rollout/index.ts'
import type { CatalogRecord, RolloutRecord, Stores } from '../storage/ports.ts'
import type { ByWhom, Catalog, Publisher } from './api.ts'
import { attempt, type CommandParts, needEnvironment, Refused, refuseStale, saltLength } from './commands.ts'
import { emit } from './record-change.ts'

type Kind = 'cohort' | 'metric'
type Definition<K extends Kind> = K extends 'cohort' ? CohortDefinition : MetricDefinition

/** What makes a key: `srv_` and 32 random characters. */
const secretLength = 32

export function createCatalog({
  storage,
  clock,
  newId,
  wake,
  publisher,
}: CommandParts & { readonly publisher: Publisher }): Catalog {
  async function attempted<T>(work: (stores: Stores) => Promise<T>) {
    const result = await attempt(storage, work)
    if (result.ok) wake()
    return result
  }

  async function audit(
    stores: Stores,
    environment: string | undefined,
    action: string,
    target: string,
    by: ByWhom,
    images: { before?: unknown; after?: unknown },
  ): Promise<void> {
    await stores.audit.append({
      id: newId(),
      ...(environment === undefined ? {} : { environment }),
      at: clock.now(),
      actor: by.actor,
      action,
      target,
      ...(by.reason === undefined ? {} : { reason: by.reason }),
      ...images,
    })
  }

  const publish = (stores: Stores, environment: string): Promise<void> =>
    emit(stores, environment, undefined, [{ type: 'publish' }], clock.now(), newId)
  const storeOf = (stores: Stores, kind: Kind) =>
    (kind === 'cohort' ? stores.cohorts : stores.metrics) as unknown as Stores['cohorts']

  /** Makes or replaces a cohort or metric. */
  async function put<K extends Kind>(
    stores: Stores,
    kind: K,
    environment: string,
    definition: Definition<K>,
    by: ByWhom,
    expected: 'new' | { readonly version: number | undefined },
  ): Promise<CatalogRecord<Definition<K>>> {
    await needEnvironment(stores, environment)
    const store = storeOf(stores, kind)
    const target = `${kind} ${definition.key}`
    const before = await store.get(environment, definition.key)
    if (expected === 'new' && before !== undefined) {
      throw new Refused({
        code: 'exists',
        message: `there is a ${target} in ${environment} already; replace it with PUT, or choose another key`,
      })
    }
    if (expected !== 'new' && before !== undefined) refuseStale(target, before.version, expected.version)
    if (expected !== 'new' && before === undefined && expected.version !== undefined) {
      throw new Refused({
        code: 'not-found',
        message: `there is no ${target} in ${environment}; leave the version out to make it`,
      })
    }
    if (kind === 'cohort') await checkCohorts(stores, environment, definition as CohortDefinition)
    const record = {
      environment,
      key: definition.key,
      definition: definition as CohortDefinition,
      version: (before?.version ?? 0) + 1,
      updatedAt: clock.now(),
    }
    if (before === undefined) await store.insert(record)
    else await store.update(record, before.version)
    await audit(stores, environment, before === undefined ? 'create' : 'edit', `${kind}:${definition.key}`, by, {
      ...(before === undefined
        ? {}
        : { before: { version: before.version, definition: withoutList(before.definition) } }),
      after: { version: record.version, definition: withoutList(record.definition) },
    })
    await publish(stores, environment)
    return record as unknown as CatalogRecord<Definition<K>>
  }

  async function remove(
    stores: Stores,
    kind: Kind,
    environment: string,
    key: string,
    by: ByWhom,
    version: number | undefined,
  ): Promise<undefined> {
    const store = storeOf(stores, kind)
    const before = await store.get(environment, key)
    if (before === undefined)
      throw new Refused({ code: 'not-found', message: `there is no ${kind} "${key}" in ${environment}` })
    refuseStale(`${kind} ${key}`, before.version, version)
    const users = await usersOf(stores, kind, environment, key)
    if (users.length > 0) {
      throw new Refused({
        code: 'in-use',
        message: `${kind} ${key} is used by ${users.join(', ')}; take it out there first`,
      })
    }
    await store.delete(environment, key, before.version)
    await audit(stores, environment, 'delete', `${kind}:${key}`, by, {
      before: { version: before.version, definition: withoutList(before.definition) },
    })
    await publish(stores, environment)
    return undefined
  }

  return {
    createEnvironment: (name, by) =>
      attempted(async (stores) => {
        if (!keyPattern.test(name)) {
          throw new Refused({
            code: 'invalid',
            message: 'this cannot be the name of an environment',
            issues: [{ path: 'name', message: 'must be 1 to 64 lower-case letters, digits, . _ -' }],
          })
        }
        if ((await stores.environments.get(name)) !== undefined)
          throw new Refused({ code: 'exists', message: `there is an environment "${name}" already` })
        const record = { name, unitSalt: newId(saltLength), rulesetVersion: 1, createdAt: clock.now() }
        await stores.environments.insert(record)
        await audit(stores, name, 'create', `environment:${name}`, by, { after: { name } })
        return record
      }),
    createCohort: (environment, definition, by) =>
      attempted((stores) => put(stores, 'cohort', environment, definition, by, 'new')),
    putCohort: (environment, definition, by, version) =>
      attempted((stores) => put(stores, 'cohort', environment, definition, by, { version })),
    removeCohort: (environment, key, by, version) =>
      attempted((stores) => remove(stores, 'cohort', environment, key, by, version)),
    changeMembers: (environment, key, change, by) =>
      attempted(async (stores) => {
        const before = await stores.cohorts.get(environment, key)
        if (before === undefined)
          throw new Refused({ code: 'not-found', message: `there is no cohort "${key}" in ${environment}` })
        const members = new Set(before.definition.members)
        for (const member of change.remove ?? []) members.delete(member)
        for (const member of change.add ?? []) members.add(member)
        if (members.size > 1_000_000)
          throw new Refused({
            code: 'limit-reached',
            message: `cohort ${key} would have ${members.size} members; at most 1,000,000 are kept`,
          })
        return await put(stores, 'cohort', environment, { ...before.definition, members: [...members] }, by, {
          version: before.version,
        })
      }),
    createMetric: (environment, definition, by) =>
      attempted((stores) => put(stores, 'metric', environment, definition, by, 'new')),
    putMetric: (environment, definition, by, version) =>
      attempted((stores) => put(stores, 'metric', environment, definition, by, { version })),
    removeMetric: (environment, key, by, version) =>
      attempted((stores) => remove(stores, 'metric', environment, key, by, version)),
    createKey: ({ kind, environment, role, name, secret: preset }, by) =>
      attempted(async (stores) => {
        if (environment !== undefined) await needEnvironment(stores, environment)
        const secret = preset ?? `${kind}_${newId(secretLength)}`
        const hash = createHash('sha256').update(secret).digest('hex')
        if ((await stores.keys.findByHash(hash)) !== undefined)
          throw new Refused({ code: 'exists', message: 'this key is in use already' })
        const record = {
          id: newId(),
          ...(kind === 'adm' || environment === undefined ? {} : { environment }),
          kind,
          ...(kind === 'adm' ? { role: role ?? ('viewer' as const) } : {}),
          name,
          hash,
          hint: secret.slice(0, 8),
          createdAt: clock.now(),
        }
        await stores.keys.insert(record)
        await audit(stores, environment, 'create', `key:${record.id}`, by, { after: { kind, name, role: record.role } })
        return { record, secret }
      }),
    async revokeKey(id, by) {
      const result = await attempted(async (stores) => {
        if (!(await stores.keys.revoke(id, clock.now())))
          throw new Refused({ code: 'not-found', message: `there is no key "${id}" that could be revoked` })
        await audit(stores, undefined, 'revoke', `key:${id}`, by, {})
        return undefined
      })
      if (result.ok) publisher.disconnect(id)
      return result
    },
  }
}

/** A list of a million members has no place in the audit log; its length has. */
function withoutList(definition: CohortDefinition): unknown {
  const { members, ...rest } = definition
  return members === undefined ? rest : { ...rest, members: members.length }
}

/** The cohorts as they would be: none may refer to itself or to one that is not there. */
async function checkCohorts(stores: Stores, environment: string, changed: CohortDefinition): Promise<void> {
  const cohorts: { [key: string]: RulesetCohort } = {}
  for (const record of await stores.cohorts.list(environment)) cohorts[record.key] = record.definition
  cohorts[changed.key] = changed
  const issues = validateCohortGraph(cohorts)
  if (issues.length > 0)
    throw new Refused({ code: 'invalid', message: `cohort ${changed.key} cannot be taken as it is`, issues })
}

async function usersOf(stores: Stores, kind: Kind, environment: string, key: string): Promise<string[]> {
  const rollouts = (await stores.rollouts.list(environment)).filter(({ state }) => state.phase !== 'archived')
  if (kind === 'metric')
    return rollouts.filter((record) => usesMetric(record, key)).map((record) => `rollout ${record.key}`)
  const cohorts = (await stores.cohorts.list(environment)).filter(({ definition }) =>
    cohortsInCondition(definition.when).includes(key),
  )
  return [
    ...rollouts.filter((record) => usesCohort(record, key)).map((record) => `rollout ${record.key}`),
    ...cohorts.map((record) => `cohort ${record.key}`),
  ]
}

function usesCohort({ definition }: RolloutRecord, key: string): boolean {
  if (definition.stages.some((stage) => stage.cohorts.includes(key))) return true
  return definition.rules.some(
    (rule) =>
      ('cohort' in rule && rule.cohort === key) || ('when' in rule && cohortsInCondition(rule.when).includes(key)),
  )
}

function usesMetric({ definition }: RolloutRecord, key: string): boolean {
  if (definition.metrics.some((metric) => metric.key === key)) return false
  return definition.guards.some((guard) => guard.metric === key) || definition.gates.some((gate) => gate.metric === key)
}
