import type { Attributes } from './attributes.ts'
import { type ConditionScope, compileCondition, type Predicate } from './condition.ts'
import type { RulesetCohort } from './model.ts'

/** Answers whether users are in cohorts. A cohort is compiled when it is first asked for. */
export interface CohortIndex extends ConditionScope {
  /** By the user's unit, or by the cohort's condition. */
  readonly has: (cohort: string, unit: string | undefined, attributes: Attributes) => boolean
  /** Cohorts with an operator this version does not know: they hold nobody by condition. */
  readonly unknownOperators: () => number
}

interface CompiledCohort {
  readonly members: ReadonlySet<string> | undefined
  readonly when: Predicate | undefined
}

export function createCohortIndex(cohorts: { readonly [key: string]: RulesetCohort }): CohortIndex {
  const compiled = new Map<string, CompiledCohort>()
  /** Cohorts being asked right now: a cycle, which the server refuses, ends here instead of in a stack overflow. */
  const asking = new Set<string>()
  let unknown = 0

  function compile(key: string): CompiledCohort | undefined {
    const known = compiled.get(key)
    if (known !== undefined) return known
    if (!Object.hasOwn(cohorts, key)) return undefined
    const cohort = cohorts[key] as RulesetCohort
    const when = cohort.when === undefined ? undefined : compileCondition(cohort.when, index)
    if (cohort.when !== undefined && when === undefined) unknown++
    const made = { members: cohort.members === undefined ? undefined : new Set(cohort.members), when }
    compiled.set(key, made)
    return made
  }

  function has(key: string, unit: string | undefined, attributes: Attributes): boolean {
    const cohort = compile(key)
    if (cohort === undefined) return false
    if (unit !== undefined && cohort.members?.has(unit) === true) return true
    if (cohort.when === undefined || asking.has(key)) return false
    asking.add(key)
    try {
      return cohort.when(attributes)
    } finally {
      asking.delete(key)
    }
  }

  const index: CohortIndex = {
    has,
    inCohort: (key, value, attributes) =>
      has(key, typeof value === 'string' || typeof value === 'number' ? String(value) : undefined, attributes),
    unknownOperators: () => unknown,
  }
  for (const key of Object.keys(cohorts)) compile(key)
  return index
}
