import { describe, expect, it } from 'vitest'
import { fine, lookAt, type Situation } from '../situation.ts'

/** A big service: far more users of stable than user buckets can tell apart. */
const silentAt = (weight: number, newUsers: number): Situation => {
  const canary = Math.round((newUsers * weight) / 100)
  const stable = newUsers - canary
  return {
    ...{ weight, ticks: 60, elapsedS: 600 },
    canary: { ...fine, n: 0, failed: 0, exposed: canary },
    stable: { ...fine, n: stable * 10, failed: Math.round(stable / 10), exposed: stable },
  }
}

describe('a canary that never reports', () => {
  it.each([
    [50, 200],
    [1, 4000],
    [0.5, 2000],
    [0.5, 25_000],
    [0.1, 50_000],
  ])('is found at %d %% of %d new users a tick', (weight, newUsers) => {
    const found = lookAt(silentAt(weight, newUsers))
    expect(found.label).toBe('pause')
    expect(found.reasons.map(({ code }) => code)).toEqual(['canary-silent'])
  })

  it('of too few users to say that does not advance either', () => {
    const found = lookAt({ ...silentAt(0.1, 1000), ticks: 50 })
    expect(found.label).toBe('pause')
    expect(found.checks.map(({ code }) => code)).toEqual(['no-data'])
    expect(found.sentence).toMatch(/^Paused: .* no request of the canary has been reported in stage part yet/)
  })

  it('is told from one arm of which nothing is known on the other side', () => {
    const found = lookAt({ canary: fine, stable: { ...fine, n: 0, failed: 0 } })
    expect(found.label).toBe('hold')
    expect(found.sentence).toMatch(/no request of stable has been reported/)
  })

  it('is no matter where requests are not reported at all', () => {
    const none = { ...fine, n: 0, failed: 0 }
    expect(lookAt({ canary: none, stable: none }).checks).toEqual([])
  })
})
