/** What the load generator saw of one page; times are epoch milliseconds. */
export interface PageCounts {
  canary: number
  stable: number
  canaryFailed: number
  /** Users by their first decision by the split, and those of them who got the canary. */
  splitUsers: number
  splitCanaryUsers: number
  firstCanaryAt: number | undefined
  firstCanaryFailureAt: number | undefined
}

export interface LoadReport {
  readonly type: 'load' | 'done'
  readonly requests: number
  /** Requests that failed and that the shop did not fail on purpose. */
  readonly failedOtherwise: number
  readonly slowestMs: number
  readonly pages: { readonly [rollout: string]: PageCounts }
}
