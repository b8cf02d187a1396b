import type { AnyRollouts, DecisionOf, NoDefault, RolloutKey, RolloutTypes, VariantOf } from '@pipit/shared/client'
import {
  createContext,
  createElement,
  type ReactElement,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useState,
  useSyncExternalStore,
} from 'react'
import type { PageClient, RolloutArgument } from './api.ts'
import { type DecisionsStore, decisionsStore } from './decisions-store.ts'

export interface PipitProviderProps<R extends RolloutTypes<R> = AnyRollouts, D extends RolloutKey<R> = NoDefault<R>> {
  /** Made once, outside of components: it is nobody's state. On a server one for each request, with the request's bootstrap. */
  readonly client: PageClient<R, D>
  /** The page follows every change, by listening for `change`. Without it decisions stay, and only what takes the canary back applies at once. */
  readonly live?: boolean | undefined
  readonly children?: ReactNode
}

/** Counts an event of the page's user; the same function at each render. */
export type Track = (event: string, options?: Parameters<PageClient['track']>[2]) => void

/** The hooks as they know a program's rollouts. */
export interface PipitHooks<R extends RolloutTypes<R>, D extends RolloutKey<R>> {
  PipitProvider(props: PipitProviderProps<R, D>): ReactElement
  /** The client itself. */
  usePipit(): PageClient<R, D>
  useVariant<K extends RolloutKey<R> = D>(...rollout: RolloutArgument<K, D, RolloutKey<R>>): VariantOf<R, K>
  useDecision<K extends RolloutKey<R> = D>(...rollout: RolloutArgument<K, D, RolloutKey<R>>): DecisionOf<R, K>
  useTrack(): Track
}

interface Provided {
  readonly client: PageClient
  readonly store: DecisionsStore
}

const Context = createContext<Provided | undefined>(undefined)

/** Gives a client to the components below. */
export function PipitProvider({ client, live = false, children }: PipitProviderProps): ReactElement {
  const [provided, setProvided] = useState(() => provide(client))
  const current = provided.client === client ? provided : provide(client)
  if (current !== provided) setProvided(current)
  const { version } = current
  useEffect(() => {
    if (!live) return
    const off = client.on('change', () => undefined)
    // What came before it listened.
    if (client.status().version !== version) client.refresh()
    return off
  }, [client, live, version])
  return createElement(Context.Provider, { value: current }, children)
}

const provide = (client: PageClient): Provided & { readonly version: number } => ({
  client,
  store: decisionsStore(client),
  version: client.status().version,
})

function useProvided(): Provided {
  const provided = useContext(Context)
  if (!provided) throw new Error('pipit: this component has no client; put <PipitProvider client={…}> above it')
  return provided
}

/** The client of the nearest provider. */
export function usePipit(): PageClient {
  return useProvided().client
}

function useStored<T>(rollout: string, read: (store: DecisionsStore, from: 'get' | 'initial') => T): T {
  const { store } = useProvided()
  const subscribe = useCallback((listener: () => void) => store.subscribe(rollout, listener), [store, rollout])
  return useSyncExternalStore(
    subscribe,
    () => read(store, 'get'),
    () => read(store, 'initial'),
  )
}

/**
 * The variant of the page's user, who counts as exposed where it is rendered in a browser. On a server, and while a page is hydrated, it is
 * the bootstrap's.
 */
export function useVariant(rollout = ''): string {
  return useStored(rollout, (store, from) => store[from](rollout).variant)
}

/** As `useVariant`, with payload, reason and what `outcome` asks for. */
export function useDecision(rollout = ''): ReturnType<PageClient['decide']> {
  return useStored(rollout, (store, from) => store[from](rollout))
}

/** What counts events of the page's user. */
export function useTrack(): Track {
  const { client } = useProvided()
  return useCallback((event, options) => client.track(undefined, event, options), [client])
}

/**
 * The same hooks, typed by what `pipit types` writes, and by the rollout that calls without one mean.
 *
 * @example
 * ```ts
 * export const { PipitProvider, useVariant, useTrack } = createHooks<Rollouts, 'checkout-v2'>()
 * ```
 */
export function createHooks<
  R extends RolloutTypes<R> = AnyRollouts,
  D extends RolloutKey<R> = NoDefault<R>,
>(): PipitHooks<R, D> {
  // What the program knows of its rollouts is known to its compiler alone.
  return { PipitProvider, usePipit, useVariant, useDecision, useTrack } as unknown as PipitHooks<R, D>
}
