import type { Client } from '@pipit/shared/client'
import { keepAlive } from './keep-alive.ts'

/** For a last report at the end of the process. */
const timeoutMs = 1000
const signals = ['SIGTERM', 'SIGINT'] as const
type Signal = (typeof signals)[number]

const open = new Set<Client>()

/**
 * Sends what is pending when the process ends by itself, and when a signal ends it that the application does not handle. Returns what takes
 * the client out again.
 *
 * Signals are the application's business. Whether a signal ends the process depends on whether anybody listens, and libraries that end
 * it look whether they are the only ones, so a listener of ours beside theirs could leave a process that nobody can stop. Hence ours is
 * there only while there is no other: it is not added beside one and goes when one is added. It flushes, bounded by a second, and
 * then lets the signal do what it would have done; a second signal does so at once.
 */
export function flushAtExit(client: Client): () => void {
  if (open.size === 0) install()
  open.add(client)
  return () => {
    if (open.delete(client) && open.size === 0) uninstall()
  }
}

function install(): void {
  process.on('beforeExit', onBeforeExit)
  process.on('newListener', onNewListener)
  for (const signal of signals) if (process.listenerCount(signal) === 0) process.on(signal, onSignal)
}

function uninstall(): void {
  process.off('beforeExit', onBeforeExit)
  process.off('newListener', onNewListener)
  for (const signal of signals) process.off(signal, onSignal)
}

function onBeforeExit(): void {
  for (const client of open) {
    open.delete(client)
    void keepAlive(client.close({ timeoutMs }))
  }
  uninstall()
}

function onNewListener(name: string | symbol, listener: unknown): void {
  if (listener === onSignal || (name !== 'SIGTERM' && name !== 'SIGINT')) return
  // Not before the new one is there: without any listener Node would let go of the signal.
  queueMicrotask(() => process.off(name, onSignal))
}

function onSignal(signal: Signal): void {
  process.off(signal, onSignal)
  // Flushed and not closed: the first process of a container does not end by a signal that nobody handles.
  const flushed = [...open].map((client) => client.flush({ timeoutMs }))
  void keepAlive(Promise.all(flushed)).finally(() => process.kill(process.pid, signal))
}
