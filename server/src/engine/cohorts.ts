import { setImmediate } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { validateCohortGraph } from '@pipit/shared/rules'
import { type CohortDefinition, type CohortInput, parseCohort } from '../rollout/index.ts'
import type { CatalogRecord, Stores } from '../storage/ports.ts'
import type { ByWhom, Catalog } from './api.ts'
import { type Expected, refuseInUse, refuseInvalid, refuseUnexpected } from './catalog-refusals.ts'
import { attempter, type CommandParts, needEnvironment, Refused, refuseStale } from './commands.ts'
import type { MemberLists } from './member-lists.ts'
import { auditor, publisher } from './record-change.ts'
import { usersOfCohort } from './references.ts'

type CohortRecord = CatalogRecord<CohortDefinition>

/** Ids that were put on a list and taken off it. */
interface Moved {
  readonly add: readonly string[]
  readonly remove: readonly string[]
}

/** Members of one cohort: each SDK holds them all. */
const mostMembers = 1_000_000
/** Members of all cohorts of an environment: 11 characters each at the most, and the rest of a ruleset have room in `wireLimits.rulesetBytes`. */
const mostTogether = 5_000_000
/** Ids of a change that the audit log names; of the others it has the number. */
const auditedIds = 10
const pageSize = 10_000
const nobody: Moved = { add: [], remove: [] }

type Cohorts = Pick<Catalog, 'createCohort' | 'putCohort' | 'removeCohort' | 'changeMembers'>

/** Changes of cohorts and of who is listed in them, each one transaction. What changes nothing is not written. */
export function createCohorts(parts: CommandParts & { readonly memberLists: MemberLists }): Cohorts {
  const { clock, newId, memberLists } = parts
  const audit = auditor(parts)
  const attempted = attempter(parts)
  const publish = publisher(parts)

  async function put(
    stores: Stores,
    environment: string,
    input: CohortInput,
    by: ByWhom,
    expected: Expected,
  ): Promise<CohortRecord> {
    await needEnvironment(stores, environment)
    const { key, members, ...rest } = input
    const before = await stores.cohorts.get(environment, key)
    refuseUnexpected(`cohort ${key}`, environment, before, expected)
    const listed = before?.definition.members
    const definition = { key, ...rest, ...(listed === undefined ? {} : { members: listed }) }
    if (!isDeepStrictEqual(before?.definition, definition)) await checkCohort(stores, environment, definition, members)
    const moved = members === undefined ? nobody : await replaceMembers(stores, environment, key, members)
    const isListNew = members !== undefined && listed === undefined
    return await write(stores, environment, definition, { before, moved, isListNew, by })
  }

  async function changeMembers(
    stores: Stores,
    environment: string,
    key: string,
    change: Partial<Moved>,
    by: ByWhom,
  ): Promise<CohortRecord> {
    const before = await find(stores, environment, key)
    // In this order: what is both removed and added is in.
    const remove = await inParts(change.remove ?? [], (ids) => stores.members.remove(environment, key, ids))
    const add = await inParts(change.add ?? [], (ids) => stores.members.add(environment, key, ids))
    return await write(stores, environment, before.definition, { before, moved: { add, remove }, by })
  }

  /** Writes the cohort with the members that were moved; as it was where nothing has changed. */
  async function write(
    stores: Stores,
    environment: string,
    definition: CohortDefinition,
    {
      before,
      moved,
      isListNew = false,
      by,
    }: {
      readonly before: CohortRecord | undefined
      readonly moved: Moved
      readonly isListNew?: boolean
      readonly by: ByWhom
    },
  ): Promise<CohortRecord> {
    const { key, members: listed } = definition
    const isListChanged = isListNew || moved.add.length + moved.remove.length > 0
    if (before !== undefined && !isListChanged && isDeepStrictEqual(before.definition, definition)) return before
    const count = (listed?.count ?? 0) + moved.add.length - moved.remove.length
    await refuseTooMany(stores, environment, definition, count)
    const members = isListChanged ? { count, revision: newId() } : listed
    const record = {
      environment,
      key,
      definition: { ...definition, ...(members === undefined ? {} : { members }) },
      version: (before?.version ?? 0) + 1,
      updatedAt: clock.now(),
    }
    if (before === undefined) await stores.cohorts.insert(record)
    else await stores.cohorts.update(record, before.version)
    if (isListChanged && members !== undefined)
      memberLists.changing(environment, key, { from: listed?.revision, to: members.revision, ...moved })
    await audit(stores, environment, before === undefined ? 'create' : 'edit', `cohort:${key}`, by, {
      ...(before === undefined ? {} : { before: imageOf(before) }),
      after: { ...imageOf(record), ...sampleOf(moved) },
    })
    await publish(stores, environment)
    return record
  }

  return {
    createCohort: (environment, input, by) => attempted((stores) => put(stores, environment, input, by, 'new')),
    putCohort: (environment, input, by, version) =>
      attempted((stores) => put(stores, environment, input, by, { version })),
    changeMembers: (environment, key, change, by) =>
      attempted((stores) => changeMembers(stores, environment, key, change, by)),
    removeCohort: (environment, key, by, version) =>
      attempted(async (stores) => {
        const before = await find(stores, environment, key)
        refuseStale(`cohort ${key}`, before.version, version)
        refuseInUse(`cohort ${key}`, await usersOfCohort(stores, environment, key), 'take it out there first')
        await stores.cohorts.delete(environment, key, before.version)
        await stores.members.clear(environment, key)
        await audit(stores, environment, 'delete', `cohort:${key}`, by, { before: imageOf(before) })
        await publish(stores, environment)
        return undefined
      }),
  }
}

