/** Everything in the hub that could grow has its bound here. */
export interface HubLimits {
  /** Between two pings. A peer silent for three is gone. */
  readonly heartbeatMs: number
  /** For the key to be checked, and then for the greeting to come. */
  readonly helloTimeoutMs: number
  /** Over all environments, those included whose key is being checked. */
  readonly maxSockets: number
  /** Bytes that may wait for a socket before nothing more is written to it. */
  readonly slowBytes: number
  /** A socket that stays over `slowBytes` for so long is cut. */
  readonly slowMs: number
  /** Between two looks at whether a slow reader has caught up. */
  readonly slowCheckMs: number
  /** Messages of one socket that could not be understood, after which it is closed. */
  readonly badMessages: number
  /** Reports of one socket that are being stored; an SDK sends them one at a time. */
  readonly reportsInHand: number
  /** An instance of the HTTP fallback that was not heard for so long is gone. */
  readonly httpGoneMs: number
  /** Instances of the HTTP fallback that are remembered, per environment. */
  readonly maxHttpInstances: number
  /** A message of a page, or the body of a request of one. */
  readonly pageMessageBytes: number
  /** Pages without a socket that are shown, per environment. */
  readonly maxHttpPages: number
  /** Who a page said it was is forgotten when it was not heard for so long. */
  readonly pageMemoryMs: number
  /** For that, per environment; whoever was heard longest ago makes room. */
  readonly pageMemoryBytes: number
  /** For sockets to answer a close before they are cut. */
  readonly closeGraceMs: number
}

export const defaultLimits: HubLimits = {
  heartbeatMs: 15_000,
  helloTimeoutMs: 10_000,
  maxSockets: 20_000,
  slowBytes: 1_048_576,
  slowMs: 30_000,
  slowCheckMs: 250,
  badMessages: 20,
  reportsInHand: 2,
  httpGoneMs: 60_000,
  maxHttpInstances: 20_000,
  pageMessageBytes: 262_144,
  maxHttpPages: 20_000,
  pageMemoryMs: 900_000,
  pageMemoryBytes: 67_108_864,
  closeGraceMs: 1000,
}
