import { type Ruleset, type RulesetCohort, type RulesetRollout, sameJson } from '../rules/index.ts'
import type { PatchMessage, RolloutPatch } from './messages.ts'
import { readRollout } from './parse-ruleset.ts'

type Fields = { readonly [field: string]: unknown }

/** What leads from one ruleset to another; only changed top-level fields of a rollout are named. */
export function diffRulesets(from: Ruleset, to: Ruleset): PatchMessage {
  const rollouts: { [key: string]: RolloutPatch } = {}
  for (const [key, rollout] of Object.entries(to.rollouts)) {
    const patch = diffRollout(Object.hasOwn(from.rollouts, key) ? from.rollouts[key] : undefined, rollout)
    if (Object.keys(patch).length > 0) rollouts[key] = patch
  }
  const cohorts: { [key: string]: RulesetCohort } = {}
  for (const [key, cohort] of Object.entries(to.cohorts)) {
    if (!Object.hasOwn(from.cohorts, key) || !sameJson(from.cohorts[key], cohort)) cohorts[key] = cohort
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
 * The ruleset after a patch, or undefined where the patch does not fit: another starting version, or a rollout that would be of a
 * wrong shape. Ask for the whole ruleset then. What did not change keeps its identity.
 */
export function applyPatch(ruleset: Ruleset, patch: PatchMessage): Ruleset | undefined {
  if (patch.from !== ruleset.version) return undefined
  const rollouts = applyRollouts(ruleset, patch)
  if (rollouts === undefined) return undefined
  const cohortsChange = patch.cohorts !== undefined || patch.removed?.cohorts !== undefined
  const cohorts = cohortsChange
    ? without({ ...ruleset.cohorts, ...patch.cohorts }, patch.removed?.cohorts)
    : ruleset.cohorts
  const { holdback = ruleset.holdback } = patch
  return { ...ruleset, version: patch.version, ...(holdback === undefined ? {} : { holdback }), rollouts, cohorts }
}

function applyRollouts(ruleset: Ruleset, patch: PatchMessage): Ruleset['rollouts'] | undefined {
  if (patch.rollouts === undefined && patch.removed?.rollouts === undefined) return ruleset.rollouts
  const changed: { [key: string]: RulesetRollout } = {}
  for (const [key, fields] of Object.entries(patch.rollouts ?? {})) {
    const before = Object.hasOwn(ruleset.rollouts, key) ? ruleset.rollouts[key] : undefined
    const merged = Object.fromEntries(Object.entries({ ...before, ...fields }).filter(([, value]) => value !== null))
    try {
      changed[key] = readRollout(merged, key)
    } catch {
      return undefined
    }
  }
  return without({ ...ruleset.rollouts, ...changed }, patch.removed?.rollouts)
}

function without<T>(
  record: { readonly [key: string]: T },
  keys: readonly string[] | undefined,
): { readonly [key: string]: T } {
  if (keys === undefined) return record
  return Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)))
}
