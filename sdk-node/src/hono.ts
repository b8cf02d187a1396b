import type { Context, Env, MiddlewareHandler } from 'hono'
import { getCookie } from 'hono/cookie'
import type {
  AnyRollouts,
  Client,
  Decision,
  DecisionOf,
  NoDefault,
  NodeClient,
  RolloutKey,
  RolloutTypes,
  TrackOptions,
  User,
  VariantOf,
} from './index.ts'
import { nodeClock } from './platform/clock.ts'

/** A rollout's key; it may be left out where `createClient` was told a default. */
type OneRollout<K extends string, D extends string> = [D] extends [never] ? [rollout: K] : [rollout?: K | undefined]

/** Pipit for one request: bound to its user, headers and cookies. `rollout` defaults to the one of `createClient`. */
export interface RequestPipit<R extends RolloutTypes<R> = AnyRollouts, D extends RolloutKey<R> = NoDefault<R>> {
  /** `stable`, `canary` or another arm. The same answer for the whole request, whatever is published meanwhile. */
  variant<K extends RolloutKey<R> = D>(...rollout: OneRollout<K, D>): VariantOf<R, K>
  /** The whole decision, likewise. */
  decide<K extends RolloutKey<R> = D>(...rollout: OneRollout<K, D>): DecisionOf<R, K>
  /** Something the request's user did. */
  track(event: string, options?: TrackOptions): void
}

/** What the middleware puts on the context. */
export interface PipitVariables<R extends RolloutTypes<R> = AnyRollouts, D extends RolloutKey<R> = NoDefault<R>> {
  pipit: RequestPipit<R, D>
}

export interface PipitOptions<E extends Env> {
  /** Who is asking: an id, or an object with `id` and attributes; undefined for nobody. Called once per request; what it throws is the application's. */
  readonly user: (context: Context<E>) => User | undefined | Promise<User | undefined>
}

/**
 * Middleware of Hono: decides for the request's user, and reports for every rollout that was decided in the request how it went. A status of
 * 500 or above is a failure of kind `5xx`; the latency is that of everything below the middleware up to the response's head. Do not report the same
 * decision by `outcome` or `run` as well.
 *
 * @example
 * ```ts
 * import { createClient } from '@pipit/sdk-node'
 * import { pipit } from '@pipit/sdk-node/hono'
 * import { Hono } from 'hono'
 *
 * const sdk = createClient({ url: 'http://127.0.0.1:4400', key: 'srv_…', rollout: 'checkout-v2' })
 * const app = new Hono()
 *   .use(pipit(sdk, { user: (c) => c.req.header('x-user') }))
 *   .get('/checkout', (c) => c.text(c.var.pipit.variant() === 'canary' ? 'new' : 'old'))
 * ```
 */
export function pipit<
  E extends Env = Env,
  R extends RolloutTypes<R> = AnyRollouts,
  D extends RolloutKey<R> = NoDefault<R>,
>(
  // The union is for the compiler: it reads `R` and `D` off a type that it is given by name, and not off one that extends it.
  client: Client<R, D> | NodeClient<R, D>,
  options: PipitOptions<E>,
): MiddlewareHandler<E & { Variables: PipitVariables<R, D> }> {
  // What the program knows of its rollouts is known to its compiler alone.
  const sdk = client as unknown as Client
  return async (c, next) => {
    const user = await options.user(c as unknown as Context<E>)
    const began = nodeClock.monotonic()
    const context = { headers: c.req.raw.headers, cookies: getCookie(c) }
    /** By the rollout's key; the default one also by ''. */
    const decisions = new Map<string, Decision>()

    function decide(rollout?: string): Decision {
      const asked = rollout ?? ''
      let decision = decisions.get(asked)
      if (decision === undefined) {
        const made = sdk.decide(user, rollout === undefined ? context : { ...context, rollout })
        decision = decisions.get(made.rollout) ?? made
        decisions.set(made.rollout, decision).set(asked, decision)
      }
      return decision
    }

    const bound: RequestPipit = {
      decide,
      variant: (rollout) => decide(rollout).variant,
      track: (event, trackOptions) => sdk.track(user, event, trackOptions),
    }
    c.set('pipit', bound as RequestPipit<R, D>)
    let ok = false
    try {
      await next()
      ok = c.res.status < 500
    } finally {
      const latencyMs = nodeClock.monotonic() - began
      for (const decision of new Set(decisions.values()))
        sdk.outcome(decision, { ok, latencyMs, ...(ok ? {} : { kind: '5xx' }) })
    }
  }
}
