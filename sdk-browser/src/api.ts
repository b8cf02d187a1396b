import type {
  AnyRollouts,
  ClientEvents,
  ClientStatus,
  DecideOptions,
  DecisionOf,
  NoDefault,
  Outcome,
  Paths,
  RolloutKey,
  RolloutTypes,
  RunOptions,
  TrackOptions,
  User,
  VariantOf,
  Which,
} from '@pipit/shared/client'
import type { Decision } from '@pipit/shared/decide'
import type { PageRuleset } from '@pipit/shared/protocol'

/** Who uses the page, and what its own server says of them. */
export interface PageIdentity {
  /** An id, or an object with `id`, `anonymousId` and attributes: at most 8 KB as JSON. The server decides rules and cohorts for it. */
  readonly user?: User | undefined
  /** Proof that the page's own server knows the user: the hex HMAC-SHA256 of the id under the environment's page secret. */
  readonly userHash?: string | undefined
  /** The cookies that rules may look at; nothing else of the page's cookies is read. */
  readonly cookies?: { readonly [name: string]: string } | undefined
}

export interface PageClientOptions extends PageIdentity {
  /** Base address of the control plane, http or https; the socket's address is derived. */
  readonly url: string
  /** A web key, `web_…`. It is no secret. */
  readonly key: string
  /** The rollout that calls without `rollout` mean. */
  readonly rollout?: string
  /** What the page's server has decided from for this user, from `pageRuleset` of `@pipit/sdk-node`: used at once, before storage and network. */
  readonly bootstrap?: PageRuleset | undefined
  /** False keeps nothing in `localStorage`. Default true. */
  readonly storage?: boolean
  /** Free labels shown to operators: app version, locale. At most 16. */
  readonly labels?: { readonly [name: string]: string }
  /** Is told once of each kind of trouble. Default: the console. */
  readonly logger?: { warn(message: string): void }
}

/** What is seen of a client from outside. */
export interface PageStatus extends Omit<ClientStatus, 'breakers' | 'pending' | 'dropped'> {
  /** Reports that the server has not acknowledged, with the one that is being filled. */
  readonly pending: number
  /** What could not be kept or understood, so far. */
  readonly dropped: number
  /** Milliseconds since the ruleset was known to be the server's: since the last contact, since it was stored, or since the page was begun. */
  readonly ageMs: number | undefined
}

export interface PageEventsOf extends Omit<ClientEvents, 'status'> {
  status: PageStatus
  /** The page's user met a variant that counts, once for each rollout and epoch: for an analytics tool of the application's own. */
  exposure: Decision
  /** The next decision may be another one: after news, `setUser` and `refresh`. To listen lets no decision go that is kept. */
  decisions: undefined
}

/** A rollout's key, which may be left out where there is a default `D`; as in `Which`. */
export type RolloutArgument<K extends string, D extends string, All extends string> = [D] extends [never]
  ? [rollout: `${K}`]
  : string extends All
    ? [rollout?: string | undefined]
    : [rollout?: `${K}` | undefined]

/**
 * Pipit in a page. As `Client` of `@pipit/sdk-node`; the user may be left out of each call and is then the page's. No method throws
 * because of Pipit, waits for the network, or grows without bound.
 */
export interface PageClient<R extends RolloutTypes<R> = AnyRollouts, D extends RolloutKey<R> = NoDefault<R>> {
  /** Resolves true as soon as there is a ruleset for the page's user (from anywhere), false after `timeoutMs` (default 5000); never rejects. */
  ready(options?: { readonly timeoutMs?: number }): Promise<boolean>
  /**
   * The variant of the page's user stays what it was when it was first asked for, until `refresh()` or while somebody listens for
   * `change`; but a revert, a lower weight that takes the user out, and a `deadman` apply at once. Of another user phase and split alone are known,
   * and nothing is reported of them as randomised.
   */
  variant<K extends RolloutKey<R> = D>(
    user?: User | undefined,
    ...which: Which<DecideOptions<K>, K, D, RolloutKey<R>>
  ): VariantOf<R, K>
  decide<K extends RolloutKey<R> = D>(
    user?: User | undefined,
    ...which: Which<DecideOptions<K>, K, D, RolloutKey<R>>
  ): DecisionOf<R, K>
  /** Runs the path of the user's variant, times it and reports it. Its result or its error is the caller's. */
  run<T, K extends RolloutKey<R> = D>(
    user: User | undefined,
    paths: Paths<T, VariantOf<R, K>>,
    ...which: Which<RunOptions<K>, K, D, RolloutKey<R>>
  ): Promise<T>
  outcome(decision: DecisionOf<R, RolloutKey<R>>, outcome: Outcome): void
  /** Counts an event of the page's user; of anybody else a page can tell nothing. */
  track(user: User | undefined, event: string, options?: Pick<TrackOptions, 'value' | 'id'>): void
  /** The page is somebody else's now: what was counted for the one before is sent as theirs. Resolves as `ready`. */
  setUser(user: User | undefined, identity?: Omit<PageIdentity, 'user'>): Promise<boolean>
  /**
   * What the bootstrap says for the user whom the client was created with, whatever came after: what a server rendered with the same bootstrap,
   * so that a page begins alike. Nobody counts as exposed by it.
   */
  initial<K extends RolloutKey<R> = D>(...rollout: RolloutArgument<K, D, RolloutKey<R>>): DecisionOf<R, K>
  /** Lets decisions go that were kept for the page's sake: the next calls answer by the newest ruleset. */
  refresh(): void
  /** Returns what removes the listener. Whoever listens for `change` gets the newest decision at each call. */
  on<K extends keyof PageEventsOf>(event: K, listener: (value: PageEventsOf[K]) => void): () => void
  status(): PageStatus
  /** Sends what is pending; resolves true once acknowledged, false after `timeoutMs` (default 5000). */
  flush(options?: { readonly timeoutMs?: number }): Promise<boolean>
  /** Flushes (bounded by `timeoutMs`, default 2000) and lets go of everything. Decisions go on from the last ruleset. */
  close(options?: { readonly timeoutMs?: number }): Promise<void>
}
