import { describe, expect, it } from 'vitest'
import { type BucketTable, type EpochBuckets, userBuckets } from '../evidence.ts'
import { fewerRequests, shareDispersion } from './request-share.ts'

const arm = (requests: (bucket: number) => number): BucketTable => ({
  n: Float64Array.from({ length: userBuckets }, (_, bucket) => requests(bucket)),
  failed: new Float64Array(userBuckets),
  timed: new Float64Array(userBuckets),
  over: [],
})
const epoch = (canary: (bucket: number) => number, stable: (bucket: number) => number): EpochBuckets => ({
  epoch: 1,
  thresholdsVersion: 0,
  canary: arm(canary),
  stable: arm(stable),
})

describe('the dispersion of the canary’s share of requests', () => {
  it('is 1 where all buckets have alike', () => {
    const even = epoch(
      () => 5,
      () => 95,
    )
    expect(shareDispersion(even).factor).toBe(1)
  })

  it('knows that the busiest users might have been on the canary although all of them are on stable', () => {
    // Ten buckets hold three quarters of all requests, by chance all on stable: the canary's share is a quarter of its weight.
    const whales = epoch(
      (bucket) => (bucket < 10 ? 1 : 5),
      (bucket) => (bucket < 10 ? 7300 : 95),
    )
    const spread = shareDispersion(whales)
    expect(spread.factor).toBeGreaterThan(1000)
    expect(fewerRequests({ canary: 1240, stable: 96_370, weight: 0.05 }, spread)).toBeLessThan(Math.log(4000))
  })

  it('is known of unequal users although the canary has no request at all', () => {
    const whales = epoch(
      () => 0,
      (bucket) => (bucket < 10 ? 7300 : 95),
    )
    expect(shareDispersion(whales).factor).toBeGreaterThan(1000)
  })
})
