import { isDeepStrictEqual } from 'node:util'
import {
  countsTheSame,
  isWeight,
  keyPattern,
  type MetricDefinition,
  parseMetric,
  toMetricFile,
} from '../rollout/index.ts'
import type { CatalogRecord, EnvironmentRecord, RolloutRecord, Stores } from '../storage/ports.ts'
import type { ByWhom, Catalog, Publisher } from './api.ts'
import { type Expected, refuseInUse, refuseInvalid, refuseUnexpected } from './catalog-refusals.ts'
import { createCohorts } from './cohorts.ts'
import { attempter, type CommandParts, needEnvironment, Refused, refuseStale, saltLength } from './commands.ts'
import { createKeys } from './keys.ts'
import type { MemberLists } from './member-lists.ts'
import { createPageSecrets } from './page-secrets.ts'
import { auditor, publisher } from './record-change.ts'
import { usersOfMetric } from './references.ts'

/** Changes of cohorts, metrics, environments and keys, each one transaction. What changes nothing is not written. */
export function createCatalog(
  parts: CommandParts & { readonly publisher: Publisher; readonly memberLists: MemberLists },
): Catalog {
  const { clock, newId } = parts
  const audit = auditor(parts)
  const attempted = attempter(parts)
  const publish = publisher(parts)

  /** Makes or replaces a metric. */
  async function put(
    stores: Stores,
    environment: string,
    definition: MetricDefinition,
    by: ByWhom,
    expected: Expected,
  ): Promise<CatalogRecord<MetricDefinition>> {
    await needEnvironment(stores, environment)
    const { key } = definition
    const before = await stores.metrics.get(environment, key)
    refuseUnexpected(`metric ${key}`, environment, before, expected)
    if (before !== undefined && isDeepStrictEqual(before.definition, definition)) return before
    await checkMetric(stores, environment, definition)
    const record = { environment, key, definition, version: (before?.version ?? 0) + 1, updatedAt: clock.now() }
    if (before === undefined) await stores.metrics.insert(record)
    else await stores.metrics.update(record, before.version)
    await audit(stores, environment, before === undefined ? 'create' : 'edit', `metric:${key}`, by, {
      ...(before === undefined ? {} : { before: { version: before.version, definition: before.definition } }),
      after: { version: record.version, definition },
    })
    await publish(stores, environment)
    return record
  }

  async function remove(
    stores: Stores,
    environment: string,
    key: string,
    by: ByWhom,
    version: number | undefined,
  ): Promise<undefined> {
    const before = await stores.metrics.get(environment, key)
    if (before === undefined)
      throw new Refused({ code: 'not-found', message: `there is no metric "${key}" in ${environment}` })
    refuseStale(`metric ${key}`, before.version, version)
    refuseInUse(`metric ${key}`, await usersOfMetric(stores, environment, key), 'take it out there first')
    await stores.metrics.delete(environment, key, before.version)
    await audit(stores, environment, 'delete', `metric:${key}`, by, {
      before: { version: before.version, definition: before.definition },
    })
    await publish(stores, environment)
    return undefined
  }

  return {
    ...createKeys(parts),
    ...createPageSecrets(parts),
    ...createCohorts(parts),
    createEnvironment: (name, by) =>
      attempted(async (stores) => {
        if (!keyPattern.test(name)) {
          const issues = [{ path: 'name', message: 'must be 1 to 64 lower-case letters, digits, . _ -' }]
          throw new Refused({ code: 'invalid', message: 'this cannot be the name of an environment', issues })
        }
        if ((await stores.environments.get(name)) !== undefined)
          throw new Refused({ code: 'exists', message: `there is an environment "${name}" already` })
        const record = {
          name,
          unitSalt: newId(saltLength),
          rulesetVersion: 1,
          holdback: 0,
          userHash: 'off' as const,
          createdAt: clock.now(),
        }
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
    createMetric: (environment, definition, by) =>
      attempted((stores) => put(stores, environment, definition, by, 'new')),
    putMetric: (environment, definition, by, version) =>
      attempted((stores) => put(stores, environment, definition, by, { version })),
    removeMetric: (environment, key, by, version) =>
      attempted((stores) => remove(stores, environment, key, by, version)),
  }
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
