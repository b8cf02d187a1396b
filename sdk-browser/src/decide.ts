import type { Decision, Reason, User } from '@pipit/shared/decide'
import { bucketCount, hashesBelow, hashSeeds } from '@pipit/shared/hash'
import type { PageRollout, PageRuleset } from '@pipit/shared/protocol'
import { hashText } from './hash-text.ts'
import { unitOf, valueAt } from './page-user.ts'

/** What a decision looks at besides ruleset and user. */
export interface PageEnvironment {
  /** Uniform in [0, 1), for rollouts that deal out each request by itself. Without it those give stable. */
  readonly random?: () => number
  /** The server has not been heard of for so long that rollouts with a `deadman` give stable. */
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
  try {
    const rollout = ruleset && Object.hasOwn(ruleset.rollouts, key) ? ruleset.rollouts[key] : undefined
    if (rollout) return decideRollout(rollout, ruleset?.version ?? 0, key, user, environment)
  } catch {
    // Somebody made the ruleset who is not Pipit: stable, as for a rollout that is not there.
  }
  return {
    rollout: key,
    variant: 'stable',
    payload: undefined,
    reason: ruleset ? 'unknown-rollout' : 'not-ready',
    rule: undefined,
    stage: undefined,
    epoch: 0,
    version: ruleset?.version ?? 0,
    randomised: false,
    unit: undefined,
  }
}

/** The variant of `decide` alone. */
export function variant(ruleset: PageRuleset | undefined, key: string, user?: User): string {
  return decide(ruleset, key, user).variant
}

function decideRollout(
  rollout: PageRollout,
  version: number,
  key: string,
  user: User | undefined,
  { random, silentMs = 0, other = false }: PageEnvironment,
): Decision {
  const { phase, result, slices, weight } = rollout
  let unit = unitOf(rollout.unit ?? 'id', user)

  function made(name: string, reason: Reason, randomised = false, rule?: string): Decision {
    return {
      rollout: key,
      variant: name,
      payload: rollout.variants.find((arm) => arm.name === name)?.payload,
      reason,
      rule,
      stage: rollout.stage,
      epoch: rollout.epoch,
      version,
      randomised: randomised && !other,
      unit,
      ...(slices && reason === 'split' && { slice: sliceOf(slices, user) }),
    }
  }

  const deciding = /^(running|paused|awaiting-approval)$/.test(phase)
  if (!deciding && phase !== 'succeeded') return made('stable', 'phase')
  if (deciding && rollout.deadmanMs && silentMs >= rollout.deadmanMs) return made('stable', 'deadman')
  if (result && !other) {
    // A rule that would split somebody who has no unit for it says that there is none.
    if (result.reason === 'no-unit') unit = undefined
    return made(result.variant, result.reason as Reason, result.randomised, result.rule)
  }
  if (!deciding) return made(rollout.winner ?? canaryOf(rollout, -1), 'phase')
  const byRequest = rollout.assign === 'request'
  const of = unit
  if (byRequest) unit = undefined
  if (byRequest ? !random : of === undefined) return made('stable', 'no-unit')
  const hash = (seed: number): number =>
    byRequest ? (random?.() ?? 0) * 4_294_967_296 : hashText(rollout.salt + of, seed)
  const inside = hash(hashSeeds.assign) < hashesBelow(Math.round(weight * 1000))
  const arm = inside ? canaryOf(rollout, rollout.variants.length > 2 ? hash(hashSeeds.arm) : -1) : 'stable'
  return made(arm, 'split', true)
}

/** The arm that a hash of the canary's users falls to; the first for a hash below all. */
function canaryOf({ variants, deal }: PageRollout, hash: number): string {
  const arms = variants.filter(({ name }) => name !== 'stable')
  let sum = 0
  const total = arms.reduce((all, { share }) => all + (share ?? 1), 0)
  const dealt: NonNullable<PageRollout['deal']> = deal?.length
    ? deal
    : arms.map(({ name, share }) => {
        sum += share ?? 1
        return [name, Math.round((sum / total) * bucketCount)]
      })
  if (hash < 0 || arms.length < 2) return arms[0]?.name ?? 'canary'
  return (dealt.find(([, to]) => hash < hashesBelow(to)) ?? dealt.at(-1))?.[0] ?? 'canary'
}

/** Texts, numbers and booleans; anything else is none. */
function sliceOf(slices: readonly string[], user: User | undefined): { readonly [attribute: string]: string } {
  const values: { [attribute: string]: string } = {}
  for (const attribute of slices) {
    const value = valueAt(user, attribute)
    if (/^(str|num|boo)/.test(typeof value)) values[attribute] = String(value).slice(0, longestSlice)
  }
  return values
}
