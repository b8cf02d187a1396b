import type { Clock } from '@pipit/shared/clock'
import type { PageUser } from '@pipit/shared/protocol'
import type { HubLimits } from '../limits.ts'

/**
 * Who pages said they were: their last reports come when their socket is gone, and those of pages without a socket never had one.
 * Bounded in time and bytes; whoever was heard longest ago is forgotten first.
 */
export interface VisitorMemory {
  remember(instance: string, user: PageUser | undefined): void
  /** Heard again; nothing happens where it is not known. */
  touch(instance: string): void
  find(instance: string): { readonly user: PageUser | undefined } | undefined
  expire(): void
}

interface Known {
  readonly user: PageUser | undefined
  readonly bytes: number
  readonly heardAt: number
}

/** An entry without its user, about. */
const entryBytes = 200

export function createVisitorMemory(clock: Clock, limits: HubLimits): VisitorMemory {
  const known = new Map<string, Known>()
  let bytes = 0

  function forget(instance: string): void {
    bytes -= known.get(instance)?.bytes ?? 0
    known.delete(instance)
  }

  function put(instance: string, entry: Known): void {
    forget(instance)
    known.set(instance, entry)
    bytes += entry.bytes
    for (const oldest of known.keys()) {
      if (bytes <= limits.pageMemoryBytes) break
      forget(oldest)
    }
  }

  return {
    remember(instance, user) {
      const size = entryBytes + (user === undefined ? 0 : 2 * JSON.stringify(user).length)
      put(instance, { user, bytes: size, heardAt: clock.monotonic() })
    },
    touch(instance) {
      const entry = known.get(instance)
      if (entry !== undefined) put(instance, { ...entry, heardAt: clock.monotonic() })
    },
    find: (instance) => known.get(instance),
    expire() {
      const now = clock.monotonic()
      for (const [instance, { heardAt }] of known) {
        if (now - heardAt <= limits.pageMemoryMs) break
        forget(instance)
      }
    },
  }
}
