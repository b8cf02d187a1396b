import { describe, expect, it } from 'vitest'
import { type BucketTable, type EpochBuckets, userBuckets } from '../evidence.ts'
import { isByFewUsers } from './few-users.ts'

const table = (failed: readonly number[]): BucketTable => {
  const column = new Float64Array(userBuckets)
  column.set(failed)
  return { n: column, failed: column, timed: new Float64Array(userBuckets), over: [] }
}
const epoch = (failed: readonly number[]): EpochBuckets => ({
  epoch: 2,
  thresholdsVersion: 0,
  canary: table(failed),
  stable: table([]),
})

describe('failures of one time bucket', () => {
  it('may be the storm of one user who tries again and again', () => {
    expect(isByFewUsers([epoch([1, 24, 1, 1])], 2, 24)).toBe(true)
  })

  it('are an outage where many users have them', () => {
    expect(isByFewUsers([epoch(new Array(24).fill(1))], 2, 24)).toBe(false)
  })

  it('are an outage where nothing is known of users', () => {
    expect(isByFewUsers([epoch([24])], 3, 24)).toBe(false)
  })
})
