/**
 * Decisions said again, as plainly as can be: no compiling, no sharing, arithmetic in whole numbers. Slow, and right by looking at it.
 */
import { compileRuleset, type Decision, decide, type User } from '@pipit/shared/decide'
import { type Rule, type RulesetCohort, type RulesetRollout, ruleFields, type Serve } from '@pipit/shared/rules'
import { environmentOf, type FuzzCase } from './fuzz-case.ts'
import { isWild } from './fuzz-rules.ts'
import { met, read } from './model-condition.ts'
import { armOf, bucket, bucketOf } from './model-hash.ts'

export type Expected = Pick<Decision, 'variant' | 'reason' | 'rule' | 'unit' | 'randomised'>

function attempt<T>(call: () => T, otherwise: T): T {
  try {
    return call()
  } catch {
    return otherwise
  }
}

const asText = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== ''
    ? value
    : (typeof value === 'number' && Number.isFinite(value)) || typeof value === 'bigint'
      ? String(value)
      : undefined

function unitOf({ unit = 'id' }: RulesetRollout, user: User | undefined): string | undefined {
  const paths = typeof unit === 'string' ? [unit] : unit
  if (typeof user === 'string') return paths.includes('id') && user !== '' ? user : undefined
  for (const path of [...paths, 'anonymousId']) {
    const found = asText(read(user, path))
    if (found !== undefined) return found
  }
  return undefined
}

/** The decisions of one case. */
export function modelOf(fuzzed: FuzzCase): (key: string) => Expected {
  const { ruleset, members, user, context, drawn } = fuzzed

  function inCohort(key: string, unit: string | undefined): boolean {
    const cohort: RulesetCohort | undefined = Object.hasOwn(ruleset.cohorts, key) ? ruleset.cohorts[key] : undefined
    if (cohort === undefined) return false
    if (unit !== undefined && members[key]?.includes(unit)) return true
    const { when } = cohort
    return when !== undefined && attempt(() => met(when, user), false)
  }

  function headerOf(name: string): readonly unknown[] {
    const headers: unknown = context?.headers
    if (typeof headers !== 'object' || headers === null) return []
    const { get } = headers as { get?: (name: string) => string | null }
    if (typeof get === 'function') return [get(name.toLowerCase())]
    const spelled = Object.keys(headers as object).find((one) => one.toLowerCase() === name.toLowerCase())
    const value = spelled === undefined ? undefined : (headers as { [name: string]: unknown })[spelled]
    return Array.isArray(value) ? value : [value]
  }

  function matches(rule: Rule, unit: string | undefined, key: string): boolean {
    if (isWild(rule)) return alone(rule, key)
    const { header, cookie, cohort, when, values } = rule
    const allowed = (value: unknown): boolean => typeof value === 'string' && (values?.includes(value) ?? true)
    if (!Object.keys(rule).every((field) => ruleFields.includes(field))) return false
    if (cohort !== undefined && !inCohort(cohort, unit)) return false
    if (when !== undefined && !attempt(() => met(when, user), false)) return false
    if (header !== undefined && !headerOf(header).some(allowed)) return false
    return (
      cookie === undefined || allowed(Object.entries(context?.cookies ?? {}).find(([name]) => name === cookie)?.[1])
    )
  }

  /** Whether a rule matches when there is no other: of one whose meaning is not said again here. */
  function alone(rule: Rule, key: string): boolean {
    const { salt, hash, epoch, unit } = ruleset.rollouts[key] as RulesetRollout
    const only: RulesetRollout = {
      phase: 'running',
      ...{ salt, hash, epoch, weight: 0, variants: [{ name: 'stable' }, { name: 'canary' }] },
      ...(unit === undefined ? {} : { unit }),
      rules: [{ ...rule, serve: 'matched' }],
    }
    const { holdback: _, ...rest } = ruleset
    const compiled = compileRuleset({ ...rest, rollouts: { [key]: only } })
    return decide(compiled, key, user, context, environmentOf(fuzzed)).variant === 'matched'
  }

  const rolloutOf = (key: string): RulesetRollout => ruleset.rollouts[key] as RulesetRollout

  /** Whether the user is one of those whom no rollout touches: as a person, whatever the rollout assigns. */
  function heldBack({ unit: units = 'id' }: RulesetRollout, unit: string | undefined): boolean {
    const { holdback = 0, unitSalt } = ruleset
    const id = attempt(() => asText(read(user, 'id')) ?? asText(read(user, 'anonymousId')), undefined)
    const person = units === 'id' ? unit : (id ?? unit)
    return person !== undefined && bucket(`${unitSalt}holdback`, person) < Math.round(holdback * 1000)
  }

  function lacks({ prerequisites = [] }: RulesetRollout, depth: number): boolean {
    return prerequisites.some(({ rollout, variant }) => {
      const had = depth < 8 && Object.hasOwn(ruleset.rollouts, rollout) ? decided(rollout, depth + 1).variant : 'stable'
      return variant === undefined ? had === 'stable' : had !== variant
    })
  }

  function outsideLayer({ layer }: RulesetRollout, unit: string | undefined): Expected['reason'] | undefined {
    if (layer === undefined) return undefined
    if (unit === undefined) return 'no-unit'
    const at = bucket(`${ruleset.unitSalt}layer/${layer.name}`, unit)
    return at >= Math.round(layer.from * 1000) && at < Math.round(layer.to * 1000) ? undefined : 'layer'
  }

  const answer = (variant: string, reason: Expected['reason'], unit: string | undefined): Expected => ({
    ...{ variant, reason, unit },
    ...{ rule: undefined, randomised: reason === 'split' },
  })

  function decided(key: string, depth: number): Expected {
    const rollout = rolloutOf(key)
    const { phase, winner = firstCanary(rollout) } = rollout
    const unit = attempt(() => unitOf(rollout, user), undefined)
    const deciding = phase === 'running' || phase === 'paused' || phase === 'awaiting-approval'
    if (!deciding && phase !== 'succeeded') return answer('stable', 'phase', unit)
    if (heldBack(rollout, unit)) return answer('stable', 'holdback', unit)
    if (lacks(rollout, depth)) return answer('stable', 'prerequisite', unit)
    return deciding ? decidedOn(key, unit) : answer(winner, 'phase', unit)
  }

  /** In a phase in which people are decided on, of one whom a rollout may touch. */
  function decidedOn(key: string, unit: string | undefined): Expected {
    const rollout = rolloutOf(key)
    const { overrides = {}, rules = [], cohorts = [] } = rollout
    const outside = outsideLayer(rollout, unit)
    if (outside !== undefined) return answer('stable', outside, unit)
    const override = unit !== undefined && Object.hasOwn(overrides, unit) ? overrides[unit] : undefined
    if (override !== undefined) return answer(override, 'override', unit)
    const rule = rules.find((one) => Object.keys(one.serve).length > 0 && matches(one, unit, key))
    if (rule !== undefined) return served(rule, unit, `${rollout.salt}/${key}/${rule.name}/`)
    if (cohorts.some((cohort) => inCohort(cohort, unit))) return answer(canaryOf(rollout, unit), 'cohort', unit)
    if (rollout.assign === 'request') return dealtOut(rollout)
    if (unit === undefined) return answer('stable', 'no-unit', unit)
    const inside = bucket(rollout.salt, unit) < Math.round(rollout.weight * 1000)
    return answer(inside ? canaryOf(rollout, unit) : 'stable', 'split', unit)
  }

  /** A request by itself. */
  function dealtOut(rollout: RulesetRollout): Expected {
    if (drawn === undefined) return answer('stable', 'no-unit', undefined)
    const at = bucketOf(drawn)
    const arm = at < Math.round(rollout.weight * 1000) ? armIn(rollout, at) : 'stable'
    return answer(arm, 'split', undefined)
  }

  return (key) => decided(key, 0)
}

