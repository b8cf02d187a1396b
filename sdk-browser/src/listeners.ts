import type { PageClient, PageEventsOf } from './api.ts'

/** Who is told what. Troubles are kept, told to listeners, and once of each kind to the logger. */
export interface Listeners {
  lastError: string | undefined
  readonly on: PageClient['on']
  has(event: string): boolean
  emit<K extends keyof PageEventsOf>(event: K, value: PageEventsOf[K]): void
  trouble(code: string, message: string): void
}

const mostKinds = 99

export function createListeners(logger: { warn(message: string): void }): Listeners {
  const entries = new Set<readonly [string, (value: never) => void]>()
  const told = new Set<string>()
  const all: Listeners = {
    lastError: undefined,
    on(event, listener) {
      const entry = [event, listener] as const
      entries.add(entry)
      return () => entries.delete(entry)
    },
    has: (event) => [...entries].some(([of]) => of === event),
    emit(event, value) {
      for (const [of, listener] of entries) {
        try {
          if (of === event) listener(value as never)
        } catch {
          // A listener that throws is the application's affair.
        }
      }
    },
    trouble(code, message) {
      all.lastError = message
      if (!told.has(code) && told.size < mostKinds) logger.warn(`pipit: ${message}`)
      told.add(code)
      all.emit('error', { code, message })
    },
  }
  return all
}
