import { prepareHash64, type SaltedHash64 } from '../hash/index.ts'
import type { Cohort } from './cohort.ts'
import { type ConditionScope, compileCondition } from './condition.ts'
import type { Ruleset, RulesetCohort } from './model.ts'
import { Uncompilable } from './operators.ts'

/** The cohorts of a ruleset, compiled. */
export interface CohortIndex extends ConditionScope {
  /** The salt that listed members are hashed with. */
  readonly salt: SaltedHash64
  /** Cohorts whose condition this version makes no sense of. */
  readonly unknownOperators: number
}

export interface CohortIndexOptions {
  /** What the ids of listed members were hashed with; without it nobody is found in a list. */
  readonly unitSalt?: string
  /** The index of the ruleset before. */
  readonly previous?: CohortIndex | undefined
}

/** Cohorts that are followed one through the other. */
const deepest = 64

/**
 * Compiles cohorts, those they refer to first. With `previous`, a cohort that is the same object and refers to the same ones is taken
 * over, and so is the condition of one whose members alone have changed. Cohorts that refer to each other in a circle, which the server
 * refuses, count as not understood.
 */
export function createCohortIndex(cohorts: Ruleset['cohorts'], options: CohortIndexOptions = {}): CohortIndex {
  const { unitSalt = '', previous } = options
  const salt = previous?.salt.salt === unitSalt ? previous.salt : prepareHash64(unitSalt)
  const compiled = new Map<string, Cohort>()
  const underway = new Set<string>()

  function find(key: string): Cohort | undefined {
    const known = compiled.get(key)
    if (known !== undefined || !Object.hasOwn(cohorts, key)) return known
    if (underway.has(key)) throw new Uncompilable(`cohort ${key} refers to itself`)
    // The server refuses chains of more than 16; a stack that overflows would end anywhere.
    if (underway.size >= deepest) throw new Uncompilable(`cohort ${key} is at the end of too long a chain`)
    underway.add(key)
    try {
      const source = cohorts[key] as RulesetCohort
      const made = compileCohort(source, salt, find, previous?.cohort(key))
      compiled.set(key, made)
      return made
    } finally {
      underway.delete(key)
    }
  }

  let unknown = 0
  for (const key of Object.keys(cohorts)) if (find(key)?.understood === false) unknown++
  return { cohort: (key) => compiled.get(key), salt, unknownOperators: unknown }
}

function compileCohort(
  source: RulesetCohort,
  salt: SaltedHash64,
  find: ConditionScope['cohort'],
  before: Cohort | undefined,
): Cohort {
  if (before !== undefined && before.source.when === source.when && sameUses(before.uses, find)) {
    if (before.source === source && before.salt === salt) return before
    return { ...before, source, salt, members: source.members }
  }
  const { scope, uses } = recordUses(find)
  const when = source.when === undefined ? undefined : compileCondition(source.when, scope)
  return {
    source,
    members: source.members,
    salt,
    when,
    understood: (source.when === undefined) === (when === undefined),
    uses,
  }
}

/** A scope that remembers what was asked of it. */
export function recordUses(find: ConditionScope['cohort']): {
  readonly scope: ConditionScope
  readonly uses: ReadonlyMap<string, Cohort | undefined>
} {
  const uses = new Map<string, Cohort | undefined>()
  const cohort = (key: string): Cohort | undefined => {
    // Asked for, even where the answer is that it refers to itself.
    uses.set(key, undefined)
    const found = find(key)
    uses.set(key, found)
    return found
  }
  return { scope: { cohort }, uses }
}

/** Whether all cohorts that were asked for are still the same. */
export function sameUses(uses: ReadonlyMap<string, Cohort | undefined>, find: ConditionScope['cohort']): boolean {
  try {
    for (const [key, cohort] of uses) if (find(key) !== cohort) return false
    return true
  } catch {
    return false
  }
}
