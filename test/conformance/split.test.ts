import { randomUUID } from 'node:crypto'
import { bucketCount, bucketOf, hashSeeds, prepareSalt, saltedHash, userBucket } from '@pipit/shared/hash'
import { describe, expect, it } from 'vitest'

const count = 1_000_000
const weights = [0.1, 1, 5, 25, 50]
const salts = ['Qm4rT9xWz0aBcDeF', 'n7_KpLw-2YvUiOsA']

const kinds: { readonly [kind: string]: () => readonly string[] } = {
  'sequential ids': () => Array.from({ length: count }, (_, i) => `user-${i}`),
  UUIDs: () => Array.from({ length: count }, () => randomUUID()),
  'e-mails': () =>
    Array.from({ length: count }, (_, i) => `person.${(i * 2_654_435_761) % 4_294_967_296}@mail${i % 17}.example`),
}

/** z of a chi-square statistic by its mean and variance; good for the thousands of degrees of freedom used here. */
function chiSquareZ(counts: ArrayLike<number>, expected: number): number {
  let chi = 0
  for (let i = 0; i < counts.length; i++) chi += ((counts[i] as number) - expected) ** 2 / expected
  const degrees = counts.length - 1
  return (chi - degrees) / Math.sqrt(2 * degrees)
}

/** One-sided 0.001. */
const z999 = 3.09

describe.each(Object.entries(kinds))('the split of a million %s', (_kind, make) => {
  const units = make()
  const buckets = salts.map((salt) => {
    const prepared = prepareSalt(salt, hashSeeds.assign)
    return Uint32Array.from(units, (unit) => bucketOf(saltedHash(prepared, unit)))
  })

  it.each(weights)('is within 0.1 % of all traffic at weight %f', (weight) => {
    for (const own of buckets) {
      const inside = own.reduce((sum, bucket) => sum + (bucket < weight * 1000 ? 1 : 0), 0)
      const share = (100 * inside) / count
      expect(Math.abs(share - weight)).toBeLessThanOrEqual(0.1)
      // A two-cell chi-square at 0.001.
      const expected = (count * weight) / 100
      const chi = (inside - expected) ** 2 / expected + (inside - expected) ** 2 / (count - expected)
      expect(chi).toBeLessThan(10.83)
    }
  })

  it('fills 100 000 buckets evenly', () => {
    for (const own of buckets) {
      const counts = new Uint32Array(bucketCount)
      for (const bucket of own) counts[bucket] = (counts[bucket] as number) + 1
      expect(chiSquareZ(counts, count / bucketCount)).toBeLessThan(z999)
    }
  })

  it('never lets out at a higher weight who is in at a lower one', () => {
    for (const own of buckets) {
      for (let i = 0; i < own.length; i++) {
        const inside = weights.map((weight) => (own[i] as number) < weight * 1000)
        const first = inside.indexOf(true)
        if (first >= 0 && inside.indexOf(false, first) >= 0) expect.fail(`unit ${i} left at a higher weight`)
      }
    }
  })

  it('assigns independently in two rollouts', () => {
    const [a, b] = buckets as [Uint32Array, Uint32Array]
    const joint = new Uint32Array(100)
    for (let i = 0; i < a.length; i++) {
      const cell = Math.floor((a[i] as number) / 10_000) * 10 + Math.floor((b[i] as number) / 10_000)
      joint[cell] = (joint[cell] as number) + 1
    }
    expect(Math.abs(chiSquareZ(joint, count / 100))).toBeLessThan(4)
  })

  it('groups users for the variance independently of their arm', () => {
    const prepared = prepareSalt(salts[0] as string, hashSeeds.user)
    const own = buckets[0] as Uint32Array
    const joint = new Uint32Array(256 * 4)
    for (let i = 0; i < units.length; i++) {
      const cell = userBucket(prepared, units[i] as string) * 4 + Math.floor((own[i] as number) / 25_000)
      joint[cell] = (joint[cell] as number) + 1
    }
    expect(Math.abs(chiSquareZ(joint, count / joint.length))).toBeLessThan(4)
  })
})

describe('many rollouts', () => {
  it('let in different people: no two of 40 salts agree more than chance', () => {
    const units = Array.from({ length: 50_000 }, (_, i) => `${i}`)
    const sets = Array.from({ length: 40 }, (_, s) => {
      const prepared = prepareSalt(`rollout-salt-${String(s).padStart(3, '0')}`)
      return units.map((unit) => bucketOf(saltedHash(prepared, unit)) < 10_000)
    })
    let worst = 0
    for (let a = 0; a < sets.length; a++) {
      for (let b = a + 1; b < sets.length; b++) {
        const both = units.reduce((sum, _unit, i) => sum + (sets[a]?.[i] && sets[b]?.[i] ? 1 : 0), 0)
        worst = Math.max(worst, Math.abs(both - 500) / Math.sqrt(500 * 0.99))
      }
    }
    // The largest of 780 standard normals is beyond 4.7 once in a thousand tries.
    expect(worst).toBeLessThan(4.7)
  })
})
