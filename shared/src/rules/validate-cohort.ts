import type { Issue } from '../base/index.ts'
import type { RulesetCohort } from './model.ts'
import { cohortsInCondition, validateCondition } from './validate-condition.ts'

/** Cohorts that may be asked one through the other. */
const chainLimit = 16

/** Every fault of a cohort by itself: its condition and its list of members. */
export function validateCohort(value: unknown, path: string): Issue[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return [{ path, message: 'must be an object with when, members, or both' }]
  }
  const when: unknown = Reflect.get(value, 'when')
  const members: unknown = Reflect.get(value, 'members')
  const issues = when === undefined ? [] : validateCondition(when, `${path}.when`)
  if (when === undefined && members === undefined) {
    issues.push({ path, message: 'must have a condition (when), a list of members, or both' })
  }
  if (members !== undefined && !Array.isArray(members)) {
    issues.push({ path: `${path}.members`, message: 'must be a list of ids' })
  } else {
    const wrong = (members ?? []).findIndex((id: unknown) => typeof id !== 'string' || id === '')
    if (wrong >= 0) issues.push({ path: `${path}.members[${wrong}]`, message: 'must be a text that is not empty' })
  }
  return issues
}

/** Cycles, dangling references and overlong chains among cohorts; the first overlong chain ends the search. */
export function validateCohortGraph(cohorts: { readonly [key: string]: Pick<RulesetCohort, 'when'> }): Issue[] {
  const issues: Issue[] = []
  /** Length of the longest chain from each cohort that has been walked. */
  const heights = new Map<string, number>()
  const tooLong = (key: string): undefined => {
    issues.push({ path: `${key}.when`, message: `refers to cohorts through more than ${chainLimit} others` })
  }
  /** The length of the longest chain from here, or undefined when one is too long to go on. */
  const visit = (key: string, trail: readonly string[]): number | undefined => {
    const known = heights.get(key)
    if (known !== undefined) return known
    if (trail.includes(key)) {
      issues.push({ path: `${trail[0]}.when`, message: `refers to itself: ${[...trail, key].join(' → ')}` })
      return 0
    }
    if (trail.length > chainLimit) return tooLong(trail[0] ?? key)
    let height = 0
    for (const other of cohortsInCondition(cohorts[key]?.when)) {
      if (!Object.hasOwn(cohorts, other)) {
        issues.push({ path: `${key}.when`, message: `there is no cohort "${other}"` })
        continue
      }
      const below = visit(other, [...trail, key])
      if (below === undefined) return undefined
      height = Math.max(height, below + 1)
    }
    if (height > chainLimit) return tooLong(key)
    heights.set(key, height)
    return height
  }
  for (const key of Object.keys(cohorts)) if (visit(key, []) === undefined) break
  return issues
}
