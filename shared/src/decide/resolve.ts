import { unitPrint } from '../hash/index.ts'
import { type Attributes, type Cohort, isMember } from '../rules/index.ts'
import type { CompiledRollout, CompiledRule, CompiledRuleset } from './compile.ts'
import type { DecideContext, Reason, User } from './decision.ts'
import { inRange } from './eligibility.ts'
import type { DecideEnvironment } from './environment.ts'
import { type Arm, armAt, drawn } from './split.ts'
import { personOf, unitOf } from './unit.ts'

/** How a decision came about. Few of them are made, when a ruleset is compiled. */
export interface Cause {
  readonly reason: Reason
  readonly rule: string | undefined
  readonly randomised: boolean
  /** The unit met the rollout, rather than being kept from it. */
  readonly exposed: boolean
}

const cause = (reason: Reason, exposed: boolean, randomised = false): Cause => ({
  reason,
  rule: undefined,
  randomised,
  exposed,
})

const causes = {
  phase: cause('phase', false),
  breaker: cause('breaker', true),
  deadman: cause('deadman', true),
  holdback: cause('holdback', false),
  prerequisite: cause('prerequisite', false),
  layer: cause('layer', false),
  override: cause('override', true),
  cohort: cause('cohort', true),
  split: cause('split', true, true),
  'no-unit': cause('no-unit', false),
} as const

/** What a decision comes to. One object serves any number of decisions, so that a decision allocates nothing. */
export interface Resolution {
  arm: Arm
  cause: Cause
  unit: string | undefined
}

export const newResolution = (): Resolution => ({
  arm: { name: 'stable', payload: undefined },
  cause: causes.phase,
  unit: undefined,
})

/** Prerequisites that are followed one through the other; the server refuses longer chains. */
export const prerequisiteDepth = 8

const noAttributes: Attributes = Object.freeze({})
/** The attributes of a user who is a text: one object for all, so that a decision allocates nothing. */
const textUser: { id: string } = { id: '' }

/** The attributes that rules look at, good until something of the application's runs: reading a header may decide for another text. */
export function attributesOf(user: User | undefined): Attributes {
  if (typeof user === 'string') {
    textUser.id = user
    return textUser
  }
  return typeof user === 'object' && user !== null ? user : noAttributes
}

function write(out: Resolution, arm: Arm, cause: Cause, unit: string | undefined): void {
  out.arm = arm
  out.cause = cause
  out.unit = unit
}

/**
 * Decides into `out`, in the order of the design's section 4: phase, breaker, eligibility, override, rules, stage cohorts, split.
 * Never throws, allocates nothing, and writes `out` only at its end, because reading a user may run code that decides as well. After
 * a decision by split, `print` of the hash stands for the unit.
 */
export function resolve(
  ruleset: CompiledRuleset,
  rollout: CompiledRollout,
  user: User | undefined,
  context: DecideContext | undefined,
  environment: DecideEnvironment,
  out: Resolution,
  depth = 0,
): void {
  const unit = unitOf(rollout, user, environment)
  if (!rollout.deciding) return resolvePhase(ruleset, rollout, user, context, environment, out, depth, unit)
  const forced = environment.forced === undefined ? undefined : environment.forced(rollout)
  if (forced !== undefined) return write(out, rollout.stable, causes[forced], unit)
  if (rollout.eligibility !== undefined) {
    const barred = barredBy(ruleset, rollout, user, unit, context, environment, depth)
    if (barred !== undefined) return write(out, rollout.stable, causes[barred], unit)
  }
  if (rollout.overrides !== undefined && unit !== undefined) {
    const arm = rollout.overrides.get(unit)
    if (arm !== undefined) return write(out, arm, causes.override, unit)
  }
  if (rollout.ruled && resolveByRules(rollout, user, context, environment, unit, out)) return
  if (rollout.byRequest) return resolveByRequest(rollout, environment, out)
  if (unit === undefined) return write(out, rollout.stable, causes['no-unit'], undefined)
  const hash =
    environment.hash === undefined ? unitPrint(rollout.salt, unit) >>> 0 : environment.hash(rollout.salt, unit)
  write(out, hash < rollout.limit ? canaryOf(rollout, unit) : rollout.stable, causes.split, unit)
}

/** In a phase in which nobody is decided on. */
function resolvePhase(
  ruleset: CompiledRuleset,
  rollout: CompiledRollout,
  user: User | undefined,
  context: DecideContext | undefined,
  environment: DecideEnvironment,
  out: Resolution,
  depth: number,
  unit: string | undefined,
): void {
  if (rollout.source.phase === 'succeeded') {
    // What everybody gets at the end is still not for those whom no rollout touches, nor for those who lack what it builds on.
    const barred = barredBy(ruleset, rollout, user, unit, context, environment, depth)
    if (barred === 'holdback' || barred === 'prerequisite') return write(out, rollout.stable, causes[barred], unit)
  }
  write(out, rollout.fixed, causes.phase, unit)
}

