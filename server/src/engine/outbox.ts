import type { Clock } from '@pipit/shared/clock'
import type { OutboxItem, Storage } from '../storage/ports.ts'
import type { Notifier, Publisher } from './api.ts'
import { backoffMs, createPump, type Pump, type PumpParts } from './pump.ts'

const batch = 100
/** What takes longer has failed. */
const timeoutMs = 10_000
/** A notification that was begun is not begun again before: longer than its timeout, so that two are never under way. */
const leaseMs = 15_000
const longestNotifyDelayMs = 600_000

export interface OutboxParts extends PumpParts {
  readonly storage: Storage
  readonly publisher: Publisher
  readonly notifier: Notifier
}

/**
 * Delivers what transactions left to do, each at least once: an item leaves the outbox only after it was delivered. All publishes of an
 * environment are one, for whoever is told reads the newest ruleset. Notifications run beside them, so that a slow or broken receiver
 * never holds up a revert.
 */
export function createOutbox(parts: OutboxParts): Pump {
  const { storage, publisher, notifier, clock, random, log } = parts
  const underWay = new Set<Promise<void>>()
  const failing = new Set<string>()

  /** True when it worked; a trouble is logged when it begins and when it ends. */
  async function attempt(what: string, deliver: () => Promise<void>): Promise<boolean> {
    try {
      await withTimeout(clock, deliver)
      if (failing.delete(what)) log.warn(`${what} works again`)
      return true
    } catch (error) {
      if (!failing.has(what)) log.error(`${what} failed and is tried again until it works: ${String(error)}`)
      failing.add(what)
      return false
    }
  }

  async function publish(items: readonly OutboxItem[]): Promise<ReadonlySet<string>> {
    const delivered = new Set<string>()
    const environments = new Set(items.map((item) => item.environment))
    const one = async (environment: string): Promise<void> => {
      if (await attempt(`publishing ${environment}`, () => publisher.publish(environment))) delivered.add(environment)
    }
    await Promise.all([...environments].map(one))
    return delivered
  }

  async function notify({ effect, id, environment, rolloutKey }: OutboxItem): Promise<void> {
    if (effect.type !== 'notify') return
    const { level, sentence } = effect
    const notification = { id, environment, rollout: rolloutKey ?? '', level, sentence }
    if (!(await attempt('notifying', () => notifier.notify(notification)))) return
    // Where this fails the lease runs out, and it is sent once more under the same id.
    await attempt('clearing the outbox', () => storage.outbox.done(id))
  }

  function begin(item: OutboxItem): void {
    const delivery: Promise<void> = notify(item).finally(() => underWay.delete(delivery))
    underWay.add(delivery)
  }

  async function round(): Promise<number | undefined> {
    const due = await storage.outbox.due(clock.now(), batch)
    const publishes = due.filter((item) => item.effect.type === 'publish')
    const notifications = due.filter((item) => item.effect.type === 'notify')
    const delivered = await publish(publishes)
    if (due.length > 0) {
      const now = clock.now()
      await storage.transaction(async ({ outbox }) => {
        for (const item of publishes) {
          if (delivered.has(item.environment)) await outbox.done(item.id)
          else await outbox.retry(item.id, now + backoffMs(item.attempts + 1, random))
        }
        for (const item of notifications) {
          await outbox.retry(item.id, now + leaseMs + backoffMs(item.attempts + 1, random, longestNotifyDelayMs))
        }
      })
    }
    for (const item of notifications) begin(item)
    return await storage.outbox.nextAttemptAt()
  }

  const pump = createPump(parts, { name: 'delivering the outbox', round })
  return {
    ...pump,
    async stop() {
      await pump.stop()
      await Promise.all(underWay)
    },
    async idle() {
      await pump.idle()
      await Promise.all(underWay)
    },
  }
}

function withTimeout(clock: Clock, work: () => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = clock.setTimer(timeoutMs, () => reject(new Error(`no answer within ${timeoutMs} ms`)))
    const settle = (then: () => void): void => {
      cancel()
      then()
    }
    Promise.resolve()
      .then(work)
      .then(
        () => settle(resolve),
        (error: unknown) => settle(() => reject(error instanceof Error ? error : new Error(String(error)))),
      )
  })
}
