import type { ClientEvents } from './api.ts'

type Listener<K extends keyof ClientEvents> = (value: ClientEvents[K]) => void

/** Listeners by event; one that throws harms neither the SDK nor the others. */
export interface Listeners {
  on<K extends keyof ClientEvents>(event: K, listener: Listener<K>): () => void
  emit<K extends keyof ClientEvents>(event: K, value: () => ClientEvents[K]): void
}

export function createListeners(): Listeners {
  const sets: { [K in keyof ClientEvents]: Set<Listener<K>> } = {
    change: new Set(),
    status: new Set(),
    error: new Set(),
  }
  return {
    on(event, listener) {
      sets[event].add(listener)
      return () => {
        sets[event].delete(listener)
      }
    },
    emit(event, value) {
      if (sets[event].size === 0) return
      const told = value()
      for (const listener of [...sets[event]]) {
        try {
          listener(told)
        } catch {
          // The application's own fault; it must not reach the SDK.
        }
      }
    },
  }
}
