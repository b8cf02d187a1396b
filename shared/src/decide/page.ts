import type { JsonValue } from '../base/index.ts'
import { unitPrint } from '../hash/index.ts'
import type { PageResult, PageRollout, PageRuleset } from '../rules/index.ts'
import type { CompiledRollout, CompiledRuleset } from './compile.ts'
import type { DecideContext, Reason, User } from './decision.ts'
import type { DecideEnvironment } from './environment.ts'
import { canaryOf, newResolution, resolve } from './resolve.ts'
import { unitOf } from './unit.ts'

/** The same for every user, or found out by the page itself, or by this process's breakers, which are none of its business. */
const commonReasons: ReadonlySet<Reason> = new Set(['phase', 'breaker', 'split'])

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
  'events',
] as const satisfies readonly (keyof PageRollout)[]

/** A rollout as pages may know it, before it is known whose page it is. */
export interface PageTemplate {
  readonly common: Omit<PageRollout, 'canary' | 'payloads' | 'result'>
  /** The arm of the canary's users; the first of several. */
  readonly canary: string
  /** Of all arms. */
  readonly payloads: { readonly [variant: string]: JsonValue }
  /** In a phase in which nobody is split. */
  readonly result?: PageResult
}

/** What a user's page is told that not everybody's is. */
export interface PageChoices {
  /** What was decided before the split. */
  readonly results: { readonly [rollout: string]: PageResult }
  /** The arms of who falls to another than the first of several. */
  readonly canaries: { readonly [rollout: string]: string }
}

/** What pages of all users have in common of a rollout. */
export function pageTemplate({ source, deciding, fixed, canary }: CompiledRollout): PageTemplate {
  const fields = pageFields.flatMap((field) => (source[field] === undefined ? [] : [[field, source[field]]]))
  const common = Object.fromEntries(fields) as PageTemplate['common']
  const { deadmanMs } = source
  const payloads = source.variants.flatMap(({ name, payload }) => (payload === undefined ? [] : [[name, payload]]))
  return {
    common: deciding && deadmanMs !== undefined ? { ...common, deadmanMs } : common,
    canary: canary.name,
    payloads: Object.fromEntries(payloads),
    ...(deciding ? {} : { result: { variant: fixed.name, reason: 'phase' } }),
  }
}

/** The rollout for the page of one user. */
export function pageRollout(key: string, template: PageTemplate, { results, canaries }: PageChoices): PageRollout {
  const canary = Object.hasOwn(canaries, key) ? (canaries[key] as string) : template.canary
  const result = Object.hasOwn(results, key) ? results[key] : template.result
  const isNear = ([variant]: [string, JsonValue]): boolean =>
    variant === 'stable' || variant === canary || variant === result?.variant
  const payloads = Object.entries(template.payloads).filter(isNear)
  return {
    ...template.common,
    canary,
    ...(payloads.length === 0 ? {} : { payloads: Object.fromEntries(payloads) }),
    ...(result === undefined ? {} : { result }),
  }
}

/** What is decided for a user before the split, and which arm of several is theirs; nothing of rollouts that are not for pages. */
export function pageChoices(
  compiled: CompiledRuleset,
  user: User | undefined,
  context: DecideContext | undefined,
  environment: DecideEnvironment,
): PageChoices {
  const { forced } = environment
  const here: DecideEnvironment = {
    ...environment,
    // Requests are dealt out in the page, and breakers are this process's own: neither may hide what comes before the split.
    random: environment.random ?? (() => 0),
    forced: forced && ((rollout) => (forced(rollout) === 'deadman' ? 'deadman' : undefined)),
  }
  const out = newResolution()
  const results: { [rollout: string]: PageResult } = {}
  const canaries: { [rollout: string]: string } = {}
  for (const [key, rollout] of compiled.rollouts) {
    if (rollout.source.browser !== true) continue
    resolve(compiled, rollout, user, context, here, out)
    const { arm, cause } = out
    if (!commonReasons.has(cause.reason)) {
      const { reason, rule, randomised } = cause
      const by = rule === undefined ? {} : { rule }
      results[key] = { variant: arm.name, reason, ...by, ...(randomised ? { randomised } : {}) }
    }
    if (rollout.split === undefined) continue
    const unit = unitOf(rollout, user, here)
    const { name } = unit === undefined ? rollout.canary : canaryOf(rollout, unit)
    if (name !== rollout.canary.name) canaries[key] = name
  }
  return { results, canaries }
}

/** The variant that the split gives a unit: what a page comes to where it was told no result. */
export function splitVariant(rollout: CompiledRollout, unit: string): string {
  const isCanary = unitPrint(rollout.salt, unit) >>> 0 < rollout.limit
  return (isCanary ? canaryOf(rollout, unit) : rollout.stable).name
}

/**
 * What a page may know, for its user: the rollouts that are marked for browsers, without rules, cohorts, members, overrides and the salt of
 * units, and in their place what they decided for this one user. A rule's name is told where it decided. Deciding by `result`, then by the
 * split, gives what `decide` gives from the whole ruleset. Breakers that are open here are not told of. Pure; never throws, whatever the
 * user object does.
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
  const choices = pageChoices(compiled, user, context, environment)
  const shown = [...compiled.rollouts].filter(([, { source }]) => source.browser === true)
  const rollouts = shown.map(([key, rollout]) => [key, pageRollout(key, pageTemplate(rollout), choices)])
  return { version: compiled.version, rollouts: Object.fromEntries(rollouts) }
}
