import type { Clock } from '@pipit/shared/clock'
import type { HubLimits } from '../limits.ts'

/** What a page is counted under: its key, and where it comes from. */
export interface PageOrigin {
  readonly keyId: string
  readonly address?: string | undefined
}

export const pageFlows = ['hellos', 'reports', 'bytes'] as const
export type PageFlow = (typeof pageFlows)[number]

/** The name of a limit that is reached; the fields of `HubLimits`. */
export type ReachedLimit = keyof HubLimits

/** Keeps one key, or one address, from taking what is there for all. In memory, and bounded itself. */
export interface PageLimiter {
  /** Why no more sockets may be opened, if so. */
  full(who: PageOrigin): ReachedLimit | undefined
  opened(who: PageOrigin): void
  closed(who: PageOrigin): void
  /** Takes from what may flow in a minute; the limit that is reached, where that is too much. */
  take(flow: PageFlow, who: PageOrigin, amount?: number): ReachedLimit | undefined
  /** Bytes that are kept for as long as a page is open; false where they are too many. */
  hold(bytes: number): boolean
  release(bytes: number): void
}

interface Account {
  sockets: number
  /** What is left of each flow, as of `at`. */
  left: { [K in PageFlow]: number }
  at: number
}

const minuteMs = 60_000

type Rates = { readonly [K in PageFlow]: ReachedLimit }

const keyRates: Rates = {
  hellos: 'pageHellosPerMinuteAndKey',
  reports: 'pageReportsPerMinuteAndKey',
  bytes: 'pageBytesPerMinuteAndKey',
}
const addressRates: Rates = {
  hellos: 'pageHellosPerMinuteAndAddress',
  reports: 'pageReportsPerMinuteAndAddress',
  bytes: 'pageBytesPerMinuteAndAddress',
}

export function createPageLimiter(clock: Clock, limits: HubLimits): PageLimiter {
  const byKey = createAccounts(clock, limits, keyRates)
  const byAddress = createAccounts(clock, limits, addressRates)
  let sockets = 0
  let held = 0

  const accountsOf = ({ keyId, address }: PageOrigin) =>
    address === undefined ? [[byKey, keyId] as const] : [[byKey, keyId] as const, [byAddress, address] as const]

  return {
    full({ keyId, address }) {
      if (sockets >= limits.pageSockets) return 'pageSockets'
      if ((byKey.find(keyId)?.sockets ?? 0) >= limits.pageSocketsPerKey) return 'pageSocketsPerKey'
      const here = address === undefined ? 0 : (byAddress.find(address)?.sockets ?? 0)
      return here >= limits.pageSocketsPerAddress ? 'pageSocketsPerAddress' : undefined
    },
    opened(who) {
      sockets++
      for (const [accounts, name] of accountsOf(who)) accounts.get(name).sockets++
    },
    closed(who) {
      sockets--
      for (const [accounts, name] of accountsOf(who)) accounts.get(name).sockets--
    },
    take(flow, who, amount = 1) {
      // All or nothing: what one refuses costs the other nothing.
      const all = accountsOf(who)
      for (const [accounts, name] of all) if (accounts.get(name).left[flow] < amount) return accounts.rates[flow]
      for (const [accounts, name] of all) accounts.get(name).left[flow] -= amount
      return undefined
    },
    hold(bytes) {
      if (held + bytes > limits.pageHeldBytes) return false
      held += bytes
      return true
    },
    release(bytes) {
      held -= bytes
    },
  }
}

interface Accounts {
  readonly rates: Rates
  find(name: string): Account | undefined
  /** As of now; a new one may have all. */
  get(name: string): Account
}

function createAccounts(clock: Clock, limits: HubLimits, rates: Rates): Accounts {
  const accounts = new Map<string, Account>()
  const full = (): Account['left'] => ({
    hellos: limits[rates.hellos],
    reports: limits[rates.reports],
    bytes: limits[rates.bytes],
  })

  function refill(account: Account): Account {
    const now = clock.monotonic()
    const share = (now - account.at) / minuteMs
    const most = full()
    for (const flow of pageFlows) account.left[flow] = Math.min(most[flow], account.left[flow] + share * most[flow])
    account.at = now
    return account
  }

  /** Who has been quiet for a minute has everything again, and whom nobody remembers too. */
  function makeRoom(): void {
    const now = clock.monotonic()
    for (const [name, { sockets, at }] of accounts) if (sockets === 0 && now - at >= minuteMs) accounts.delete(name)
    for (const [name, { sockets }] of accounts) {
      if (accounts.size < limits.pageAccounts) break
      if (sockets === 0) accounts.delete(name)
    }
  }

  return {
    rates,
    find: (name) => accounts.get(name),
    get(name) {
      const before = accounts.get(name)
      if (before !== undefined) return refill(before)
      if (accounts.size >= limits.pageAccounts) makeRoom()
      const account = { sockets: 0, left: full(), at: clock.monotonic() }
      accounts.set(name, account)
      return account
    },
  }
}
