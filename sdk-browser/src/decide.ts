import type { Decision, User } from '@pipit/shared/decide'
import { hashesBelow } from '@pipit/shared/hash'
import type { PageRollout, PageRuleset } from '@pipit/shared/protocol'
import { hashText } from './hash-text.ts'
import { unitOf } from './page-user.ts'

/** What a decision looks at besides ruleset and user. */
export interface PageEnvironment {
  /** Uniform in [0, 1), for rollouts that deal out each request by itself. Without it those give stable. */
  readonly random?: (() => number) | undefined
  /** How long the server has not been heard of: rollouts with a `deadman` of less give stable. */
  readonly silentMs?: number
}

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
  environment?: PageEnvironment,
): Decision {
  try {
    return decideOrThrow(ruleset, key, user, environment)
  } catch {
    // Somebody made the ruleset, or the user, who is not Pipit: stable, as for a rollout that is not there.
    return decideOrThrow({ version: 0, rollouts: {} }, key)
  }
}

/** The variant of `decide` alone. */
export function variant(ruleset: PageRuleset | undefined, key: string, user?: User): string {
  return decide(ruleset, key, user).variant
}

/** `decide`; throws over a ruleset or a user that is of no form. */
function decideOrThrow(
  ruleset: PageRuleset | undefined,
  key: string,
  user?: User,
  { random, silentMs = 0 }: PageEnvironment = {},
): Decision {
  // By own keys alone, so that `constructor` names nothing.
  const rollout = ruleset && Object.hasOwn(ruleset.rollouts, key) ? ruleset.rollouts[key] : undefined
  const { epoch = 0, stage, payloads, result, deadmanMs } = rollout ?? ({} as Partial<PageRollout>)

  const made = ({ variant: name = 'stable', ...fields }: Partial<Decision>): Decision =>
    ({
      ...{ rollout: key, variant: name, payload: payloads?.[name], stage, epoch },
      ...{ version: ruleset?.version ?? 0, randomised: false, ...fields },
    }) as Decision

  if (!rollout) return made({ reason: ruleset ? 'unknown-rollout' : 'not-ready' })
  const byRequest = rollout.assign === 'request'
  const unit = unitOf(user, rollout.unit)
  if (silentMs >= (deadmanMs as number)) return made({ reason: 'deadman', unit })
  // A rule that would split somebody who has no unit for it says that there is none.
  if (result) return made({ unit: result.reason === 'no-unit' ? undefined : unit, ...(result as Partial<Decision>) })
  const by = byRequest ? random?.() : unit
  if (by === undefined) return made({ reason: 'no-unit' })
  const isCanary = hashText(rollout.salt + by) < hashesBelow(Math.round(rollout.weight * 1000))
  const variant = isCanary ? rollout.canary : 'stable'
  return made({ reason: 'split', unit: byRequest ? undefined : unit, variant, randomised: true })
}
