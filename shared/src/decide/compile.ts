import { hashesBelow, hashSeeds, murmur3, prepareSalt, type SaltedHash } from '../hash/index.ts'
import {
  type Attributes,
  type Cohort,
  type CohortIndex,
  type ConditionScope,
  compilePath,
  createCohortIndex,
  type Rule,
  type Ruleset,
  type RulesetRollout,
  recordUses,
  sameUses,
} from '../rules/index.ts'
import type { Reason } from './decision.ts'
import { compileEligibility, type Eligibility } from './eligibility.ts'
import { compileMatch, type RuleMatch } from './match-rule.ts'
import type { Cause } from './resolve.ts'
import { simpleTexts, soleCohort } from './simple-rule.ts'
import { type Arm, bucketsOfShares, type Split, splitByBuckets, splitByShares } from './split.ts'
import { compileUnit, type UnitReader } from './unit.ts'

export interface CompiledRule {
  /** Where the rule asks no more than that one attribute be one of a few texts. */
  readonly attribute: string | undefined
  /** The one text, where there is one; otherwise they are in `texts`. */
  readonly text: string | undefined
  readonly texts: readonly string[] | undefined
  /** Where the rule asks for one cohort and nothing else. */
  readonly cohort: Cohort | undefined
  readonly match: RuleMatch
  /** What it serves: an arm, or else a fixed split. */
  readonly arm: Arm | undefined
  readonly split: Split | undefined
  readonly cause: Cause
  /** Where it would split somebody who has no unit. */
  readonly unitless: Cause
  readonly name: string
}

/** Reads the value of a slice from the attributes of a user. */
export interface SliceReader {
  readonly attribute: string
  readonly read: (attributes: Attributes) => unknown
}

/** A rollout made ready for deciding. What each decision looks at comes first, so that it lies together in memory. */
export interface CompiledRollout {
  /** True in phases in which people are being decided on. */
  readonly deciding: boolean
  /** Where to find the unit, in order, where it is not just the id. */
  readonly units: readonly UnitReader[] | undefined
  /** Who may take part at all; undefined where everybody may. */
  readonly eligibility: Eligibility | undefined
  readonly overrides: ReadonlyMap<string, Arm> | undefined
  /** Whether anything but an override can decide before the split. */
  readonly ruled: boolean
  readonly rules: readonly CompiledRule[]
  readonly cohorts: readonly Cohort[]
  /** Each request is dealt out by itself. */
  readonly byRequest: boolean
  readonly salt: SaltedHash
  /** Hashes below this get the canary. */
  readonly limit: number
  readonly stable: Arm
  readonly canary: Arm
  /** The arm of those who get the canary, when there are several. */
  readonly split: Split | undefined
  /** Stands for the rollout and its epoch where exposures are remembered. */
  readonly stamp: number
  /** What everybody gets in the phases in which nobody is decided on. */
  readonly fixed: Arm
  readonly key: string
  readonly source: RulesetRollout
  readonly stage: string | undefined
  readonly epoch: number
  readonly slices: readonly SliceReader[] | undefined
  /** Rules left out because this version does not understand them. */
  readonly unknown: number
  /** The cohorts it refers to, as they were when it was compiled. */
  readonly uses: ReadonlyMap<string, Cohort | undefined>
}

/** A ruleset made ready for deciding; immutable. */
export interface CompiledRuleset {
  readonly version: number
  readonly ruleset: Ruleset
  /** Rules and cohorts left out because of an operator this version does not know. */
  readonly unknownOperators: number
  readonly rollouts: ReadonlyMap<string, CompiledRollout>
  /** Whether any rollout asks for contact with the server. */
  readonly deadman: boolean
  rollout(key: string): CompiledRollout | undefined
  readonly cohorts: CohortIndex
}

/** The arms of a rollout by name; a name that is none of them is served as it is, without a payload. */
function armsOf(source: RulesetRollout): (name: string) => Arm {
  const arms = new Map<string, Arm>()
  for (const { name, payload } of source.variants) arms.set(name, { name, payload })
  return (name) => arms.get(name) ?? { name, payload: undefined }
}

function compileRule(
  key: string,
  salt: string,
  rule: Rule,
  arm: (name: string) => Arm,
  scope: ConditionScope,
): CompiledRule | undefined {
  const match = compileMatch(rule, scope)
  if (match === undefined) return undefined
  const reason: Reason =
    'header' in rule ? 'header' : 'cookie' in rule ? 'cookie' : 'cohort' in rule ? 'cohort' : 'rule'
  const { serve, name } = rule
  const fixed = typeof serve === 'string'
  const shares = fixed ? [] : Object.entries(serve).map(([variant, share]) => [arm(variant), share] as const)
  if (!fixed && shares.length === 0) return undefined
  const simple = simpleTexts(rule, scope)
  return {
    attribute: simple?.attribute,
    text: simple?.texts.length === 1 ? simple.texts[0] : undefined,
    texts: simple?.texts.length === 1 ? undefined : simple?.texts,
    cohort: soleCohort(rule, scope),
    match,
    arm: fixed ? arm(serve) : undefined,
    // The rule's name in the salt makes its split independent of the main one and of other rules'.
    split: fixed ? undefined : splitByShares(prepareSalt(`${salt}/${key}/${name}/`), shares),
    cause: { reason, rule: name, randomised: !fixed, exposed: true },
    unitless: { reason: 'no-unit', rule: name, randomised: false, exposed: false },
    name,
  }
}

