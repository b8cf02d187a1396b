import { isDeepStrictEqual } from 'node:util'
import type { Issue } from '@pipit/shared/base'
import { validateCohortGraph } from '@pipit/shared/rules'
import {
  type CohortDefinition,
  countsTheSame,
  isWeight,
  keyPattern,
  type MetricDefinition,
  parseCohort,
  parseMetric,
  toCohortFile,
  toMetricFile,
} from '../rollout/index.ts'
import type { CatalogRecord, EnvironmentRecord, RolloutRecord, Stores } from '../storage/ports.ts'
import type { ByWhom, Catalog, Publisher } from './api.ts'
import { attempt, type CommandParts, issueText, needEnvironment, Refused, refuseStale, saltLength } from './commands.ts'
import { createKeys } from './keys.ts'
import { auditor, emit } from './record-change.ts'
import { usersOfCohort, usersOfMetric } from './references.ts'

type Kind = 'cohort' | 'metric'
type Definition<K extends Kind> = K extends 'cohort' ? CohortDefinition : MetricDefinition

/** Members of one cohort: each SDK holds them all. */
const mostMembers = 1_000_000

/** Changes of cohorts, metrics, environments and keys, each one transaction. What changes nothing is not written. */
export function createCatalog(parts: CommandParts & { readonly publisher: Publisher }): Catalog {
  const { storage, clock, newId, wake } = parts
  const audit = auditor(parts)

  async function attempted<T>(work: (stores: Stores) => Promise<T>) {
    const result = await attempt(storage, work)
    if (result.ok) wake()
    return result
  }

  /** SDKs hold every cohort, and both they and ingest count by the metrics of the ruleset's version. */
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
    if (before !== undefined && isDeepStrictEqual(before.definition, definition)) {
      return before as unknown as CatalogRecord<Definition<K>>
    }
    if (kind === 'cohort') await checkCohort(stores, environment, definition as CohortDefinition)
    else await checkMetric(stores, environment, definition as MetricDefinition)
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
    const usersOf = kind === 'cohort' ? usersOfCohort : usersOfMetric
    refuseInUse(`${kind} ${key}`, await usersOf(stores, environment, key), 'take it out there first')
    await store.delete(environment, key, before.version)
    await audit(stores, environment, 'delete', `${kind}:${key}`, by, {
      before: { version: before.version, definition: withoutList(before.definition) },
    })
    await publish(stores, environment)
    return undefined
  }

  return {
    ...createKeys(parts),
    createEnvironment: (name, by) =>
      attempted(async (stores) => {
        if (!keyPattern.test(name)) {
          const issues = [{ path: 'name', message: 'must be 1 to 64 lower-case letters, digits, . _ -' }]
          throw new Refused({ code: 'invalid', message: 'this cannot be the name of an environment', issues })
        }
        if ((await stores.environments.get(name)) !== undefined)
          throw new Refused({ code: 'exists', message: `there is an environment "${name}" already` })
        const record = { name, unitSalt: newId(saltLength), rulesetVersion: 1, holdback: 0, createdAt: clock.now() }
        await stores.environments.insert(record)
        await audit(stores, name, 'create', `environment:${name}`, by, { after: { name } })
        return record
      }),
    setHoldback: (name, holdback, by) =>
      attempted(async (stores) => {
        await needEnvironment(stores, name)
        const before = (await stores.environments.get(name)) as EnvironmentRecord
        if (!isWeight(holdback)) {
          const issues = [{ path: 'holdback', message: 'must be a share from 0 to 100 in steps of 0.001' }]
          throw new Refused({ code: 'invalid', message: `holdback cannot be ${holdback}`, issues })
        }
        if (before.holdback === holdback) return before
        await stores.environments.setHoldback(name, holdback)
        const images = { before: { holdback: before.holdback }, after: { holdback } }
        await audit(stores, name, 'edit', `environment:${name}`, by, images)
        await publish(stores, name)
        return (await stores.environments.get(name)) as EnvironmentRecord
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
        if (members.size > mostMembers)
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
  }
}

function refuseInUse(what: string, users: readonly string[], instead: string): void {
  if (users.length === 0) return
  throw new Refused({ code: 'in-use', message: `${what} is used by ${users.join(', ')}; ${instead}` })
}

/** A list of a million members has no place in the audit log; its length has. */
function withoutList(definition: CohortDefinition): unknown {
  const { members, ...rest } = definition
  return members === undefined ? rest : { ...rest, members: members.length }
}

function refuseInvalid(what: string, issues: readonly Issue[]): void {
  if (issues.length === 0) return
  throw new Refused({ code: 'invalid', message: `${what} cannot be taken as it is: ${issueText(issues)}`, issues })
}

/** The cohorts as they would be: none may refer to itself or to one that is not there. */
async function checkCohort(stores: Stores, environment: string, changed: CohortDefinition): Promise<void> {
  const parsed = parseCohort(toCohortFile(changed))
  if (!parsed.ok) refuseInvalid(`cohort ${changed.key}`, parsed.issues)
  if (changed.when === undefined) return
  const cohorts: { [key: string]: Pick<CohortDefinition, 'when'> } = {}
  for (const record of await stores.cohorts.list(environment)) cohorts[record.key] = record.definition
  cohorts[changed.key] = changed
  // The graph names faults by cohort; whoever sent this one looks for them in its condition.
  const issues = validateCohortGraph(cohorts).map(({ path, message }) => {
    const [cohort] = path.split('.when')
    return { path: 'when', message: cohort === changed.key ? message : `cohort ${cohort} ${message}` }
  })
  refuseInvalid(`cohort ${changed.key}`, issues)
}

/** What a metric counts stays the same under a rollout compared by it: half of the evidence would be about something else. */
async function checkMetric(stores: Stores, environment: string, changed: MetricDefinition): Promise<void> {
  const parsed = parseMetric(toMetricFile(changed))
  if (!parsed.ok) refuseInvalid(`metric ${changed.key}`, parsed.issues)
  const before = (await stores.metrics.get(environment, changed.key))?.definition
  if (before === undefined || countsTheSame(before, changed)) return
  const users = await usersOfMetric(stores, environment, changed.key, isDeciding)
  const instead = 'what it counts cannot change while they run; make a metric of another key'
  refuseInUse(`metric ${changed.key}`, users, instead)
}

const isDeciding = ({ state }: RolloutRecord): boolean =>
  state.phase === 'running' || state.phase === 'paused' || state.phase === 'awaiting-approval'
