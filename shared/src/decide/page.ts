import { unitPrint } from '../hash/index.ts'
import type { PageResult, PageRollout, PageRuleset, RulesetRollout, Variant } from '../rules/index.ts'
import { type CompiledRollout, type CompiledRuleset, dealOf } from './compile.ts'
import type { DecideContext, Reason, User } from './decision.ts'
import type { DecideEnvironment } from './environment.ts'
import { canaryOf, newResolution, type Resolution, resolve } from './resolve.ts'

/** What a page finds out by itself, or what of this process is none of its business: its breakers, and how long it has been alone. */
const ownReasons: ReadonlySet<Reason> = new Set(['phase', 'breaker', 'deadman', 'split'])

/** Named one by one, so that a field that rollouts get one day stays here until somebody lets it out. */
const pageFields = [
  'phase',
  'salt',
  'hash',
  'epoch',
  'stage',
  'weight',
  'unit',
  'assign',
  'winner',
  'events',
  'deadmanMs',
] as const satisfies readonly (keyof PageRollout)[]

/** A rollout as every page of its environment may know it, before anything is decided for a user. */
export function pageRollout(source: RulesetRollout): PageRollout {
  const fields = pageFields.flatMap((field) => (source[field] === undefined ? [] : [[field, source[field]]]))
  const rest = Object.fromEntries(fields) as PageRollout
  const isDealt = source.variants.filter(({ name }) => name !== 'stable').length > 1
  return { ...rest, variants: source.variants.map(pageVariant), ...(isDealt ? { deal: dealOf(source) } : {}) }
}

const pageVariant = ({ name, payload }: Variant): PageRollout['variants'][number] => ({
  name,
  ...(payload === undefined ? {} : { payload }),
})

/** What was decided for a user before the split, by rollout; nothing of those that are not for pages. */
export function pageResults(
  compiled: CompiledRuleset,
  user: User | undefined,
  context: DecideContext | undefined,
  environment: DecideEnvironment,
): { readonly [rollout: string]: PageResult } {
  // Requests are dealt out in the page, and breakers are this process's own: neither may hide what comes before the split.
  const here: DecideEnvironment = { ...environment, random: environment.random ?? (() => 0), forced: undefined }
  const out = newResolution()
  const results: { [rollout: string]: PageResult } = {}
  for (const [key, rollout] of compiled.rollouts) {
    if (rollout.source.browser !== true) continue
    const result = resultOf(compiled, rollout, user, context, here, out)
    if (result !== undefined) results[key] = result
  }
  return results
}

function resultOf(
  compiled: CompiledRuleset,
  rollout: CompiledRollout,
  user: User | undefined,
  context: DecideContext | undefined,
  environment: DecideEnvironment,
  out: Resolution,
): PageResult | undefined {
  resolve(compiled, rollout, user, context, environment, out)
  const { reason, rule, randomised } = out.cause
  if (ownReasons.has(reason)) return undefined
  return {
    variant: out.arm.name,
    reason,
    ...(rule === undefined ? {} : { rule }),
    ...(randomised ? { randomised } : {}),
  }
}

/** The variant that the split gives a unit: what a page comes to where it was told no result. */
export function splitVariant(rollout: CompiledRollout, unit: string): string {
  const isCanary = unitPrint(rollout.salt, unit) >>> 0 < rollout.limit
  return (isCanary ? canaryOf(rollout, unit) : rollout.stable).name
}

/**
 * What a page may know, for its user: the rollouts that are marked for browsers, without rules, cohorts, members, overrides and the salt of
 * units, and in their place what they decided for this one user. A rule's name is told where it decided. Deciding by phase, `result` and
 * split from this gives what `decide` gives from the whole ruleset. Pure; never throws, whatever the user object does.
 *
 * @example
 * projectPage(compiled, { id: 'user-1' }, { cookies: {} }, { now: Date.now }).rollouts['checkout-v2']?.result // { variant: 'canary', reason: 'cohort' }
 */
export function projectPage(
  compiled: CompiledRuleset,
  user: User | undefined,
  context: DecideContext | undefined,
  environment: DecideEnvironment,
): PageRuleset {
  const results = pageResults(compiled, user, context, environment)
  const rollouts: { [key: string]: PageRollout } = {}
  for (const [key, { source }] of compiled.rollouts) {
    if (source.browser !== true) continue
    const result = Object.hasOwn(results, key) ? results[key] : undefined
    rollouts[key] = result === undefined ? pageRollout(source) : { ...pageRollout(source), result }
  }
  return { version: compiled.version, rollouts }
}
