import type { Attributes } from '../rules/index.ts'
import type { CompiledRollout, CompiledRuleset, SliceReader } from './compile.ts'
import type { DecideContext, Decision, Reason, User } from './decision.ts'
import { type DecideEnvironment, nowhere } from './environment.ts'
import { newResolution, type Resolution, resolve } from './resolve.ts'

/** As `wireLimits.sliceValueLength`, which lies a layer above. */
const longestValue = 64

/**
 * Decides for one user and one rollout, in the order of the design's section 4: readiness, phase, breaker, eligibility, override, rules,
 * stage cohorts, split. Pure and synchronous; never throws, whatever the user object does.
 */
export function decide(
  ruleset: CompiledRuleset | undefined,
  key: string,
  user: User | undefined,
  context?: DecideContext,
  environment: DecideEnvironment = nowhere,
): Decision {
  if (ruleset === undefined) return undecided(key, 'not-ready', 0)
  const rollout = ruleset.rollout(key)
  if (rollout === undefined) return undecided(key, 'unknown-rollout', ruleset.version)
  const out = newResolution()
  resolve(ruleset, rollout, user, context, environment, out)
  return decisionOf(ruleset, rollout, user, out)
}

/** The whole decision of what was resolved. */
export function decisionOf(
  ruleset: CompiledRuleset,
  rollout: CompiledRollout,
  user: User | undefined,
  { arm, cause: { reason, rule, randomised }, unit }: Resolution,
): Decision {
  const decision: Decision = {
    rollout: rollout.key,
    variant: arm.name,
    payload: arm.payload,
    reason,
    rule,
    stage: rollout.stage,
    epoch: rollout.epoch,
    version: ruleset.version,
    randomised,
    unit,
  }
  const slice = sliceOf(rollout, user, reason)
  return slice === undefined ? decision : { ...decision, slice }
}

/** Of a decision by split, the user's values of the rollout's slices, where it has any. */
export function sliceOf(rollout: CompiledRollout, user: User | undefined, reason: string): Decision['slice'] {
  return rollout.slices === undefined || reason !== 'split' ? undefined : valuesOf(rollout.slices, user)
}

/** Texts, numbers and booleans; anything else is none. */
function valuesOf(slices: readonly SliceReader[], user: User | undefined): NonNullable<Decision['slice']> {
  const values: { [attribute: string]: string } = {}
  const attributes: Attributes =
    typeof user === 'string' ? { id: user } : typeof user === 'object' && user !== null ? user : {}
  for (const { attribute, read } of slices) {
    try {
      const value = read(attributes)
      if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
        values[attribute] = String(value).slice(0, longestValue)
    } catch {
      // An attribute that throws when read is none.
    }
  }
  return values
}

function undecided(key: string, reason: Reason, version: number): Decision {
  return {
    rollout: key,
    variant: 'stable',
    payload: undefined,
    reason,
    rule: undefined,
    stage: undefined,
    epoch: 0,
    version,
    randomised: false,
    unit: undefined,
  }
}
