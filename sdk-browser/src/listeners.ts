import type { PageClient, PageEventsOf } from './api.ts'

/** Who is told what. Troubles are kept, told to listeners, and to the logger where it is another than the last. */
export interface Listeners {
  lastError(): string | undefined
  readonly on: PageClient['on']
  has(event: string): boolean
  emit<K extends keyof PageEventsOf>(event: K, value: PageEventsOf[K]): void
  trouble(code: string, message: string): void
}

export function createListeners(logger: { warn(message: string): void }): Listeners {
  const all: { [event: string]: Set<(value: never) => void> } = {}
  let last: string | undefined

  const emit: Listeners['emit'] = (event, value) => {
    for (const listener of all[event] ?? []) {
      try {
        listener(value as never)
      } catch {
        // A listener that throws is the application's affair.
      }
    }
  }

  return {
    lastError: () => last,
    on(event, listener) {
      const mine = (all[event] ??= new Set())
      mine.add(listener)
      return () => mine.delete(listener)
    },
    has: (event) => !!all[event]?.size,
    emit,
    trouble(code, message) {
      if (message !== last) logger.warn(`pipit: ${message}`)
      last = message
      emit('error', { code, message })
    },
  }
}
