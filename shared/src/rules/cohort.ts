import { hash64, hash64Low, type SaltedHash64 } from '../hash/index.ts'
import type { Attributes } from './attributes.ts'
import type { MemberList } from './member-list.ts'
import type { RulesetCohort } from './model.ts'

/** A cohort made ready for asking. */
export interface Cohort {
  readonly source: RulesetCohort
  readonly members: MemberList | undefined
  /** The salt that its members are hashed with. */
  readonly salt: SaltedHash64
  readonly when: ((attributes: Attributes) => boolean) | undefined
  /** False when its condition could not be compiled: it holds its listed members, and no condition may rely on it. */
  readonly understood: boolean
  /** The cohorts that its condition refers to, as they were when it was compiled. */
  readonly uses: ReadonlyMap<string, Cohort | undefined>
}

/** The id that was hashed last: a decision asks several cohorts about one. */
let lastSalt: SaltedHash64 | undefined
let lastId = ''
/** The halves of its hash. A typed array, so that nothing is boxed. */
const lastHash = new Int32Array(2)

function isListed(members: MemberList, salt: SaltedHash64, id: string): boolean {
  if (id !== lastId || salt !== lastSalt) {
    lastHash[0] = hash64(salt, id)
    lastHash[1] = hash64Low()
    lastId = id
    lastSalt = salt
  }
  return members.has(lastHash[0] as number, lastHash[1] as number)
}

/** Whether an id is listed in the cohort, or the user meets its condition. An id that is a number is its text. */
export function isMember(cohort: Cohort, id: unknown, user: Attributes): boolean {
  const { members, when } = cohort
  if (members !== undefined && members.count > 0) {
    const text = typeof id === 'number' ? String(id) : id
    if (typeof text === 'string' && isListed(members, cohort.salt, text)) return true
  }
  return when?.(user) === true
}
