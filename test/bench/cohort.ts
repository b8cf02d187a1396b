/**
 * `npm run bench -- cohort`: a cohort of a million listed members against a `Set` of their ids: bytes, building, look-ups, and a change of
 * 1 000 members. Ids are UUIDs; every text that is looked up is one that was read apart from the list, as ids of requests are.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { hash64, prepareHash64 } from '@pipit/shared/hash'
import {
  applyMembers,
  createCohortIndex,
  decodeHashes,
  diffMembers,
  isMember,
  MemberList,
  memberListOf,
} from '@pipit/shared/rules'
import type { Row } from './row.ts'
import { type Candidate, printTimings, sideBySide } from './side-by-side.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const count = 1_000_000
const changed = 1000
const lookUps = 100_000
const unitSalt = '0123456789abcdef'
const salt = prepareHash64(unitSalt)

/** What the heap and its buffers grow by when this is made and kept. Buffers are let go of in the background. */
async function weigh<T>(make: () => T): Promise<{ readonly made: T; readonly bytes: number }> {
  collect()
  await setTimeout(100)
  const before = process.memoryUsage()
  const made = make()
  collect()
  await setTimeout(100)
  const after = process.memoryUsage()
  return { made, bytes: after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers }
}

/** A text of its own with the same characters: neither its place in memory nor its hash are known to the engine. */
const fresh = (id: string): string => Buffer.from(id).toString('latin1')

const ids = Array.from({ length: count }, () => randomUUID())
const strangers = Array.from({ length: lookUps }, () => randomUUID() as string)
const hits = Array.from({ length: lookUps }, (_, i) => fresh(ids[(i * 7919) % count] as string))
const idsText = JSON.stringify(ids)

// Made once before, so that what the compiler keeps is not weighed.
memberListOf(ids, salt)
const list = await weigh(() => memberListOf(ids, salt))
const listText = JSON.stringify(list.made)
const ownSet = await weigh(() => new Set<string>(JSON.parse(idsText) as string[]))
const set = ownSet.made

const perMember = (bytes: number): string => (bytes / count).toFixed(2).padStart(7)
console.log(`a cohort of ${count} UUIDs: bytes a member`)
console.log(`  in memory    member list ${perMember(list.bytes)}   Set of ids ${perMember(ownSet.bytes)}`)
console.log(`  on the wire  member list ${perMember(listText.length)}   list of ids ${perMember(idsText.length)}`)

const decoded = (text: string): MemberList => {
  const { count: size, hashes } = JSON.parse(text) as { count: number; hashes: string }
  const read = decodeHashes(size, hashes)
  if (typeof read === 'string') throw new Error(read)
  return new MemberList(read)
}
const whole = (name: string, make: () => { readonly count: number } | { readonly size: number }): Candidate => ({
  name,
  run: () => Object.keys(make()).length,
})
printTimings(
  'building, for one member',
  sideBySide(
    [
      whole('Set from ids', () => new Set(ids)),
      whole('member list from ids', () => memberListOf(ids, salt)),
      whole('Set from the wire', () => new Set(JSON.parse(idsText) as string[])),
      whole('member list from the wire', () => decoded(listText)),
      whole('member list to the wire', () => ({ count: JSON.stringify(list.made).length })),
    ],
    count,
    5,
  ),
)

const index = createCohortIndex({ listed: { members: list.made } }, { unitSalt })
const cohort = index.cohort('listed')
if (cohort === undefined) throw new Error('the cohort was not compiled')
const countIn = (of: readonly string[], test: (id: string) => boolean) => (): number => {
  let found = 0
  for (let i = 0; i < of.length; i++) if (test(of[i] as string)) found++
  return found
}
/** A `Set` keeps the hash in the text it was asked for, so that each text is asked for once only. */
const rounds = 7
const warm = 3
const untimed = 1
function once(of: readonly string[], test: (id: string) => boolean): () => number {
  const texts = Array.from({ length: (1 + untimed) * rounds + warm }, () => of.map(fresh))
  let round = 0
  return () => countIn(texts[round++] as readonly string[], test)()
}
const nobody = {}
for (const [title, of] of [
  ['look-up of a member', hits],
  ['look-up of a stranger', strangers],
] as const) {
  printTimings(
    `${title}, by an id just read`,
    sideBySide(
      [
        { name: 'Set of ids', run: once(of, (id) => set.has(id)) },
        { name: 'cohort with a member list', run: once(of, (id) => isMember(cohort, id, nobody)) },
        { name: 'its hash alone', run: once(of, (id) => (hash64(salt, id) & 1) === 1) },
      ],
      lookUps,
      rounds,
      // The list fits into the caches, and in an application stays there; a Set does not.
      untimed,
    ),
  )
}

/** What a look-up takes when nobody else is at the machine: other programs can only make it slower. */
function quickest(run: () => number): string {
  const times = Array.from({ length: rounds + warm }, () => {
    const began = performance.now()
    run()
    return ((performance.now() - began) * 1e6) / lookUps
  })
  return Math.min(...times.slice(warm)).toFixed(1)
}
const alone = [hits, strangers].map((of) => quickest(once(of, (id) => isMember(cohort, id, nobody))))
console.log(
  `\nquickest round of look-ups in the cohort: members ${alone[0]} ns, strangers ${alone[1]} ns (150 is the limit)`,
)

const few = hits.slice(0, 10_000)
printTimings(
  'look-up of one of 10 000 members, by a text asked for before (a Set keeps the hash in it)',
  sideBySide(
    [
      { name: 'Set of ids', run: countIn(few, (id) => set.has(id)) },
      { name: 'cohort with a member list', run: countIn(few, (id) => isMember(cohort, id, nobody)) },
    ],
    few.length,
    51,
  ),
)

const add = memberListOf(strangers.slice(0, changed / 2), salt)
const remove = memberListOf(ids.slice(0, changed / 2), salt)
const next = list.made.with({ add, remove })
const delta = diffMembers(list.made, next)
if (delta === undefined) throw new Error('nothing changed')
const nextIds = [...ids.slice(changed / 2), ...strangers.slice(0, changed / 2)]
console.log(`\na change of ${changed} members: ${JSON.stringify(delta).length} bytes on the wire as a delta`)
printTimings(
  'that change, as a whole',
  sideBySide(
    [
      { name: 'Set copied and changed', run: () => changedSet().size },
      { name: 'Set from the new list of ids', run: () => new Set(nextIds).size },
      { name: 'member list by delta', run: () => applyMembers(list.made, delta)?.count ?? 0 },
      { name: 'delta of two member lists', run: () => diffMembers(list.made, next)?.add?.count ?? 0 },
    ],
    1,
    7,
  ),
)

function changedSet(): Set<string> {
  const copy = new Set(set)
  for (const id of ids.slice(0, changed / 2)) copy.delete(id)
  for (const id of strangers.slice(0, changed / 2)) copy.add(id)
  return copy
}

export function rows(): Promise<readonly Row[]> {
  const slowest = Math.max(...alone.map(Number))
  return Promise.resolve([
    {
      ...{ claim: 'look-up in a cohort of a million members, quickest round', ours: `${slowest.toFixed(1)} ns` },
      ...{ bar: 'at most 150 ns', met: slowest <= 150 },
    },
  ])
}
