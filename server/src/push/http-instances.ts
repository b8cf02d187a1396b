import type { Clock } from '@pipit/shared/clock'
import type { Hub, InstanceView } from './api.ts'
import type { HubLimits } from './limits.ts'

type Heard = Parameters<Hub['heard']>[0]

/** The instances of one environment that poll, because they cannot have a socket. */
export interface HttpInstances {
  /** False where there are too many to remember another. */
  heard(instance: Heard): boolean
  readonly size: number
  has(instance: string): boolean
  /** It has a socket now. */
  forget(instance: string): void
  /** Forgets who was not heard for too long, and names them. */
  expire(): readonly string[]
  views(): IterableIterator<InstanceView>
}

export function createHttpInstances(
  clock: Clock,
  limits: HubLimits,
  kind: InstanceView['kind'] = 'server',
): HttpInstances {
  const most = kind === 'page' ? limits.maxHttpPages : limits.maxHttpInstances
  const known = new Map<string, { readonly view: InstanceView; readonly heardAt: number }>()

  return {
    heard({ instance, environment, sdk, labels, version, breakers }) {
      const before = known.get(instance)?.view
      if (before === undefined && known.size >= most) return false
      const [name = sdk, sdkVersion = ''] = sdk.split('/')
      const now = clock.now()
      const view: InstanceView = {
        instance,
        environment,
        kind,
        sdk: { name, version: sdkVersion },
        labels: labels ?? before?.labels ?? {},
        connectedAt: before?.connectedAt ?? now,
        lastSeenAt: now,
        // A report, and the first poll, do not tell a version.
        appliedVersion: version === 0 ? (before?.appliedVersion ?? 0) : version,
        bufferedBytes: 0,
        transport: 'http',
        breakers: breakers ?? before?.breakers ?? [],
      }
      known.set(instance, { view, heardAt: clock.monotonic() })
      return true
    },
    get size() {
      return known.size
    },
    has: (instance) => known.has(instance),
    forget(instance) {
      known.delete(instance)
    },
    expire() {
      const now = clock.monotonic()
      const gone = [...known]
        .filter(([, { heardAt }]) => now - heardAt > limits.httpGoneMs)
        .map(([instance]) => instance)
      for (const instance of gone) known.delete(instance)
      return gone
    },
    *views() {
      for (const { view } of known.values()) yield view
    },
  }
}
