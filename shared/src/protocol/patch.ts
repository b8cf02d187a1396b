import { type Ruleset, type RulesetCohort, type RulesetRollout, sameJson } from '../rules/index.ts'
import { applyCohortPatch, diffCohort } from './cohort-patch.ts'
import type { CohortPatch, PatchMessage, RolloutPatch } from './messages.ts'
import { readRollout } from './parse-ruleset.ts'

type Fields = { readonly [field: string]: unknown }

/** What leads from one ruleset to another; only changed top-level fields of a rollout or cohort are named. */
export function diffRulesets(from: Ruleset, to: Ruleset): PatchMessage {
  const rollouts: { [key: string]: RolloutPatch } = {}
  for (const [key, rollout] of Object.entries(to.rollouts)) {
    const patch = diffRollout(Object.hasOwn(from.rollouts, key) ? from.rollouts[key] : undefined, rollout)
    if (Object.keys(patch).length > 0) rollouts[key] = patch
  }
  const cohorts: { [key: string]: CohortPatch } = {}
  for (const [key, cohort] of Object.entries(to.cohorts)) {
    const patch = diffCohort(Object.hasOwn(from.cohorts, key) ? from.cohorts[key] : undefined, cohort)
    if (patch !== undefined) cohorts[key] = patch
  }
  const goneRollouts = Object.keys(from.rollouts).filter((key) => !Object.hasOwn(to.rollouts, key))
  const goneCohorts = Object.keys(from.cohorts).filter((key) => !Object.hasOwn(to.cohorts, key))
  const removed = {
    ...(goneRollouts.length > 0 ? { rollouts: goneRollouts } : {}),
    ...(goneCohorts.length > 0 ? { cohorts: goneCohorts } : {}),
  }
  return {
    type: 'patch',
    from: from.version,
    version: to.version,
    ...((from.holdback ?? 0) === (to.holdback ?? 0) ? {} : { holdback: to.holdback ?? 0 }),
    ...(Object.keys(rollouts).length > 0 ? { rollouts } : {}),
    ...(Object.keys(cohorts).length > 0 ? { cohorts } : {}),
    ...(Object.keys(removed).length > 0 ? { removed } : {}),
  }
}

function diffRollout(from: RulesetRollout | undefined, to: RulesetRollout): RolloutPatch {
  const before = (from ?? {}) as Fields
  const patch: { [field: string]: unknown } = {}
  for (const [field, value] of Object.entries(to)) if (!sameJson(before[field], value)) patch[field] = value
  for (const field of Object.keys(before)) if (!Object.hasOwn(to, field)) patch[field] = null
  return patch as RolloutPatch
}

/**
 * The ruleset after a patch, or undefined where the patch does not fit: another starting version, a rollout that would be of a wrong
 * shape, or changed members of a list that is not held. Ask for the whole ruleset then. What did not change keeps its identity.
 */
export function applyPatch(ruleset: Ruleset, patch: PatchMessage): Ruleset | undefined {
  if (patch.from !== ruleset.version) return undefined
  const rollouts = applyRollouts(ruleset, patch)
  if (rollouts === undefined) return undefined
  const cohorts = applyCohorts(ruleset, patch)
  if (cohorts === undefined) return undefined
  const { holdback = ruleset.holdback } = patch
  return { ...ruleset, version: patch.version, ...(holdback === undefined ? {} : { holdback }), rollouts, cohorts }
}

/** Whether a patch does no more than change rollouts that are there: as almost all do. */
export function changesRolloutsOnly(ruleset: Ruleset, patch: PatchMessage): boolean {
  return (
    patch.rollouts !== undefined &&
    patch.removed === undefined &&
    patch.cohorts === undefined &&
    patch.holdback === undefined &&
    Object.keys(patch.rollouts).every((key) => Object.hasOwn(ruleset.rollouts, key))
  )
}

/** The rollouts that a patch changes or brings, as they are then; undefined where one would be of a wrong shape. */
export function patchedRollouts(
  ruleset: Ruleset,
  { rollouts = {} }: PatchMessage,
): readonly (readonly [string, RulesetRollout])[] | undefined {
  try {
    return Object.entries(rollouts).map(([key, fields]) => {
      const before = Object.hasOwn(ruleset.rollouts, key) ? ruleset.rollouts[key] : undefined
      const merged = Object.fromEntries(Object.entries({ ...before, ...fields }).filter(([, value]) => value !== null))
      return [key, readRollout(merged, key)]
    })
  } catch {
    return undefined
  }
}

function applyRollouts(ruleset: Ruleset, patch: PatchMessage): Ruleset['rollouts'] | undefined {
  if (patch.rollouts === undefined && patch.removed?.rollouts === undefined) return ruleset.rollouts
  const changed = patchedRollouts(ruleset, patch)
  if (changed === undefined) return undefined
  return without({ ...ruleset.rollouts, ...Object.fromEntries(changed) }, patch.removed?.rollouts)
}

function applyCohorts(ruleset: Ruleset, patch: PatchMessage): Ruleset['cohorts'] | undefined {
  if (patch.cohorts === undefined && patch.removed?.cohorts === undefined) return ruleset.cohorts
  const changed: { [key: string]: RulesetCohort } = {}
  for (const [key, fields] of Object.entries(patch.cohorts ?? {})) {
    const cohort = applyCohortPatch(Object.hasOwn(ruleset.cohorts, key) ? ruleset.cohorts[key] : undefined, fields)
    if (cohort === undefined) return undefined
    changed[key] = cohort
  }
  return without({ ...ruleset.cohorts, ...changed }, patch.removed?.cohorts)
}

function without<T>(
  record: { readonly [key: string]: T },
  keys: readonly string[] | undefined,
): { readonly [key: string]: T } {
  if (keys === undefined) return record
  return Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)))
}
