import type { AnyRollouts, DefaultRollout, NoDefault, RolloutKey, RolloutTypes } from '@pipit/shared/client'
import type { PageClient, PageClientOptions } from './api.ts'
import type { Page } from './page.ts'
import { createPageClient } from './page-client.ts'

/**
 * Connects this page to a Pipit control plane. Decisions are made in the page from what is known: the bootstrap, what an earlier page kept, then
 * what the server says. On a server, where there is no document, it decides from the bootstrap and connects to nothing.
 *
 * @example
 * ```ts
 * import { createClient } from '@pipit/sdk-browser'
 *
 * const sdk = createClient({ url: 'https://pipit.example.com', key: 'web_…', rollout: 'checkout-v2', user: { id: 'user-1' } })
 * await sdk.ready({ timeoutMs: 500 })
 * const variant = sdk.variant() // 'stable' | 'canary'
 * ```
 *
 * @throws TypeError for a `url` or `key` that cannot work: a fault of the program, thrown at once and only here.
 */
export function createClient<R extends RolloutTypes<R> = AnyRollouts, D extends RolloutKey<R> = NoDefault<R>>(
  options: PageClientOptions & DefaultRollout<D>,
): PageClient<R, D> {
  const { url, key } = options
  if (!/^https?:\/\/[^?#]+$/.test(url) || !key) throw new TypeError(`pipit: wrong url ${url} or key ${key}`)
  // What the program knows of its rollouts is known to its compiler alone.
  return createPageClient(options, globalThis as unknown as Page) as unknown as PageClient<R, D>
}

export type {
  AnyRollouts,
  DecideOptions,
  DecisionOf,
  NoDefault,
  Outcome,
  RolloutKey,
  RolloutType,
  RolloutTypes,
  RunOptions,
  TrackOptions,
  VariantOf,
} from '@pipit/shared/client'
export type { Decision, Reason, User } from '@pipit/shared/decide'
export type { PageRuleset } from '@pipit/shared/protocol'
export type { PageClient, PageClientOptions, PageEventsOf, PageIdentity, PageStatus } from './api.ts'
