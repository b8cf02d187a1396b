import type { Client } from '@pipit/shared/client'
import { keepAlive } from './keep-alive.ts'

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
      for (const pending of open) void keepAlive(pending.close({ timeoutMs: 1000 }))
    })
  }
  return () => {
    open.delete(client)
  }
}
