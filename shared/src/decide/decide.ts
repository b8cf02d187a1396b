import { bucketOf, saltedHash } from '../hash/index.ts'
import { type Attributes, isMember } from '../rules/index.ts'
import type { Arm, CompiledRollout, CompiledRuleset, SliceReader, Split } from './compile.ts'
import type { DecideContext, Decision, Reason, User } from './decision.ts'
import type { DecideEnvironment } from './environment.ts'

/** As `wireLimits.sliceValueLength`, which lies a layer above. */
const longestValue = 64
const noAttributes: Attributes = Object.freeze({})

/**
 * Decides for one user and one rollout, in the order of the design's section 4: readiness, phase, breaker, override, rules, stage
 * cohorts, split. Pure and synchronous; never throws, whatever the user object does.
 *
 * @param forcedStable why this SDK serves stable by itself: its breaker is open, or it has been without contact too long.
 * @param environment what the place of the decision gives to rules: the time, and reading user agents.
 */
export function decide(
  ruleset: CompiledRuleset | undefined,
  key: string,
  user: User | undefined,
  context?: DecideContext,
  forcedStable?: 'breaker' | 'deadman',
  environment?: DecideEnvironment,
): Decision {
  if (ruleset === undefined) return nowhere(key, 'not-ready', 0)
  const rollout = ruleset.rollout(key)
  if (rollout === undefined) return nowhere(key, 'unknown-rollout', ruleset.version)
  const unit = typeof user === 'string' ? unitOfText(rollout, user) : unitOf(rollout, user)
  if (!rollout.deciding) return answer(ruleset, rollout, rollout.fixed, 'phase', undefined, false, unit)
  if (forcedStable !== undefined) return answer(ruleset, rollout, rollout.stable, forcedStable, undefined, false, unit)
  if (unit !== undefined && rollout.overrides !== undefined) {
    const arm = rollout.overrides.get(unit)
    if (arm !== undefined) return answer(ruleset, rollout, arm, 'override', undefined, false, unit)
  }
  if (rollout.ruled) {
    const ruled = decideByRules(ruleset, rollout, user, context, environment, unit)
    if (ruled !== undefined) return ruled
  }
  if (unit === undefined) return answer(ruleset, rollout, rollout.stable, 'no-unit', undefined, false, undefined)
  const inside = bucketOf(saltedHash(rollout.salt, unit)) < rollout.bound
  const arm = inside ? canaryOf(rollout, unit) : rollout.stable
  const decision = answer(ruleset, rollout, arm, 'split', undefined, true, unit)
  return rollout.slices === undefined ? decision : { ...decision, slice: sliceOf(rollout.slices, user) }
}

/** The user's values of the rollout's slices: texts, numbers and booleans; anything else is none. */
function sliceOf(slices: readonly SliceReader[], user: User | undefined): { readonly [attribute: string]: string } {
  const values: { [attribute: string]: string } = {}
  const attributes = attributesOf(user)
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

function decideByRules(
  ruleset: CompiledRuleset,
  rollout: CompiledRollout,
  user: User | undefined,
  context: DecideContext | undefined,
  environment: DecideEnvironment | undefined,
  unit: string | undefined,
): Decision | undefined {
  const attributes = attributesOf(user)
  for (const rule of rollout.rules) {
    if (!rule.match(attributes, unit, context, environment)) continue
    const { serve } = rule
    if ('name' in serve) return answer(ruleset, rollout, serve, rule.reason, rule.name, false, unit)
    if (unit === undefined) return answer(ruleset, rollout, rollout.stable, 'no-unit', rule.name, false, undefined)
    return answer(ruleset, rollout, drawn(serve, unit), rule.reason, rule.name, true, unit)
  }
  for (const cohort of rollout.cohorts) {
    if (!isMember(cohort, unit, attributes)) continue
    const arm = unit === undefined ? rollout.canary : canaryOf(rollout, unit)
    return answer(ruleset, rollout, arm, 'cohort', undefined, false, unit)
  }
  return undefined
}

function canaryOf(rollout: CompiledRollout, unit: string): Arm {
  return rollout.split === undefined ? rollout.canary : drawn(rollout.split, unit)
}

function drawn(split: Split, unit: string): Arm {
  const bucket = bucketOf(saltedHash(split.salt, unit))
  const last = split.arms.length - 1
  for (let i = 0; i < last; i++) if (bucket < (split.bounds[i] as number)) return split.arms[i] as Arm
  return split.arms[last] as Arm
}

function asUnit(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value
  return (typeof value === 'number' && Number.isFinite(value)) || typeof value === 'bigint' ? String(value) : undefined
}

/** A text is an id: where another attribute is assigned it says nothing. */
function unitOfText(rollout: CompiledRollout, user: string): string | undefined {
  return rollout.unit === undefined && user !== '' ? user : undefined
}

/** What is assigned: the id, the attribute that the rollout names, or the anonymous id in place of a missing one. */
function unitOf(rollout: CompiledRollout, user: User | undefined): string | undefined {
  if (typeof user !== 'object' || user === null) return undefined
  try {
    return asUnit(rollout.unit === undefined ? user.id : rollout.unit(user)) ?? asUnit(user.anonymousId)
  } catch {
    // An id that throws when read is none.
    return undefined
  }
}

function attributesOf(user: User | undefined): Attributes {
  if (typeof user === 'string') return { id: user }
  return typeof user === 'object' && user !== null ? user : noAttributes
}

function answer(
  ruleset: CompiledRuleset,
  rollout: CompiledRollout,
  arm: Arm,
  reason: Reason,
  rule: string | undefined,
  randomised: boolean,
  unit: string | undefined,
): Decision {
  return {
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
}

function nowhere(key: string, reason: Reason, version: number): Decision {
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