async function find(stores: Stores, environment: string, key: string): Promise<CohortRecord> {
  const record = await stores.cohorts.get(environment, key)
  if (record === undefined)
    throw new Refused({ code: 'not-found', message: `there is no cohort "${key}" in ${environment}` })
  return record
}

/** A ruleset that is too large for a message would reach no SDK any more. */
async function refuseTooMany(
  stores: Stores,
  environment: string,
  { key, members }: CohortDefinition,
  count: number,
): Promise<void> {
  if (count <= (members?.count ?? 0)) return
  if (count > mostMembers) {
    throw new Refused({
      code: 'limit-reached',
      message: `cohort ${key} would have ${count} members; at most 1,000,000 are kept`,
    })
  }
  const others = (await stores.cohorts.list(environment)).filter((record) => record.key !== key)
  const together = others.reduce((sum, { definition }) => sum + (definition.members?.count ?? 0), count)
  if (together <= mostTogether) return
  throw new Refused({
    code: 'limit-reached',
    message: `the cohorts of ${environment} would have ${together} members together; at most 5,000,000 are sent to SDKs: remove cohorts that nothing uses, or use conditions`,
  })
}

/** Makes the list what is given. */
async function replaceMembers(
  stores: Stores,
  environment: string,
  key: string,
  members: readonly string[],
): Promise<Moved> {
  const lacking = new Set(members)
  const gone: string[] = []
  let after = ''
  for (;;) {
    const page = await stores.members.page(environment, key, { after, limit: pageSize })
    for (const id of page) if (!lacking.delete(id)) gone.push(id)
    const last = page.at(-1)
    if (last === undefined || page.length < pageSize) break
    after = last
    await setImmediate()
  }
  const remove = await inParts(gone, (ids) => stores.members.remove(environment, key, ids))
  return { add: await inParts([...lacking], (ids) => stores.members.add(environment, key, ids)), remove }
}

/** Many ids part by part: everything but other changes has its turn in between. */
async function inParts(
  ids: readonly string[],
  move: (part: readonly string[]) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const moved: string[] = []
  for (let i = 0; i < ids.length; i += pageSize) {
    if (i > 0) await setImmediate()
    moved.push(...(await move(ids.slice(i, i + pageSize))))
  }
  return moved
}

/** A list of a million members has no place in the audit log; its length has, and the first few of those that a change moves. */
function imageOf({ version, definition: { members, ...rest } }: CohortRecord): object {
  return { version, definition: members === undefined ? rest : { ...rest, members: members.count } }
}

function sampleOf({ add, remove }: Moved): object {
  const sample = (ids: readonly string[]) => ({ count: ids.length, ids: ids.slice(0, auditedIds) })
  return {
    ...(add.length === 0 ? {} : { added: sample(add) }),
    ...(remove.length === 0 ? {} : { removed: sample(remove) }),
  }
}

/** The cohorts as they would be: none may be empty by itself, refer to itself or to one that is not there. */
async function checkCohort(
  stores: Stores,
  environment: string,
  changed: CohortDefinition,
  members: readonly string[] | undefined,
): Promise<void> {
  const { members: listed, ...rest } = changed
  const parsed = parseCohort(rest)
  if (!parsed.ok) refuseInvalid(`cohort ${changed.key}`, parsed.issues)
  if (changed.when === undefined && members === undefined && listed === undefined) {
    const message = 'must have a condition (when), a list of members, or both'
    refuseInvalid(`cohort ${changed.key}`, [{ path: '', message }])
  }
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
