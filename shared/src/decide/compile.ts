import type { JsonValue } from '../base/index.ts'
import { hashSeeds, prepareSalt, type SaltedHash } from '../hash/index.ts'
import {
  type Attributes,
  type CohortIndex,
  compilePath,
  createCohortIndex,
  type Rule,
  type Ruleset,
  type RulesetRollout,
} from '../rules/index.ts'
import type { Reason } from './decision.ts'
import { compileMatch, type RuleMatch } from './match-rule.ts'

/** Shares of one draw: variant `names[i]` for buckets below `bounds[i]` (and not below the one before). */
export interface Split {
  readonly salt: SaltedHash
  readonly names: readonly string[]
  readonly bounds: readonly number[]
}

export interface CompiledRule {
  readonly name: string
  readonly reason: Reason
  readonly match: RuleMatch
  readonly serve: string | Split
}

/** A rollout made ready for deciding. */
export interface CompiledRollout {
  readonly key: string
  readonly source: RulesetRollout
  /** True in phases in which people are being decided on. */
  readonly deciding: boolean
  readonly rules: readonly CompiledRule[]
  readonly cohorts: readonly string[]
  readonly overrides: ReadonlyMap<string, string> | undefined
  readonly payloads: ReadonlyMap<string, JsonValue>
  /** Reads the unit from the attributes, where it is not the id. */
  readonly unit: ((attributes: Attributes) => unknown) | undefined
  readonly salt: SaltedHash
  /** Buckets below this get the canary. */
  readonly bound: number
  /** The arm of those who do, when there are several. */
  readonly arms: Split | undefined
  readonly canary: string
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

function splitOf(salt: SaltedHash, shares: readonly (readonly [string, number])[]): Split {
  const total = shares.reduce((sum, [, share]) => sum + share, 0)
  let sum = 0
  const bounds = shares.map(([, share]) => {
    sum += share
    return Math.round((sum / total) * 100_000)
  })
  return { salt, names: shares.map(([name]) => name), bounds }
}

function compileRule(key: string, rollout: RulesetRollout, rule: Rule, cohorts: CohortIndex): CompiledRule | undefined {
  const match = compileMatch(rule, cohorts)
  if (match === undefined) return undefined
  const reason: Reason =
    'header' in rule ? 'header' : 'cookie' in rule ? 'cookie' : 'cohort' in rule ? 'cohort' : 'rule'
  const { serve } = rule
  if (typeof serve === 'string') return { name: rule.name, reason, match, serve }
  // The rule's name in the salt makes its split independent of the main one and of other rules'.
  const salt = prepareSalt(`${rollout.salt}/${key}/${rule.name}/`)
  return { name: rule.name, reason, match, serve: splitOf(salt, Object.entries(serve)) }
}

const decidingPhases: ReadonlySet<string> = new Set(['running', 'paused', 'awaiting-approval'])

function compileRollout(
  key: string,
  source: RulesetRollout,
  cohorts: CohortIndex,
): { rollout: CompiledRollout; unknown: number } {
  const compiled = (source.rules ?? []).map((rule) => compileRule(key, source, rule, cohorts))
  const rules = compiled.filter((rule) => rule !== undefined)
  const arms = source.variants.filter((variant) => variant.name !== 'stable')
  const payloads = new Map<string, JsonValue>()
  for (const variant of source.variants) if (variant.payload !== undefined) payloads.set(variant.name, variant.payload)
  const rollout: CompiledRollout = {
    key,
    source,
    deciding: decidingPhases.has(source.phase),
    rules,
    cohorts: source.cohorts ?? [],
    overrides: source.overrides === undefined ? undefined : new Map(Object.entries(source.overrides)),
    payloads,
    unit: source.unit === undefined || source.unit === 'id' ? undefined : compilePath(source.unit),
    salt: prepareSalt(source.salt, hashSeeds.assign),
    bound: Math.round(source.weight * 1000),
    arms:
      arms.length > 1
        ? splitOf(
            prepareSalt(source.salt, hashSeeds.arm),
            arms.map((arm) => [arm.name, arm.share ?? 1] as const),
          )
        : undefined,
    canary: arms[0]?.name ?? 'canary',
  }
  return { rollout, unknown: compiled.length - rules.length }
}

/** Compiles a ruleset. With `previous`, rollouts that are the same object are taken over, unless a cohort changed. */
export function compileRuleset(ruleset: Ruleset, previous?: CompiledRuleset): CompiledRuleset {
  const sameCohorts = previous !== undefined && previous.ruleset.cohorts === ruleset.cohorts
  const cohorts = sameCohorts ? previous.cohorts : createCohortIndex(ruleset.cohorts)
  const rollouts = new Map<string, CompiledRollout>()
  let unknown = cohorts.unknownOperators()
  for (const [key, source] of Object.entries(ruleset.rollouts)) {
    const known = sameCohorts ? previous.rollout(key) : undefined
    if (known !== undefined && known.source === source) {
      rollouts.set(key, known)
      unknown += (source.rules?.length ?? 0) - known.rules.length
      continue
    }
    const made = compileRollout(key, source, cohorts)
    rollouts.set(key, made.rollout)
    unknown += made.unknown
  }
  return {
    version: ruleset.version,
    ruleset,
    unknownOperators: unknown,
    rollout: (key) => rollouts.get(key),
    cohorts,
  }
}
