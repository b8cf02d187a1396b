import type { JsonValue } from '../base/index.ts'
import { bucketCount, hashSeeds, prepareSalt, type SaltedHash } from '../hash/index.ts'
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
import { compileMatch, type RuleMatch } from './match-rule.ts'

/** What a decision says of a variant. */
export interface Arm {
  readonly name: string
  readonly payload: JsonValue | undefined
}

/** Shares of one draw: `arms[i]` for buckets below `bounds[i]` (and not below the one before). */
export interface Split {
  readonly salt: SaltedHash
  readonly arms: readonly Arm[]
  readonly bounds: readonly number[]
}

export interface CompiledRule {
  readonly name: string
  readonly reason: Reason
  readonly match: RuleMatch
  readonly serve: Arm | Split
}

/** Reads the value of a slice from the attributes of a user. */
export interface SliceReader {
  readonly attribute: string
  readonly read: (attributes: Attributes) => unknown
}

/** A rollout made ready for deciding. */
export interface CompiledRollout {
  readonly key: string
  readonly source: RulesetRollout
  readonly stage: string | undefined
  readonly epoch: number
  /** True in phases in which people are being decided on. */
  readonly deciding: boolean
  /** What everybody gets in the other phases. */
  readonly fixed: Arm
  readonly rules: readonly CompiledRule[]
  /** Rules left out because this version does not understand them. */
  readonly unknown: number
  readonly cohorts: readonly Cohort[]
  /** Whether anything but an override can decide before the split. */
  readonly ruled: boolean
  readonly overrides: ReadonlyMap<string, Arm> | undefined
  /** Reads the unit from the attributes, where it is not the id. */
  readonly unit: ((attributes: Attributes) => unknown) | undefined
  readonly slices: readonly SliceReader[] | undefined
  readonly salt: SaltedHash
  /** Buckets below this get the canary. */
  readonly bound: number
  readonly stable: Arm
  readonly canary: Arm
  /** The arm of those who get the canary, when there are several. */
  readonly split: Split | undefined
  /** The cohorts it refers to, as they were when it was compiled. */
  readonly uses: ReadonlyMap<string, Cohort | undefined>
}

/** A ruleset made ready for deciding; immutable. */
export interface CompiledRuleset {
  readonly version: number
  readonly ruleset: Ruleset
  /** Rules and cohorts left out because of an operator this version does not know. */
  readonly unknownOperators: number
  rollout(key: string): CompiledRollout | undefined
  readonly cohorts: CohortIndex
}

function splitOf(salt: SaltedHash, shares: readonly (readonly [Arm, number])[]): Split {
  const total = shares.reduce((sum, [, share]) => sum + share, 0)
  let sum = 0
  const bounds = shares.map(([, share]) => {
    sum += share
    // Shares that add up to nothing leave everybody to the last.
    return total > 0 ? Math.round((sum / total) * bucketCount) : 0
  })
  return { salt, arms: shares.map(([arm]) => arm), bounds }
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
  if (typeof serve === 'string') return { name, reason, match, serve: arm(serve) }
  // The rule's name in the salt makes its split independent of the main one and of other rules'.
  const shares = Object.entries(serve).map(([variant, share]) => [arm(variant), share] as const)
  if (shares.length === 0) return undefined
  return { name, reason, match, serve: splitOf(prepareSalt(`${salt}/${key}/${name}/`), shares) }
}

const decidingPhases: ReadonlySet<string> = new Set(['running', 'paused', 'awaiting-approval'])

function compileRollout(key: string, source: RulesetRollout, index: CohortIndex): CompiledRollout {
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
    key,
    source,
    stage: source.stage,
    epoch: source.epoch,
    deciding: decidingPhases.has(source.phase),
    fixed: source.phase !== 'succeeded' ? stable : source.winner === undefined ? canary : arm(source.winner),
    rules,
    unknown: all.length - rules.length,
    cohorts,
    ruled: rules.length + cohorts.length > 0,
    overrides: overrides && new Map(Object.entries(overrides).map(([unit, variant]) => [unit, arm(variant)])),
    unit: source.unit === undefined || source.unit === 'id' ? undefined : compilePath(source.unit),
    slices: source.slices?.map((attribute) => ({ attribute, read: compilePath(attribute) })),
    salt: prepareSalt(source.salt, hashSeeds.assign),
    bound: Math.round(source.weight * 1000),
    stable,
    canary,
    split:
      canaries.length > 1
        ? splitOf(
            prepareSalt(source.salt, hashSeeds.arm),
            canaries.map(({ name, share }) => [arm(name), share ?? 1] as const),
          )
        : undefined,
    uses,
  }
}

/**
 * Compiles a ruleset; never throws on one that has the shape of a ruleset. With `previous`, rollouts and cohorts that are the same objects
 * are taken over, unless a cohort they refer to has changed.
 */
export function compileRuleset(ruleset: Ruleset, previous?: CompiledRuleset): CompiledRuleset {
  const sameCohorts = previous !== undefined && previous.ruleset.cohorts === ruleset.cohorts
  const cohorts = sameCohorts ? previous.cohorts : createCohortIndex(ruleset.cohorts, previous?.cohorts)
  const rollouts = new Map<string, CompiledRollout>()
  let unknownOperators = cohorts.unknownOperators
  for (const [key, source] of Object.entries(ruleset.rollouts)) {
    const before = previous?.rollout(key)
    const known = before?.source === source && sameUses(before.uses, cohorts.cohort) ? before : undefined
    const rollout = known ?? compileRollout(key, source, cohorts)
    rollouts.set(key, rollout)
    unknownOperators += rollout.unknown
  }
  return { version: ruleset.version, ruleset, unknownOperators, rollout: (key) => rollouts.get(key), cohorts }
}
