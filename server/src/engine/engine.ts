import type { Cancel, Clock } from '@pipit/shared/clock'
import type { Storage } from '../storage/ports.ts'
import type { Engine, Notifier, Publisher } from './api.ts'
import { createCatalog } from './catalog.ts'
import { createCommands } from './commands.ts'
import { look } from './look.ts'
import { createOutbox } from './outbox.ts'

export interface EngineParts {
  readonly storage: Storage
  readonly publisher: Publisher
  readonly notifier: Notifier
  readonly clock: Clock
  /** A fresh random text of letters, digits, `_` and `-`; 21 characters unless told. */
  readonly newId: (size?: number) => string
  readonly log: { warn(message: string): void; error(message: string): void }
}

/** Never sleeps longer, whatever the plan: a wall clock that jumps is noticed within this time. */
const longestSleepMs = 60_000
const dueBatch = 100
const retryMs = 1000

/**
 * Drives rollouts: computes when something is due next from what is stored, sleeps until then, looks, delivers the outbox. A change by
 * people wakes it at once.
 */
export function createEngine({ storage, publisher, notifier, clock, newId, log }: EngineParts): Engine {
  const outbox = createOutbox({ storage, publisher, notifier, clock, log })
  let started = false
  let again = false
  let running: Promise<void> | undefined
  let cancel: Cancel | undefined
  let failing = false

  function wake(): void {
    if (!started) return
    again = true
    running ??= run()
  }

  async function run(): Promise<void> {
    cancel?.()
    try {
      while (again && started) {
        again = false
        await lookAtDue()
        await outbox.deliver()
      }
      if (failing) log.warn('the engine works again')
      failing = false
      running = undefined
      if (started) sleepFor(await untilNext())
    } catch (error) {
      if (!failing) log.error(`the engine cannot work with the database, trying again each second: ${String(error)}`)
      failing = true
      running = undefined
      if (started) sleepFor(retryMs)
    }
  }

  async function lookAtDue(): Promise<void> {
    const due = await storage.rollouts.due(clock.now(), dueBatch)
    for (const record of due) {
      await storage.transaction((stores) => look(stores, record.id, clock.now(), { publisher, newId }))
      // Its effects must not wait for the looks at all the others.
      await outbox.deliver()
    }
    if (due.length === dueBatch) again = true
  }

  async function untilNext(): Promise<number> {
    const moments = [await storage.rollouts.nextWakeAt(), await storage.outbox.nextAttemptAt()]
    const next = Math.min(...moments.filter((moment) => moment !== undefined))
    return Math.min(longestSleepMs, Math.max(0, next - clock.now()))
  }

  function sleepFor(ms: number): void {
    // Something may have become due while it was computed.
    if (again) return wake()
    cancel?.()
    cancel = clock.setTimer(ms, wake)
  }

  return {
    ...createCommands({ storage, clock, newId, wake }),
    ...createCatalog({ storage, clock, newId, wake, publisher }),
    start() {
      started = true
      wake()
    },
    async stop() {
      started = false
      cancel?.()
      await running
      await outbox.settle()
    },
    wake,
    async idle() {
      while (running !== undefined) await running
      await outbox.settle()
    },
  }
}
