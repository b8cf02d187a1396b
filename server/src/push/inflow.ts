import type { Clock } from '@pipit/shared/clock'
import type { HubLimits } from './limits.ts'

/** What holds a socket to its limits: `ws` in production. */
export interface InflowSocket {
  /** Nothing more is read from it; what the network has no room for waits with the sender. */
  pause(): void
  resume(): void
  /** Says which limit is reached, and for how long nothing will be read. */
  tell(limit: string, pauseMs: number): void
}

/** What one socket sends, against what it may. */
export interface Inflow {
  /**
   * Counts a message that has come. False where so much came in one piece with those before it that it is not to be looked at: nobody who
   * waits for answers sends so much.
   */
  took(bytes: number): boolean
  /** The message was a report too many: it costs a second's worth, as it had to be read to be refused. */
  tookTooMuch(): void
  stop(): void
}

/** A second's worth may come at once so many times over: an SDK that was away has more to tell. */
const atOnce = 10

export type InflowLimits = Pick<HubLimits, 'socketMessagesPerSecond' | 'socketBytesPerSecond'>

/**
 * Two accounts that fill with time, one of messages and one of bytes. Who overdraws one is not read from until it is paid: the sender feels it by
 * its own socket, and the others by nothing. To close it would let it come back with full accounts.
 */
export function createInflow(clock: Clock, limits: InflowLimits, socket: InflowSocket): Inflow {
  let messages = limits.socketMessagesPerSecond * atOnce
  let bytes = limits.socketBytesPerSecond * atOnce
  let filledAt = clock.monotonic()
  let cancel: (() => void) | undefined

  const filled = (account: number, perSecond: number, elapsedMs: number): number =>
    Math.min(perSecond * atOnce, account + (elapsedMs * perSecond) / 1000)
  const owedMs = (account: number, perSecond: number): number => (-account * 1000) / perSecond

  function charge(count: number, size: number): boolean {
    const now = clock.monotonic()
    messages = filled(messages, limits.socketMessagesPerSecond, now - filledAt) - count
    bytes = filled(bytes, limits.socketBytesPerSecond, now - filledAt) - size
    filledAt = now
    if (messages >= 0 && bytes >= 0) return true
    const byMessages = owedMs(messages, limits.socketMessagesPerSecond)
    const byBytes = owedMs(bytes, limits.socketBytesPerSecond)
    const limit = byMessages > byBytes ? 'socketMessagesPerSecond' : 'socketBytesPerSecond'
    const pauseMs = Math.ceil(Math.max(byMessages, byBytes))
    if (cancel === undefined) {
      socket.pause()
      socket.tell(limit, pauseMs)
    }
    cancel?.()
    cancel = clock.setTimer(pauseMs, () => {
      cancel = undefined
      socket.resume()
    })
    return messages >= -limits.socketMessagesPerSecond * atOnce
  }

  return {
    took: (size) => charge(1, size),
    tookTooMuch: () => void charge(limits.socketMessagesPerSecond, 0),
    stop() {
      cancel?.()
    },
  }
}
