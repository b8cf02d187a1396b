import { wireLimits } from '@pipit/shared/protocol'

/** Everything in the hub that could grow has its bound here. */
export interface HubLimits {
  /** Between two pings. A peer silent for three is gone. */
  readonly heartbeatMs: number
  /** For the key to be checked, and then for the greeting to come. */
  readonly helloTimeoutMs: number
  /** Over all environments, those included whose key is being checked. */
  readonly maxSockets: number
  /** Sockets that are let in: their key is checked, and they get what they lack. Others wait in line. */
  readonly joinsPerSecond: number
  /** In that line; more get 503 and when to come back. */
  readonly joinsWaiting: number
  /** Over how long sockets are told to spread their return when this server goes down: so many a second, from 5 s to a minute. */
  readonly returnsPerSecond: number
  /** Bytes that may wait for a socket before nothing more is written to it. */
  readonly slowBytes: number
  /** A socket that stays over `slowBytes` for so long is cut. */
  readonly slowMs: number
  /** Between two looks at whether a slow reader has caught up. */
  readonly slowCheckMs: number
  /** Messages of one socket; ten seconds of them may come at once. Beyond, it is not read from for a while. */
  readonly socketMessagesPerSecond: number
  /** The same in bytes. */
  readonly socketBytesPerSecond: number
  /** Messages of one socket that could not be understood, after which it is closed. */
  readonly badMessages: number
  /** Reports of one socket that are being stored; an SDK sends them one at a time. */
  readonly reportsInHand: number
  /** Of the sockets of servers. One key for all of them is usual. */
  readonly serverSocketsPerKey: number
  /** Beyond what all SDKs together are told to send: whoever sends more with one key does not take the others' part. */
  readonly reportsPerSecondAndKey: number
  /** Reports of all SDKs of servers together: they are told to report less often where they are more. */
  readonly reportsPerSecond: number
  /** Of a ruleset on the wire; a larger one is not sent. SDKs take no more than the default. */
  readonly rulesetBytes: number
  /** An instance of the HTTP fallback that was not heard for so long is gone. */
  readonly httpGoneMs: number
  /** Instances of the HTTP fallback that are remembered, per environment. */
  readonly maxHttpInstances: number
  /** An instance that was lost, and is not back in so long, is no longer named as not reached: it is taken for ended. */
  readonly unreachedMs: number
  /** Sockets of pages, over all environments: the rest of `maxSockets` is for servers. */
  readonly pageSockets: number
  readonly pageSocketsPerKey: number
  /** An office, or a whole country's phones, may share an address. */
  readonly pageSocketsPerAddress: number
  /** What flows in a minute, at once or spread; an address is one of IPv4 or a /64 of IPv6. */
  readonly pageHellosPerMinuteAndKey: number
  readonly pageHellosPerMinuteAndAddress: number
  readonly pageReportsPerMinuteAndKey: number
  readonly pageReportsPerMinuteAndAddress: number
  readonly pageBytesPerMinuteAndKey: number
  readonly pageBytesPerMinuteAndAddress: number
  /** Outcomes that one report of a page may tell of. */
  readonly pageOutcomes: number
  /** Users and cookies that pages have named, as long as they are open; over all environments. */
  readonly pageHeldBytes: number
  /** Keys and addresses whose flow is remembered, of each. */
  readonly pageAccounts: number
  /** A message of a page, or the body of a request of one. */
  readonly pageMessageBytes: number
  /** Pages without a socket that are shown, per environment. */
  readonly maxHttpPages: number
  /** For sockets to answer a close before they are cut. */
  readonly closeGraceMs: number
}

export const defaultLimits: HubLimits = {
  heartbeatMs: 15_000,
  helloTimeoutMs: 10_000,
  maxSockets: 20_000,
  joinsPerSecond: 10_000,
  joinsWaiting: 20_000,
  returnsPerSecond: 2000,
  slowBytes: 1_048_576,
  slowMs: 30_000,
  slowCheckMs: 250,
  socketMessagesPerSecond: 20,
  socketBytesPerSecond: 524_288,
  badMessages: 20,
  reportsInHand: 2,
  rulesetBytes: wireLimits.rulesetBytes,
  reportsPerSecond: 2000,
  serverSocketsPerKey: 20_000,
  reportsPerSecondAndKey: 4000,
  httpGoneMs: 60_000,
  maxHttpInstances: 20_000,
  unreachedMs: 600_000,
  pageSockets: 15_000,
  pageSocketsPerKey: 10_000,
  pageSocketsPerAddress: 1000,
  pageHellosPerMinuteAndKey: 60_000,
  pageHellosPerMinuteAndAddress: 3000,
  pageReportsPerMinuteAndKey: 120_000,
  pageReportsPerMinuteAndAddress: 6000,
  pageBytesPerMinuteAndKey: 536_870_912,
  pageBytesPerMinuteAndAddress: 67_108_864,
  pageOutcomes: 10_000,
  pageHeldBytes: 268_435_456,
  pageAccounts: 100_000,
  pageMessageBytes: 262_144,
  maxHttpPages: 20_000,
  closeGraceMs: 1000,
}