const decidingPhases: ReadonlySet<string> = new Set(['running', 'paused', 'awaiting-approval'])

/** How the canary's users are dealt to several arms. */
function splitOfArms(source: RulesetRollout, arm: (name: string) => Arm): Split {
  return splitByBuckets(
    prepareSalt(source.salt, hashSeeds.arm),
    dealOf(source).map(([name, to]) => [arm(name), to]),
  )
}

/** As it is stored, or else by the shares. */
export function dealOf({ variants, deal }: RulesetRollout): NonNullable<RulesetRollout['deal']> {
  if (deal !== undefined && deal.length > 0) return deal
  const canaries = variants.filter(({ name }) => name !== 'stable')
  const buckets = bucketsOfShares(canaries.map(({ share }) => share ?? 1))
  return canaries.map(({ name }, i) => [name, buckets[i] as number])
}

function compileRollout(key: string, source: RulesetRollout, ruleset: Ruleset, index: CohortIndex): CompiledRollout {
  const { scope, uses } = recordUses(index.cohort)
  const arm = armsOf(source)
  const all = source.rules ?? []
  const rules = all.flatMap((rule) => compileRule(key, source.salt, rule, arm, scope) ?? [])
  const cohorts = (source.cohorts ?? []).flatMap((cohort) => scope.cohort(cohort) ?? [])
  const canaries = source.variants.filter((variant) => variant.name !== 'stable')
  const canary = arm(canaries[0]?.name ?? 'canary')
  const stable = arm('stable')
  const { overrides } = source
  return {
    deciding: decidingPhases.has(source.phase),
    units: compileUnit(source.unit),
    eligibility: compileEligibility(source, ruleset),
    overrides: overrides && new Map(Object.entries(overrides).map(([unit, variant]) => [unit, arm(variant)])),
    ruled: rules.length + cohorts.length > 0,
    rules,
    cohorts,
    byRequest: source.assign === 'request',
    salt: prepareSalt(source.salt, hashSeeds.assign),
    limit: hashesBelow(Math.round(source.weight * 1000)),
    stable,
    canary,
    split: canaries.length > 1 ? splitOfArms(source, arm) : undefined,
    stamp: murmur3(key, source.epoch) | 0,
    fixed: source.phase !== 'succeeded' ? stable : source.winner === undefined ? canary : arm(source.winner),
    key,
    source,
    stage: source.stage,
    epoch: source.epoch,
    slices: source.slices?.map((attribute) => ({ attribute, read: compilePath(attribute) })),
    unknown: all.length - rules.length,
    uses,
  }
}

/**
 * Compiles a ruleset; never throws on one that has the shape of a ruleset. With `previous`, rollouts and cohorts that are the same objects
 * are taken over, unless a cohort they refer to has changed.
 */
export function compileRuleset(ruleset: Ruleset, previous?: CompiledRuleset): CompiledRuleset {
  const sameBase =
    previous !== undefined &&
    previous.ruleset.unitSalt === ruleset.unitSalt &&
    previous.ruleset.holdback === ruleset.holdback
  const sameCohorts = sameBase && previous.ruleset.cohorts === ruleset.cohorts
  const cohorts = sameCohorts
    ? previous.cohorts
    : createCohortIndex(ruleset.cohorts, { unitSalt: ruleset.unitSalt, previous: previous?.cohorts })
  const rollouts = new Map<string, CompiledRollout>()
  let unknownOperators = cohorts.unknownOperators
  let deadman = false
  for (const [key, source] of Object.entries(ruleset.rollouts)) {
    const before = sameBase ? previous.rollout(key) : undefined
    const known =
      before?.source === source && (sameCohorts || sameUses(before.uses, cohorts.cohort)) ? before : undefined
    const rollout = known ?? compileRollout(key, source, ruleset, cohorts)
    rollouts.set(key, rollout)
    deadman ||= source.deadmanMs !== undefined
    unknownOperators += rollout.unknown
  }
  return {
    version: ruleset.version,
    ruleset,
    unknownOperators,
    rollouts,
    deadman,
    rollout: (key) => rollouts.get(key),
    cohorts,
  }
}

/**
 * Goes on from a compiled ruleset whose rollouts have changed, at the cost of those alone. They are changed in place: `previous` and its ruleset
 * belong to the caller, who has no more use for what they were. Every key must be there already.
 */
export function recompile(
  previous: CompiledRuleset,
  changed: readonly (readonly [string, RulesetRollout])[],
  version: number,
): CompiledRuleset {
  const rollouts = previous.rollouts as Map<string, CompiledRollout>
  const sources = previous.ruleset.rollouts as { [key: string]: RulesetRollout }
  let { unknownOperators, deadman } = previous
  for (const [key, source] of changed) {
    const before = rollouts.get(key)
    const rollout = compileRollout(key, source, previous.ruleset, previous.cohorts)
    unknownOperators += rollout.unknown - (before?.unknown ?? 0)
    rollouts.set(key, rollout)
    sources[key] = source
    if (source.deadmanMs !== undefined) deadman = true
    else if (before?.source.deadmanMs !== undefined)
      deadman = Object.values(sources).some(({ deadmanMs }) => deadmanMs !== undefined)
  }
  return { ...previous, version, ruleset: { ...previous.ruleset, version }, unknownOperators, deadman }
}
