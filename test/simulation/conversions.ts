import type { Random } from '@pipit/shared/clock'
import { normal } from './draws.ts'
import type { World } from './world.ts'

/** Who has bought, and who will. */
export interface Conversions {
  has(user: number): boolean
  /** A request that would convert on stable; `factor` of them do on the canary. True where it converts at once. */
  request(user: number, isCanary: boolean, tick: number, factor: number): boolean
  /** Hands over the users whose delayed conversion comes in this tick, each once. */
  deliver(tick: number, to: (user: number) => void): void
}

/** Delays are log-normal: half of them within 5 minutes, one in a hundred after more than 2.7 hours. */
const delay = { medianTicks: 60, sigma: 1.5 } as const

export function createConversions(world: World, users: number, random: Random): Conversions {
  const converted = new Uint8Array(users)
  const decided = new Uint8Array(users)
  const due = new Map<number, number[]>()

  function postpone(user: number, tick: number): void {
    decided[user] = 1
    const at = tick + 1 + Math.floor(delay.medianTicks * Math.exp(delay.sigma * normal(random)))
    const waiting = due.get(at)
    if (waiting === undefined) due.set(at, [user])
    else waiting.push(user)
  }

  return {
    has: (user) => converted[user] === 1,
    request(user, isCanary, tick, factor) {
      if (converted[user] === 1 || decided[user] === 1) return false
      if (isCanary && factor < 1 && random() >= factor) return false
      if (world.isDelayed) {
        postpone(user, tick)
        return false
      }
      converted[user] = 1
      return true
    },
    deliver(tick, to) {
      for (const user of due.get(tick) ?? []) {
        converted[user] = 1
        to(user)
      }
      due.delete(tick)
    },
  }
}