const firstCanary = ({ variants }: RulesetRollout): string =>
  variants.find(({ name }) => name !== 'stable')?.name ?? 'canary'

/** The arm of those who get the canary. */
function canaryOf(rollout: RulesetRollout, unit: string | undefined): string {
  return unit === undefined ? firstCanary(rollout) : armIn(rollout, bucket(rollout.salt, unit, 1))
}

function armIn(rollout: RulesetRollout, at: number): string {
  const { variants, deal = [] } = rollout
  const canaries = variants.filter(({ name }) => name !== 'stable')
  if (canaries.length === 1) return firstCanary(rollout)
  if (deal.length > 0) return (deal.find(([, to]) => at < to) ?? deal.at(-1))?.[0] ?? ''
  const shares = canaries.map(({ name, share = 1 }) => [name, share] as const)
  return armOf(at, shares)
}

function served(rule: Rule, unit: string | undefined, salt: string): Expected {
  const serve: Serve = rule.serve
  const reason = (['header', 'cookie', 'cohort'] as const).find((matcher) => rule[matcher] !== undefined) ?? 'rule'
  const common = { rule: rule.name, unit }
  if (typeof serve === 'string') return { ...common, variant: serve, reason, randomised: false }
  if (unit === undefined) return { ...common, variant: 'stable', reason: 'no-unit', randomised: false }
  return { ...common, variant: armOf(bucket(salt, unit), Object.entries(serve)), reason, randomised: true }
}
