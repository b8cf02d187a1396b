import type { Client } from '@pipit/shared/client'

const open = new Set<Client>()
let listening = false

/**
 * Sends what is pending when the process runs out of work. Signals are the application's own business: call `close` in its handler, as
 * for every other connection; the SDK installs none, since that would change whether the process ends.
 */
export function flushAtExit(client: Client): () => void {
  open.add(client)
  if (!listening) {
    listening = true
    process.once('beforeExit', () => {
      for (const pending of open) {
        // The SDK's own timers and socket do not keep the process alive; this one does, while the last report is under way.
        const alive = setTimeout(() => undefined, 1500)
        void pending.close({ timeoutMs: 1000 }).finally(() => clearTimeout(alive))
      }
    })
  }
  return () => {
    open.delete(client)
  }
}
