import type { Clock, Random } from '../clock/index.ts'
import {
  anonymousOf,
  type CompiledRollout,
  type CompiledRuleset,
  type DecideEnvironment,
  type Decision,
  decide,
  decideAll,
  decisionOf,
  idOf,
  newResolution,
  resolve,
  type User,
} from '../decide/index.ts'
import type { Client, DecideOptions } from './api.ts'
import type { Breakers } from './breaker.ts'
import type { ExposureLog } from './exposure-log.ts'
import type { Identity } from './identity.ts'
import type { ClientPlatform } from './platform.ts'
import type { RulesetHolder } from './ruleset-holder.ts'

export interface DeciderParts {
  readonly rulesets: RulesetHolder
  readonly exposures: ExposureLog
  /** Absent where signing in is not followed. */
  readonly identity: Identity | undefined
  readonly breakers: Breakers
  readonly random: Random
  readonly clock: Clock
  readonly userAgent: DecideEnvironment['userAgent']
  readonly explain: ClientPlatform['explain']
  readonly defaultRollout: string
  /** How long ago the server was last heard of. */
  readonly silentMs: () => number
  readonly trouble: (code: string, message: string) => void
}

/** Named, so that all environments have one shape. */
const unshared = { hash: undefined, member: undefined }

/** The part of the SDK that applications call all the time: decides, and remembers who was exposed. Allocates nothing for `variant`. */
export function createDecider(parts: DeciderParts): Pick<Client, 'variant' | 'variants' | 'decide'> {
  const { rulesets, exposures, identity, breakers, random, userAgent, defaultRollout } = parts
  const { now } = parts.clock
  const out = newResolution()

  /** Most of the time nothing is forced and nobody was met before signing in: what is not needed is not asked. */
  const calm: DecideEnvironment = { now, random, userAgent, forced: undefined, identify: undefined, ...unshared }
  const full: DecideEnvironment = {
    now,
    random,
    userAgent,
    forced({ key, source }) {
      if (source.breaker !== false && breakers.isOpen(key, source.epoch)) return 'breaker'
      return source.deadmanMs !== undefined && parts.silentMs() >= source.deadmanMs ? 'deadman' : undefined
    },
    identify: identity && ((_rollout, id, anonymousId) => identity.unitOf(id, anonymousId)),
    ...unshared,
  }
  const environmentOf = (compiled: CompiledRuleset): DecideEnvironment =>
    compiled.deadman || breakers.open > 0 || identity?.active === true ? full : calm

  /** Somebody was exposed for the first time. */
  function tell(
    decision: Decision,
    { ruleset }: CompiledRuleset,
    user: User | undefined,
    { source }: CompiledRollout,
  ): void {
    exposures.add(decision, ruleset.unitSalt, source.unitSample)
    const { unit } = decision
    if (identity === undefined || unit === undefined) return
    if (typeof user === 'object' && anonymousOf(user) === unit) identity.metAnonymous(unit)
    else if ((typeof user === 'object' ? idOf(user) : user) === unit) identity.metId(unit)
  }

  // Reading a user may run code of the application that decides as well, and so writes `out`: nothing is read from it after that.
  function variant(user: User | undefined, options?: DecideOptions | string): string {
    try {
      const { compiled } = rulesets
      if (compiled === undefined) return 'stable'
      const texted = typeof options === 'string'
      const rollout = compiled.rollout((texted ? options : options?.rollout) ?? defaultRollout)
      if (rollout === undefined) return 'stable'
      resolve(compiled, rollout, user, texted ? undefined : options, environmentOf(compiled), out)
      const { name } = out.arm
      if (exposures.isNew(rollout, out)) tell(decisionOf(compiled, rollout, user, out), compiled, user, rollout)
      return name
    } catch (error) {
      failed(error)
      return 'stable'
    }
  }

  function decision(user: User | undefined, options: DecideOptions | string | undefined): Decision {
    const texted = typeof options === 'string'
    const key = (texted ? options : options?.rollout) ?? defaultRollout
    const { compiled } = rulesets
    const rollout = compiled?.rollout(key)
    if (compiled === undefined || rollout === undefined) return decide(compiled, key, user)
    resolve(compiled, rollout, user, texted ? undefined : options, environmentOf(compiled), out)
    const isNew = exposures.isNew(rollout, out)
    const made = decisionOf(compiled, rollout, user, out)
    if (isNew) tell(made, compiled, user, rollout)
    if (texted || options?.explain !== true || parts.explain === undefined) return made
    return parts.explain(compiled, key, user, options, environmentOf(compiled))
  }

  function failed(error: unknown): void {
    parts.trouble('internal', `an SDK call failed: ${String(error)}`)
  }

  return {
    variant,
    decide(user, options) {
      try {
        return decision(user, options)
      } catch (error) {
        failed(error)
        return decide(undefined, defaultRollout, undefined)
      }
    },
    variants(user, options) {
      try {
        return decideAll(rulesets.compiled, user, options, full)
      } catch (error) {
        failed(error)
        return {}
      }
    },
  }
}
