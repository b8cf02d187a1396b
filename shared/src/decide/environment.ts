import type { SaltedHash } from '../hash/index.ts'
import type { Attributes, Cohort } from '../rules/index.ts'
import type { CompiledRollout } from './compile.ts'

/** What a `User-Agent` header says of the program behind it; undefined where it does not say. */
export type UserAgent = {
  /** `Chrome`, `Safari`, `Firefox`, `Edge`, `Opera`, `Samsung Internet`, … */
  readonly browser: string | undefined
  readonly version: string | undefined
  /** `Windows`, `macOS`, `iOS`, `Android`, `Linux`, … */
  readonly os: string | undefined
  readonly osVersion: string | undefined
  /** `Blink`, `WebKit`, `Gecko`, … */
  readonly engine: string | undefined
  /** A phone; a tablet is none. */
  readonly mobile: boolean
  readonly tablet: boolean
  /** A crawler, a link preview, a monitor or a command-line client: no person. */
  readonly bot: boolean
}

/** What a decision needs from the place it is made in. Without a part, what depends on it does not match, or does not apply. */
export interface DecideEnvironment {
  /** Wall time in epoch milliseconds. */
  readonly now?: (() => number) | undefined
  /** Reads a `User-Agent` header; undefined for a text that says nothing. */
  readonly userAgent?: ((text: string) => UserAgent | undefined) | undefined
  /** Uniform in [0, 1): deals out requests where a rollout is assigned by request. */
  readonly random?: (() => number) | undefined
  /** Why this SDK serves stable by itself: its breaker is open, or it has been without contact too long. */
  readonly forced?: ((rollout: CompiledRollout) => 'breaker' | 'deadman' | undefined) | undefined
  /** The id to assign a user by: one seen before signing in goes on under the id of then. */
  readonly identify?: ((rollout: CompiledRollout, id: string, anonymousId: string | undefined) => string) | undefined
  /** In place of `saltedHash`, where many rollouts are decided for one user. */
  readonly hash?: ((salt: SaltedHash, unit: string) => number) | undefined
  /** In place of `isMember`, likewise. */
  readonly member?: ((cohort: Cohort, unit: string | undefined, attributes: Attributes) => boolean) | undefined
}

export const nowhere: DecideEnvironment = Object.freeze({})
