import type { Decision, Reason, User } from '@pipit/shared/decide'
import { bucketCount, hashesBelow, hashSeeds } from '@pipit/shared/hash'
import type { PageRollout, PageRuleset } from '@pipit/shared/protocol'
import { hashText } from './hash-text.ts'
import { unitOf, valueAt } from './page-user.ts'

/** What a decision looks at besides ruleset and user. */
export interface PageEnvironment {
  /** Uniform in [0, 1), for rollouts that deal out each request by itself. Without it those give stable. */
  readonly random?: () => number
  /** How long the server has not been heard of: rollouts with a `deadman` of less give stable. */
  readonly silentMs?: number
  /** The user is not the one whose results are in the ruleset: phase and split alone decide, and nothing counts as randomised. */
  readonly other?: boolean
}

/** As `wireLimits.sliceValueLength`. */
const longestSlice = 64

/**
 * Decides for the user whom the ruleset was made for. In the order of the design: readiness, phase, deadman, what the server found for
 * this user, split. Pure and synchronous; a ruleset that is none gives stable, and nothing throws.
 *
 * @example
 * ```ts
 * import { decide } from '@pipit/sdk-browser/decide'
 *
 * const { variant, payload } = decide(window.__pipit, 'checkout-v2', { id: 'user-1' })
 * ```
 */
export function decide(
  ruleset: PageRuleset | undefined,
  key: string,
  user?: User,
  environment: PageEnvironment = {},
): Decision {
  let rollout: PageRollout | undefined
  let made: Made = [ruleset ? 'unknown-rollout' : 'not-ready']
  try {
    rollout = rolloutIn(ruleset, key)
    if (rollout) made = decideRollout(rollout, unitOf(user, rollout.unit), environment)
    return decisionOf(made, rollout, key, user, ruleset)
  } catch {
    // Somebody made the ruleset who is not Pipit: stable, as for a rollout that is not there.
    return decisionOf(made, undefined, key, user, ruleset)
  }
}

/** By own keys alone, so that `constructor` names nothing. */
export const rolloutIn = (ruleset: PageRuleset | undefined, key: string): PageRollout | undefined =>
  ruleset && Object.hasOwn(ruleset.rollouts, key) ? ruleset.rollouts[key] : undefined

/** The variant of `decide` alone. */
export function variant(ruleset: PageRuleset | undefined, key: string, user?: User): string {
  return decide(ruleset, key, user).variant
}

/** Reason, unit, variant (stable where there is none), whether it is randomised, and the rule. */
type Made = [
  reason: string,
  unit?: string | undefined,
  variant?: string,
  randomised?: boolean | undefined,
  rule?: string | undefined,
]

function decisionOf(
  [reason, unit, name = 'stable', randomised = false, rule]: Made,
  rollout: PageRollout | undefined,
  key: string,
  user: User | undefined,
  ruleset: PageRuleset | undefined,
): Decision {
  const slices = reason === 'split' && rollout?.slices
  return {
    rollout: key,
    variant: name,
    payload: rollout?.variants.find((arm) => arm.name === name)?.payload,
    reason: reason as Reason,
    rule,
    stage: rollout?.stage,
    epoch: rollout?.epoch ?? 0,
    version: ruleset?.version ?? 0,
    randomised,
    unit,
    ...(slices && { slice: sliceOf(slices, user) }),
  }
}

function decideRollout(rollout: PageRollout, unit: string | undefined, environment: PageEnvironment): Made {
  const { phase, result, winner, variants, weight, deadmanMs } = rollout
  const { random, silentMs, other } = environment
  const deciding = /^(run|pau|aw)/.test(phase)
  const byRequest = rollout.assign === 'request'
  const hash = (seed: number): number =>
    byRequest ? (random as () => number)() * 4_294_967_296 : hashText(rollout.salt + unit, seed)
  const canary = (): string => {
    const arms = variants.filter(({ name }) => name !== 'stable')
    return arms.length > 1 && deciding ? armAt(arms, rollout.deal, hash(hashSeeds.arm)) : (arms[0]?.name ?? 'canary')
  }

  if (!deciding && phase !== 'succeeded') return ['phase', unit]
  if (deciding && deadmanMs && (silentMs ?? 0) >= deadmanMs) return ['deadman', unit]
  if (result && !other) {
    const { reason, randomised, rule } = result
    // A rule that would split somebody who has no unit for it says that there is none.
    return [reason, reason === 'no-unit' ? undefined : unit, result.variant, randomised, rule]
  }
  if (!deciding) return ['phase', unit, winner ?? canary()]
  if (byRequest ? !random : !unit) return ['no-unit']
  const inside = hash(hashSeeds.assign) < hashesBelow(Math.round(weight * 1000))
  return ['split', byRequest ? undefined : unit, inside ? canary() : 'stable', !other]
}

/** The arm that a hash of the canary's users falls to: by the deal, or else by their shares. */
function armAt(arms: PageRollout['variants'], deal: PageRollout['deal'], hash: number): string {
  const shares = arms.map(({ share = 1 }) => share)
  const sum = (to?: number): number => shares.slice(0, to).reduce((all, share) => all + share, 0)
  const dealt = deal?.length
    ? deal
    : arms.map(({ name }, i) => [name, Math.round((sum(i + 1) / sum()) * bucketCount)] as const)
  return (dealt.find(([, to]) => hash < hashesBelow(to)) ?? (dealt.at(-1) as readonly [string, number]))[0]
}

/** Texts, numbers and booleans; anything else is none. */
function sliceOf(slices: readonly string[], user: User | undefined): { readonly [attribute: string]: string } {
  const values: { [attribute: string]: string } = {}
  for (const attribute of slices) {
    const value = valueAt(user, attribute)
    if (/^(s.*g|n|bo)/.test(typeof value)) values[attribute] = `${value}`.slice(0, longestSlice)
  }
  return values
}
