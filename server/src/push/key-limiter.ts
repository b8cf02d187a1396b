import type { Clock } from '@pipit/shared/clock'
import type { WireError } from '@pipit/shared/protocol'
import type { HubLimits } from './limits.ts'

/** Keeps one key of servers from taking what is there for all: as many sockets, and as many reports a second, as a key may have. In memory. */
export interface KeyLimiter {
  /** Why no more sockets may be opened with a key, if so. */
  full(keyId: string): keyof HubLimits | undefined
  opened(keyId: string): void
  closed(keyId: string): void
  /** Takes a report from what may come, a second's worth at once; where that is too much, in how many milliseconds there is room again. */
  report(keyId: string): ReachedKeyLimit | undefined
}

export interface ReachedKeyLimit {
  readonly limit: keyof HubLimits
  readonly retryAfterMs: number
}

/** The answer to a report that a key may not send now. */
export const keyLimitError = ({ limit, retryAfterMs }: ReachedKeyLimit, seq: number): WireError => ({
  ...{ type: 'error', code: 'limit', retry: true, seq, retryAfterMs },
  message: `the limit ${limit} is reached; come back in ${retryAfterMs / 1000} s`,
})

interface Account {
  sockets: number
  reports: number
  at: number
}

/** Of keys that were valid when they came: there are no more accounts than keys. */
export function createKeyLimiter(
  clock: Pick<Clock, 'monotonic'>,
  { serverSocketsPerKey, reportsPerSecondAndKey }: HubLimits,
): KeyLimiter {
  const accounts = new Map<string, Account>()

  function accountOf(keyId: string): Account {
    const found = accounts.get(keyId)
    if (found !== undefined) return found
    const account = { sockets: 0, reports: reportsPerSecondAndKey, at: clock.monotonic() }
    accounts.set(keyId, account)
    return account
  }

  return {
    full: (keyId) => ((accounts.get(keyId)?.sockets ?? 0) < serverSocketsPerKey ? undefined : 'serverSocketsPerKey'),
    opened(keyId) {
      accountOf(keyId).sockets++
    },
    closed(keyId) {
      accountOf(keyId).sockets--
    },
    report(keyId) {
      const account = accountOf(keyId)
      const now = clock.monotonic()
      const more = ((now - account.at) * reportsPerSecondAndKey) / 1000
      account.reports = Math.min(reportsPerSecondAndKey, account.reports + more)
      account.at = now
      if (account.reports >= 1) {
        account.reports--
        return undefined
      }
      // A second is what refills all of it: who waits for less meets the others that were refused.
      return { limit: 'reportsPerSecondAndKey', retryAfterMs: 1000 }
    },
  }
}
