import {
  type AnyRollouts,
  createClientCore,
  type DefaultRollout,
  explain,
  type NoDefault,
  type RolloutKey,
  type RolloutTypes,
} from '@pipit/shared/client'
import type { NodeClient } from './node-client.ts'
import { checkOptions, type NodeClientOptions } from './options.ts'
import { pageFor } from './page.ts'
import { nodeClock, nodeRandom } from './platform/clock.ts'
import { flushAtExit } from './platform/exit-flush.ts'
import { createFileStore, defaultFolder } from './platform/file-store.ts'
import { request } from './platform/http.ts'
import { keepAlive } from './platform/keep-alive.ts'
import { connectSocket } from './platform/socket.ts'
import { createUserAgentReader } from './platform/user-agent.ts'
import { version } from './version.ts'

/**
 * Connects this process to a Pipit control plane. Decisions are made in the process from the last known ruleset; no method of
 * the client throws because of Pipit or waits for the network.
 *
 * The SDK lets the process end, and then sends what is pending: when there is nothing left to do, and at SIGTERM or SIGINT where the
 * application does not handle them. Where it does, call `close()` in the handler.
 *
 * @example
 * ```ts
 * import { createClient } from '@pipit/sdk-node'
 *
 * const sdk = createClient({ url: 'http://127.0.0.1:4400', key: 'srv_…', rollout: 'checkout-v2' })
 * await sdk.ready({ timeoutMs: 2000 })
 * const variant = sdk.variant({ id: 'user-1', plan: 'beta' })
 * ```
 *
 * With the declarations that `pipit types` writes, the compiler knows keys, variants and payloads; a default rollout is told to it too.
 *
 * @example
 * ```ts
 * import { createClient } from '@pipit/sdk-node'
 * import type { Rollouts } from './rollouts.d.ts'
 *
 * const sdk = createClient<Rollouts>({ url: 'http://127.0.0.1:4400', key: 'srv_…' })
 * const variant = sdk.variant('user-1', 'checkout-v2') // 'stable' | 'canary'
 * const checkout = createClient<Rollouts, 'checkout-v2'>({ url: 'http://127.0.0.1:4400', key: 'srv_…', rollout: 'checkout-v2' })
 * ```
 *
 * @throws TypeError for options that cannot work: a fault of the program, thrown at once and only here.
 */
export function createClient<R extends RolloutTypes<R> = AnyRollouts, D extends RolloutKey<R> = NoDefault<R>>(
  options: NodeClientOptions & DefaultRollout<D>,
): NodeClient<R, D> {
  checkOptions(options)
  const { cacheDir, ...rest }: NodeClientOptions = options
  const folder = cacheDir === undefined ? defaultFolder() : cacheDir !== false && { directory: cacheDir }
  const userAgent = createUserAgentReader()
  const { make, ...client } = createClientCore(
    {
      sdk: { name: 'sdk-node', version },
      clock: nodeClock,
      random: nodeRandom,
      connect: connectSocket,
      userAgent,
      explain,
      request,
      ...(folder === false ? {} : { store: createFileStore(folder, options.url, options.key) }),
      log: console,
    },
    rest,
  )
  const forget = flushAtExit(client)
  const whole: NodeClient = {
    ...client,
    pageRuleset: (user, context) =>
      make((compiled, silentMs) =>
        pageFor(compiled, user, context, { now: nodeClock.now, random: nodeRandom, userAgent, silentMs }),
      ),
    ready: (readyOptions) => keepAlive(client.ready(readyOptions)),
    flush: (flushOptions) => keepAlive(client.flush(flushOptions)),
    async close(closeOptions) {
      forget()
      await keepAlive(client.close(closeOptions))
    },
  }
  // What the program knows of its rollouts is known to its compiler alone.
  return whole as NodeClient<R, D>
}

export type {
  AnyRollouts,
  Client,
  ClientEvents,
  ClientStatus,
  DecideContext,
  DecideOptions,
  Decision,
  DecisionOf,
  NoDefault,
  Outcome,
  OutcomeKind,
  PageRuleset,
  Reason,
  RolloutKey,
  RolloutType,
  RolloutTypes,
  Ruleset,
  RunOptions,
  TrackOptions,
  User,
  VariantOf,
} from '@pipit/shared/client'
export type { NodeClient } from './node-client.ts'
export type { NodeClientOptions } from './options.ts'
export { pageScript } from './page.ts'
