import type { Clock } from '@pipit/shared/clock'
import type { OutboxItem, Storage } from '../storage/ports.ts'
import type { Notifier, Publisher } from './api.ts'

const batch = 500
const firstRetryMs = 1000
const longestRetryMs = 300_000

export interface Outbox {
  /** Delivers what is due. Publishing is awaited; notifications go their own way, so that a slow receiver holds nothing up. */
  deliver(): Promise<void>
  /** Waits for the notifications that are under way. */
  settle(): Promise<void>
}

export interface OutboxParts {
  readonly storage: Storage
  readonly publisher: Publisher
  readonly notifier: Notifier
  readonly clock: Clock
  readonly log: { warn(message: string): void }
}

/** Delivers effects at least once: an item leaves the outbox only after it was delivered, so a crash in between repeats it. */
export function createOutbox({ storage, publisher, notifier, clock, log }: OutboxParts): Outbox {
  const underWay = new Map<string, Promise<void>>()

  async function publish(environment: string, items: readonly OutboxItem[]): Promise<void> {
    try {
      // However many changes there were: what is published is the newest state.
      await publisher.publish(environment)
      await storage.transaction(async (stores) => {
        for (const item of items) await stores.outbox.done(item.id)
      })
    } catch (error) {
      log.warn(`the ruleset of ${environment} could not be published, trying again: ${String(error)}`)
      await postpone(items)
    }
  }

  async function postpone(items: readonly OutboxItem[]): Promise<void> {
    const now = clock.now()
    await storage.transaction(async (stores) => {
      for (const item of items)
        await stores.outbox.retry(
          item.id,
          now + Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(item.attempts, 20)),
        )
    })
  }

  async function notify(item: OutboxItem): Promise<void> {
    if (item.effect.type !== 'notify') return
    const { level, sentence } = item.effect
    try {
      await notifier.notify({
        id: item.id,
        environment: item.environment,
        rollout: item.rolloutKey ?? '',
        level,
        sentence,
      })
      await storage.outbox.done(item.id)
    } catch (error) {
      log.warn(`notification ${item.id} could not be delivered, trying again: ${String(error)}`)
      await postpone([item]).catch(() => undefined)
    } finally {
      underWay.delete(item.id)
    }
  }

  return {
    async deliver() {
      const due = await storage.outbox.due(clock.now(), batch)
      const environments = new Map<string, OutboxItem[]>()
      for (const item of due) {
        if (item.effect.type === 'publish')
          environments.set(item.environment, [...(environments.get(item.environment) ?? []), item])
      }
      for (const [environment, items] of environments) await publish(environment, items)
      for (const item of due) {
        if (item.effect.type === 'notify' && !underWay.has(item.id)) underWay.set(item.id, notify(item))
      }
    },
    async settle() {
      await Promise.all(underWay.values())
    },
  }
}
