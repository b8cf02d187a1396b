import type { Attributes } from './attributes.ts'
import type { RulesetCohort } from './model.ts'

/** A cohort made ready for asking. */
export interface Cohort {
  readonly source: RulesetCohort
  readonly members: ReadonlySet<unknown> | undefined
  readonly when: ((attributes: Attributes) => boolean) | undefined
  /** False when its condition could not be compiled: it holds its listed members, and no condition may rely on it. */
  readonly understood: boolean
  /** The cohorts that its condition refers to, as they were when it was compiled. */
  readonly uses: ReadonlyMap<string, Cohort | undefined>
}

/** Whether an id is listed in the cohort, or the user meets its condition. An id that is a number is its text. */
export function isMember(cohort: Cohort, id: unknown, user: Attributes): boolean {
  const { members, when } = cohort
  if (members !== undefined && (members.has(id) || (typeof id === 'number' && members.has(String(id))))) return true
  return when?.(user) === true
}
