import type { Storage } from '../storage/ports.ts'
import { type LookParts, look } from './look.ts'
import { backoffMs, createPump, type Pump, type PumpParts } from './pump.ts'
import type { SteadyClock } from './steady-clock.ts'

/** Looks in one go, before sockets and requests have their turn. */
const batch = 20

export interface LooksParts extends LookParts, PumpParts {
  readonly storage: Storage
  readonly clock: SteadyClock
  /** Looks were taken: there may be effects to deliver. */
  readonly looked: () => void
}

/** Looks at every rollout when it is due. One that cannot be looked at waits longer and longer, and holds up no other. */
export function createLooks(parts: LooksParts): Pump {
  const { storage, clock, random, log } = parts
  const failures = new Map<string, number>()
  let tookUpTime = false

  /**
   * After a start at which the wall clock is behind what it was when the last change was stored, time goes on from there: ticks that were
   * judged do not open again.
   */
  async function takeUpTime(): Promise<void> {
    if (tookUpTime) return
    let latest = 0
    for (const { name } of await storage.environments.list()) {
      for (const { id, updatedAt, definition } of await storage.rollouts.list(name)) {
        const folded = (await storage.judge.get(id))?.foldedTick ?? -1
        latest = Math.max(latest, updatedAt, (folded + 1) * definition.analysis.tickMs)
      }
    }
    const behindMs = latest - clock.now()
    if (behindMs > 0) {
      log.warn(
        `the wall clock is ${behindMs} ms behind the newest change in the database; time goes on from that change`,
      )
      clock.notBefore(latest)
    }
    tookUpTime = true
  }

  async function lookSafely(id: string, name: string): Promise<void> {
    // Before the transaction is asked for: see `look`.
    const now = clock.now()
    try {
      await storage.transaction((stores) => look(stores, id, now, parts))
      if (failures.delete(id)) log.warn(`rollout ${name} is looked at again`)
    } catch (error) {
      const count = (failures.get(id) ?? 0) + 1
      // Where this cannot be written either it is the database's fault, not the rollout's: the whole round fails.
      await storage.rollouts.setWake(id, clock.now() + backoffMs(count, random))
      failures.set(id, count)
      if (count === 1) {
        log.error(`rollout ${name} cannot be looked at; it stays as it is and is tried again: ${String(error)}`)
      }
    }
  }

  async function round(): Promise<number | undefined> {
    await takeUpTime()
    const due = await storage.rollouts.due(clock.now(), batch)
    for (const { id, key, environment } of due) {
      await lookSafely(id, `${key} in ${environment}`)
      // Its effects do not wait for the looks at all the others.
      parts.looked()
    }
    return await storage.rollouts.nextWakeAt()
  }

  return createPump(parts, { name: 'looking at rollouts', round })
}
