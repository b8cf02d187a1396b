import { setImmediate } from 'node:timers/promises'
import { prepareHash64, type SaltedHash64 } from '@pipit/shared/hash'
import { createMemberCollector, type MemberList, memberListOf } from '@pipit/shared/rules'
import type { CohortDefinition } from '../rollout/index.ts'
import type { CatalogRecord, EnvironmentRecord, Storage, Stores } from '../storage/ports.ts'

type CohortRecord = CatalogRecord<CohortDefinition>

/** A change of a list of members, from one revision to the next. What is both removed and added is in. */
export interface MemberStep {
  readonly from: string | undefined
  readonly to: string
  readonly add: readonly string[]
  readonly remove: readonly string[]
}

/** The hashed members of cohorts, as SDKs get them. */
export interface MemberLists {
  /**
   * The lists of all cohorts of an environment, by key: as of these records, or newer where storage is. Read from storage once, some seconds
   * for a million; then changed by what `changing` told.
   */
  of(
    environment: Pick<EnvironmentRecord, 'name' | 'unitSalt'>,
    cohorts: readonly CohortRecord[],
  ): Promise<ReadonlyMap<string, MemberList>>
  /** Told within the transaction of a change: revisions are random, so that one that is rolled back is never asked for. */
  changing(environment: string, cohort: string, step: MemberStep): void
}

interface Entry {
  /** Absent while the list is read for the first time. */
  at?: { readonly revision: string; readonly list: MemberList }
  /** By the revision they lead to. */
  readonly steps: Map<string, MemberStep>
  pending: number
  /** Revisions it had before, newest last: whoever asks for one of them gets what is newer. */
  readonly past: string[]
  reading?: Promise<Entry['at']>
}

const pageSize = 10_000
/** Ids of changes that wait to be asked for; more are forgotten, and the list is read again. */
const mostPending = 200_000
const mostPast = 100
/** Readings that a change has overtaken before one is made that none can overtake. */
const attempts = 3

export function createMemberLists({ storage }: { readonly storage: Storage }): MemberLists {
  const environments = new Map<string, Map<string, Entry>>()

  async function listOf(
    environment: string,
    salt: SaltedHash64,
    { key, definition }: CohortRecord,
    entries: Map<string, Entry>,
  ): Promise<MemberList | undefined> {
    const wanted = definition.members?.revision
    if (wanted === undefined) {
      entries.delete(key)
      return undefined
    }
    const known = entries.get(key)
    const entry: Entry = known ?? { steps: new Map(), pending: 0, past: [] }
    if (known === undefined) entries.set(key, entry)
    for (;;) {
      const list = advance(entry, wanted, salt)
      if (list !== undefined) return list
      // What is being read already may be older than this record; what is read from now on is not.
      if (entry.reading === undefined) return (await readInto(entry, environment, key, salt))?.list
      await entry.reading
    }
  }

  function readInto(entry: Entry, environment: string, key: string, salt: SaltedHash64): Promise<Entry['at']> {
    entry.reading = read(environment, key, salt)
      .then((at) => {
        if (at !== undefined) entry.at = at
        entry.past.length = 0
        return at
      })
      .finally(() => {
        delete entry.reading
      })
    return entry.reading
  }

  /** The list and its revision; undefined where the cohort or its list is gone meanwhile. */
  async function read(environment: string, key: string, salt: SaltedHash64): Promise<Entry['at']> {
    for (let i = 0; i < attempts; i++) {
      const before = await revisionOf(storage, environment, key)
      if (before === undefined) return undefined
      const list = await readAll(storage, environment, key, salt, setImmediate)
      if ((await revisionOf(storage, environment, key))?.revision === before.revision)
        return { revision: before.revision, list }
    }
    return await storage.transaction(async (stores) => {
      const members = await revisionOf(stores, environment, key)
      if (members === undefined) return undefined
      return { revision: members.revision, list: await readAll(stores, environment, key, salt, () => undefined) }
    })
  }

  return {
    async of({ name, unitSalt }, cohorts) {
      const entries = environments.get(name) ?? new Map<string, Entry>()
      environments.set(name, entries)
      const there = new Set(cohorts.map(({ key }) => key))
      for (const key of entries.keys()) if (!there.has(key)) entries.delete(key)
      const salt = prepareHash64(unitSalt)
      const lists = new Map<string, MemberList>()
      for (const cohort of cohorts) {
        const list = await listOf(name, salt, cohort, entries)
        if (list !== undefined) lists.set(cohort.key, list)
      }
      return lists
    },
    changing(environment, cohort, step) {
      const entry = environments.get(environment)?.get(cohort)
      if (entry === undefined) return
      entry.pending += step.add.length + step.remove.length
      if (entry.pending > mostPending) forgetSteps(entry)
      else entry.steps.set(step.to, step)
    },
  }
}

async function revisionOf(stores: Stores, environment: string, key: string): Promise<CohortDefinition['members']> {
  return (await stores.cohorts.get(environment, key))?.definition.members
}

/** Page by page; `rest` is called in between. */
async function readAll(
  stores: Stores,
  environment: string,
  key: string,
  salt: SaltedHash64,
  rest: () => unknown,
): Promise<MemberList> {
  const collector = createMemberCollector(salt)
  let after = ''
  for (;;) {
    const ids = await stores.members.page(environment, key, { after, limit: pageSize })
    for (const id of ids) collector.add(id)
    const last = ids.at(-1)
    if (last === undefined || ids.length < pageSize) return collector.list()
    after = last
    await rest()
  }
}

/** The list at a revision, by the steps that lead there; undefined where they are not known. */
function advance(entry: Entry, wanted: string, salt: SaltedHash64): MemberList | undefined {
  if (entry.at === undefined) return undefined
  if (entry.at.revision === wanted || entry.past.includes(wanted)) return entry.at.list
  const way: MemberStep[] = []
  for (let at: string | undefined = wanted; at !== entry.at.revision; ) {
    const step: MemberStep | undefined = at === undefined ? undefined : entry.steps.get(at)
    if (step === undefined) return undefined
    way.push(step)
    at = step.from
  }
  let { list } = entry.at
  for (const step of way.toReversed()) {
    list = list.with({ add: memberListOf(step.add, salt), remove: memberListOf(step.remove, salt) })
    entry.past.push(step.from ?? '')
    entry.steps.delete(step.to)
    entry.pending -= step.add.length + step.remove.length
  }
  entry.past.splice(0, entry.past.length - mostPast)
  entry.at = { revision: wanted, list }
  return list
}

function forgetSteps(entry: Entry): void {
  entry.steps.clear()
  entry.pending = 0
}
