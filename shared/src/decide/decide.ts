import { bucketOf, saltedHash } from '../hash/index.ts'
import type { Attributes } from '../rules/index.ts'
import type { CompiledRollout, CompiledRuleset, Split } from './compile.ts'
import type { DecideContext, Decision, Reason, User } from './decision.ts'

const noAttributes: Attributes = Object.freeze({})

/**
 * Decides for one user and one rollout, in the order of the design's section 4: readiness, phase, breaker, override, rules, stage
 * cohorts, split. Pure and synchronous; never throws, whatever the user object does.
 *
 * @param forcedStable why this SDK serves stable by itself: its breaker is open, or it has been without contact too long.
 */
export function decide(
  ruleset: CompiledRuleset | undefined,
  key: string,
  user: User | undefined,
  context?: DecideContext,
  forcedStable?: 'breaker' | 'deadman',
): Decision {
  if (ruleset === undefined) return nowhere(key, 'not-ready', 0)
  const rollout = ruleset.rollout(key)
  if (rollout === undefined) return nowhere(key, 'unknown-rollout', ruleset.version)
  try {
    return decideRollout(ruleset, rollout, user, context, forcedStable)
  } catch {
    // An attribute or header that throws when read: nothing is known about this user.
    return answer(ruleset, rollout, 'stable', 'no-unit', undefined, false, undefined)
  }
}

function decideRollout(
  ruleset: CompiledRuleset,
  rollout: CompiledRollout,
  user: User | undefined,
  context: DecideContext | undefined,
  forcedStable: 'breaker' | 'deadman' | undefined,
): Decision {
  const unit = unitOf(rollout, user)
  if (!rollout.deciding) {
    const winner = rollout.source.phase === 'succeeded' ? (rollout.source.winner ?? rollout.canary) : 'stable'
    return answer(ruleset, rollout, winner, 'phase', undefined, false, unit)
  }
  if (forcedStable !== undefined) return answer(ruleset, rollout, 'stable', forcedStable, undefined, false, unit)
  if (unit !== undefined && rollout.overrides !== undefined) {
    const variant = rollout.overrides.get(unit)
    if (variant !== undefined) return answer(ruleset, rollout, variant, 'override', undefined, false, unit)
  }
  if (rollout.rules.length > 0 || rollout.cohorts.length > 0) {
    const ruled = decideByRules(ruleset, rollout, user, context, unit)
    if (ruled !== undefined) return ruled
  }
  if (unit === undefined) return answer(ruleset, rollout, 'stable', 'no-unit', undefined, false, undefined)
  const inside = bucketOf(saltedHash(rollout.salt, unit)) < rollout.bound
  const variant = inside ? (rollout.arms === undefined ? rollout.canary : drawn(rollout.arms, unit)) : 'stable'
  return answer(ruleset, rollout, variant, 'split', undefined, true, unit)
}

function decideByRules(
  ruleset: CompiledRuleset,
  rollout: CompiledRollout,
  user: User | undefined,
  context: DecideContext | undefined,
  unit: string | undefined,
): Decision | undefined {
  const attributes = attributesOf(user)
  for (const rule of rollout.rules) {
    if (!rule.match(attributes, unit, context)) continue
    const { serve } = rule
    if (typeof serve === 'string') return answer(ruleset, rollout, serve, rule.reason, rule.name, false, unit)
    if (unit === undefined) return answer(ruleset, rollout, 'stable', 'no-unit', rule.name, false, undefined)
    return answer(ruleset, rollout, drawn(serve, unit), rule.reason, rule.name, true, unit)
  }
  for (const cohort of rollout.cohorts) {
    if (!ruleset.cohorts.has(cohort, unit, attributes)) continue
    const variant = rollout.arms === undefined || unit === undefined ? rollout.canary : drawn(rollout.arms, unit)
    return answer(ruleset, rollout, variant, 'cohort', undefined, false, unit)
  }
  return undefined
}

function drawn(split: Split, unit: string): string {
  const bucket = bucketOf(saltedHash(split.salt, unit))
  for (let i = 0; i < split.bounds.length; i++)
    if (bucket < (split.bounds[i] as number)) return split.names[i] as string
  return 'stable'
}

function asUnit(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value
  return typeof value === 'number' && Number.isFinite(value) ? String(value) : undefined
}

/** What is assigned: the id, the attribute that the rollout names, or the anonymous id in place of a missing one. */
function unitOf(rollout: CompiledRollout, user: User | undefined): string | undefined {
  if (typeof user === 'string') return rollout.unit === undefined ? asUnit(user) : undefined
  if (typeof user !== 'object' || user === null) return undefined
  const own = rollout.unit === undefined ? user.id : rollout.unit(user)
  return asUnit(own) ?? asUnit(user.anonymousId)
}

function attributesOf(user: User | undefined): Attributes {
  if (typeof user === 'string') return { id: user }
  return typeof user === 'object' && user !== null ? user : noAttributes
}

function answer(
  ruleset: CompiledRuleset,
  rollout: CompiledRollout,
  variant: string,
  reason: Reason,
  rule: string | undefined,
  randomised: boolean,
  unit: string | undefined,
): Decision {
  return {
    rollout: rollout.key,
    variant,
    payload: rollout.payloads.get(variant),
    reason,
    rule,
    stage: rollout.source.stage,
    epoch: rollout.source.epoch,
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
