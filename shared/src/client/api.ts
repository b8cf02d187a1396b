import type { DecideContext, User } from '../decide/index.ts'
import type { OutcomeKind } from '../protocol/index.ts'
import type { Ruleset } from '../rules/index.ts'
import type { Logger } from './platform.ts'
import type {
  AnyRollouts,
  DecisionOf,
  NoDefault,
  Paths,
  RolloutKey,
  RolloutTypes,
  VariantOf,
  Which,
} from './rollout-types.ts'

export interface ClientOptions {
  /** Base address of the control plane, http or https; the socket's address is derived. */
  readonly url: string
  readonly key: string
  /** The rollout that calls without `rollout` mean. */
  readonly rollout?: string
  /** A ruleset to start from before any contact, e.g. baked in at build time. */
  readonly bootstrap?: Ruleset
  /** Free labels shown to operators: host, region, app version. At most 16. */
  readonly labels?: { readonly [name: string]: string }
  readonly logger?: Logger
  /** Events that may wait for delivery; the oldest are dropped and counted beyond it. Default 10 000. */
  readonly maxPendingEvents?: number
  /** Units remembered per rollout and stage so that an exposure is sent once; beyond it all are forgotten, and told again. Default 50 000. */
  readonly maxRememberedUnits?: number
  /**
   * Somebody who signs in goes on under the anonymous id of before, where a call gives both. Only this process knows of it: for applications
   * in which everybody stays with one process. Default false. Elsewhere name a unit that does not change: `unit: [deviceId, id]`.
   */
  readonly followSignIns?: boolean
}

/** What one call may say besides the user. */
export interface DecideOptions<K extends string = string> extends DecideContext {
  readonly rollout?: K
  /** Adds to `decide`'s answer how it came about, step by step, in Node. Takes its time: for people, not for every request. */
  readonly explain?: boolean
}

export interface RunOptions<K extends string = string> extends DecideOptions<K> {
  /** When the canary throws, run stable and return its result; both outcomes are reported. */
  readonly fallback?: boolean
  /** Decides whether a returned value counts as ok; default: every return does. */
  readonly isOk?: (result: unknown) => boolean
  /** The kind of a failure: of what was thrown, or of the result that is not ok. */
  readonly kindOf?: (failure: unknown) => OutcomeKind | undefined
}

export interface Outcome {
  readonly ok: boolean
  /** ≥ 0, in milliseconds. */
  readonly latencyMs?: number
  /** What kind of failure it was, where it was one: guards may name a kind, such as `error_rate_5xx`. */
  readonly kind?: OutcomeKind
}

export interface TrackOptions {
  /** A finite number: price, count, score. */
  readonly value?: number
  /** Makes the event idempotent across processes and retries; one among the events of its name, for a week. */
  readonly id?: string
  /** The attribute whose value is the unit. Default: what each rollout that counts the event assigns. */
  readonly unit?: string
}

export interface ClientStatus {
  readonly connected: boolean
  /** How the SDK talks to the server now. */
  readonly transport: 'socket' | 'http' | 'none'
  /** Version of the ruleset in use; 0 before there is one. */
  readonly version: number
  /** Where that ruleset came from. */
  readonly source: 'none' | 'bootstrap' | 'store' | 'server'
  /** Since the last message from the server; undefined before the first. */
  readonly lastContactMs: number | undefined
  /** Reports, outcome cells and events not yet acknowledged. */
  readonly pending: {
    readonly reports: number
    readonly outcomes: number
    readonly exposures: number
    readonly events: number
  }
  /** Dropped since the start. */
  readonly dropped: {
    readonly outcomes: number
    readonly exposures: number
    readonly events: number
    readonly invalid: number
  }
  /** Keys of the rollouts whose local breaker is open. */
  readonly breakers: readonly string[]
  readonly lastError: string | undefined
}

export interface ClientEvents {
  /** The ruleset changed; `rollouts` are the keys that did. */
  change: { readonly version: number; readonly rollouts: readonly string[] }
  status: ClientStatus
  error: { readonly code: string; readonly message: string }
}

/**
 * The SDK. No method throws because of Pipit, waits for the network, or grows without bound.
 *
 * `R` is what the program knows of the rollouts (`pipit types` writes it) and `D` the rollout that calls without one mean. Without them every
 * key and every variant is a text; with `R` alone each call names its rollout.
 */
export interface Client<R extends RolloutTypes<R> = AnyRollouts, D extends RolloutKey<R> = NoDefault<R>> {
  /** Resolves true as soon as there is a ruleset (from anywhere), false after `timeoutMs` (default 5000); never rejects. */
  ready(options?: { readonly timeoutMs?: number }): Promise<boolean>
  /** `stable`, `canary` or another arm of the rollout that is named by its key or in options. */
  variant<K extends RolloutKey<R> = D>(
    user: User | undefined,
    ...which: Which<DecideOptions<K>, K, D, RolloutKey<R>>
  ): VariantOf<R, K>
  /**
   * The variant of every rollout, by key: for a page that is rendered with all of them, or for logs. Nobody counts as exposed by it; call
   * `variant` where the code takes one path or the other.
   */
  variants(user: User | undefined, options?: DecideContext): { readonly [K in RolloutKey<R>]?: VariantOf<R, K> }
  decide<K extends RolloutKey<R> = D>(
    user: User | undefined,
    ...which: Which<DecideOptions<K>, K, D, RolloutKey<R>>
  ): DecisionOf<R, K>
  /**
   * Runs the path of the user's variant, times it and reports it. Its result or its error is the caller's. A variant without a path gets
   * `stable`'s, so that an arm that is new on the server breaks nothing.
   */
  run<T, K extends RolloutKey<R> = D>(
    user: User | undefined,
    paths: Paths<T, VariantOf<R, K>>,
    ...which: Which<RunOptions<K>, K, D, RolloutKey<R>>
  ): Promise<T>
  outcome(decision: DecisionOf<R, RolloutKey<R>>, outcome: Outcome): void
  track(user: User | undefined, event: string, options?: TrackOptions): void
  /** Returns what removes the listener. */
  on<K extends keyof ClientEvents>(event: K, listener: (value: ClientEvents[K]) => void): () => void
  status(): ClientStatus
  /** Sends what is pending; resolves true once acknowledged, false after `timeoutMs` (default 5000). */
  flush(options?: { readonly timeoutMs?: number }): Promise<boolean>
  /** Flushes (bounded by `timeoutMs`, default 2000) and lets go of everything. Decisions go on from the last ruleset. */
  close(options?: { readonly timeoutMs?: number }): Promise<void>
}