/** Every request for itself: there is no unit to be counted, or to stay where it was. */
function resolveByRequest(rollout: CompiledRollout, { random }: DecideEnvironment, out: Resolution): void {
  if (random === undefined) return write(out, rollout.stable, causes['no-unit'], undefined)
  const inside = random() * 4_294_967_296 < rollout.limit
  const arm = !inside
    ? rollout.stable
    : rollout.split === undefined
      ? rollout.canary
      : armAt(rollout.split, random() * 4_294_967_296)
  write(out, arm, causes.split, undefined)
}

/** Whether a rule or a cohort of the stage decided. */
function resolveByRules(
  rollout: CompiledRollout,
  user: User | undefined,
  context: DecideContext | undefined,
  environment: DecideEnvironment,
  unit: string | undefined,
  out: Resolution,
): boolean {
  const attributes = attributesOf(user)
  const { rules, cohorts } = rollout
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i] as CompiledRule
    if (!matches(rule, attributes, unit, context, environment)) {
      // A rule reads the request after all else, and what that runs may have decided for another text.
      if (attributes === textUser) attributesOf(user)
      continue
    }
    serve(rollout, rule, unit, out)
    return true
  }
  for (let i = 0; i < cohorts.length; i++) {
    if (!(environment.member ?? isMember)(cohorts[i] as Cohort, unit, attributes)) continue
    write(out, unit === undefined ? rollout.canary : canaryOf(rollout, unit), causes.cohort, unit)
    return true
  }
  return false
}

/**
 * Whether a rule applies. The commonest condition, one attribute that is one of some texts, is answered here for almost everybody: a
 * user whose attribute is another text, or who has none, does not match. Whatever is unusual is left to the compiled closure.
 */
function matches(
  rule: CompiledRule,
  attributes: Attributes,
  unit: string | undefined,
  context: DecideContext | undefined,
  environment: DecideEnvironment,
): boolean {
  const { attribute, cohort } = rule
  if (attribute !== undefined) {
    try {
      const value = attributes[attribute]
      if (value === undefined) return false
      // Own attributes alone count.
      if (typeof value === 'string') return lists(rule, value) && Object.hasOwn(attributes, attribute)
    } catch {
      return false
    }
  } else if (cohort !== undefined) return (environment.member ?? isMember)(cohort, unit, attributes)
  return rule.match(attributes, unit, context, environment)
}

function lists({ text, texts }: CompiledRule, value: string): boolean {
  if (texts === undefined) return text === value
  for (let i = 0; i < texts.length; i++) if (texts[i] === value) return true
  return false
}

function serve(rollout: CompiledRollout, rule: CompiledRule, unit: string | undefined, out: Resolution): void {
  const { arm, split } = rule
  if (arm !== undefined) write(out, arm, rule.cause, unit)
  else if (unit === undefined || split === undefined) write(out, rollout.stable, rule.unitless, undefined)
  else write(out, drawn(split, unit), rule.cause, unit)
}

export function canaryOf(rollout: CompiledRollout, unit: string): Arm {
  return rollout.split === undefined ? rollout.canary : drawn(rollout.split, unit)
}

/** Why a user may not take part; undefined for one who may. */
export function barredBy(
  ruleset: CompiledRuleset,
  rollout: CompiledRollout,
  user: User | undefined,
  unit: string | undefined,
  context: DecideContext | undefined,
  environment: DecideEnvironment,
  depth: number,
): 'holdback' | 'prerequisite' | 'layer' | 'no-unit' | undefined {
  const { eligibility } = rollout
  if (eligibility === undefined) return undefined
  const { holdback, prerequisites, layer } = eligibility
  if (holdback !== undefined) {
    const person = personOf(rollout, user, unit, environment)
    if (person !== undefined && inRange(holdback, person)) return 'holdback'
  }
  for (const { rollout: key, variant } of prerequisites) {
    const had = variantOf(ruleset, key, user, context, environment, depth + 1)
    if (variant === undefined ? had === 'stable' : had !== variant) return 'prerequisite'
  }
  if (layer === undefined) return undefined
  // Without a unit nothing is known of the layer, and exclusion is a promise.
  if (unit === undefined) return 'no-unit'
  return inRange(layer, unit) ? undefined : 'layer'
}

/** Written last and read at once, so that one serves any depth. */
const other = newResolution()

/** The variant that a user has of another rollout; stable where that is not known. */
export function variantOf(
  ruleset: CompiledRuleset,
  key: string,
  user: User | undefined,
  context: DecideContext | undefined,
  environment: DecideEnvironment,
  depth: number,
): string {
  const rollout = depth > prerequisiteDepth ? undefined : ruleset.rollout(key)
  if (rollout === undefined) return 'stable'
  resolve(ruleset, rollout, user, context, environment, other, depth)
  return other.arm.name
}
