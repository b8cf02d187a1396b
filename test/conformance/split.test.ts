import { seededRandom } from '@pipit/shared/clock'
import { compileRuleset, decide } from '@pipit/shared/decide'
import { bucketCount, bucketOf, hashSeeds, prepareSalt, saltedHash, userBucket } from '@pipit/shared/hash'
import { describe, expect, it } from 'vitest'

const count = 1_000_000
const weights = [0.1, 1, 5, 25, 50]
const salts = ['Qm4rT9xWz0aBcDeF', 'n7_KpLw-2YvUiOsA']

/** A version 4 UUID. */
function uuid(random: () => number): string {
  const digits = (count: number): string => {
    let text = ''
    for (let i = 0; i < count; i++) text += Math.floor(random() * 16).toString(16)
    return text
  }
  const variant = '89ab'[Math.floor(random() * 4)]
  return `${digits(8)}-${digits(4)}-4${digits(3)}-${variant}${digits(3)}-${digits(12)}`
}

function uuids(howMany: number, seed: number): readonly string[] {
  const random = seededRandom(seed)
  return Array.from({ length: howMany }, () => uuid(random))
}

const firstNames = ['Zoë', 'Иван', '美咲', 'Βασίλης', 'علی', 'Sinéad', '지훈', 'Þór', 'Nguyễn', '🦊']
const name = (i: number): string =>
  `${firstNames[i % 10]} ${firstNames[Math.floor(i / 10) % 10]} ${Math.floor(i / 100)}`

const kinds: { readonly [kind: string]: () => readonly string[] } = {
  'sequential ids': () => Array.from({ length: count }, (_, i) => `user-${i}`),
  UUIDs: () => uuids(count, 1),
  'integers as texts': () => Array.from({ length: count }, (_, i) => `${i}`),
  'names that are not ASCII': () => Array.from({ length: count }, (_, i) => name(i)),
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
      const z = chiSquareZ(counts, count / bucketCount)
      expect(z).toBeLessThan(z999)
      // Nor more evenly than chance.
      expect(z).toBeGreaterThan(-4)
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
  const some = 50_000
  it.each([
    ['integers as texts', Array.from({ length: some }, (_, i) => `${i}`)],
    ['UUIDs', uuids(some, 2)],
    ['names that are not ASCII', Array.from({ length: some }, (_, i) => name(i))],
  ] as const)('let in different people: no two of 40 salts agree more than chance on %s', (_kind, units) => {
    const sets = Array.from({ length: 40 }, (_, s) => {
      const prepared = prepareSalt(`rollout-salt-${String(s).padStart(3, '0')}`)
      return Uint8Array.from(units, (unit) => (bucketOf(saltedHash(prepared, unit)) < 10_000 ? 1 : 0))
    })
    let worst = 0
    for (let a = 0; a < sets.length; a++) {
      for (let b = a + 1; b < sets.length; b++) {
        let both = 0
        for (let i = 0; i < some; i++) both += (sets[a]?.[i] ?? 0) & (sets[b]?.[i] ?? 0)
        worst = Math.max(worst, Math.abs(both - some / 100) / Math.sqrt((some / 100) * 0.99))
      }
    }
    // The largest of 780 standard normals is beyond 4.7 once in a thousand tries.
    expect(worst).toBeLessThan(4.7)
  })
})

describe('the share of a thousand rollouts of any salt and weight', () => {
  const pairs = 1000
  const people = 5000
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-'

  it.each([
    ['sequential ids', Array.from({ length: people }, (_, i) => `user-${i}`)],
    ['UUIDs', uuids(people, 3)],
    ['e-mails', Array.from({ length: people }, (_, i) => `person.${i}@mail${i % 17}.example`)],
    ['integers as texts', Array.from({ length: people }, (_, i) => `${i}`)],
    ['names that are not ASCII', Array.from({ length: people / 2 }, (_, i) => name(i))],
  ] as const)('is as often inside its binomial bounds as it should be, for %s', (_kind, units) => {
    const random = seededRandom(5)
    let inside95 = 0
    let inside99 = 0
    for (let pair = 0; pair < pairs; pair++) {
      let salt = ''
      while (salt.length < 16) salt += alphabet[Math.floor(random() * 64)]
      // In the steps in which a weight is set, from where a binomial share is as good as normal.
      const weight = Math.round(1000 + random() * 98_000) / 1000
      const ruleset = compileRuleset({
        version: 1,
        environment: 'production',
        unitSalt: 'unit',
        rollouts: {
          r: { phase: 'running', salt, hash: 1, epoch: 1, weight, variants: [{ name: 'stable' }, { name: 'canary' }] },
        },
        cohorts: {},
      })
      let canaries = 0
      for (const unit of units) if (decide(ruleset, 'r', unit).variant === 'canary') canaries++
      const share = weight / 100
      const z = Math.abs(canaries - units.length * share) / Math.sqrt(units.length * share * (1 - share))
      if (z < 1.96) inside95++
      if (z < 2.576) inside99++
    }
    // Of a thousand, 950 ± 7 and 990 ± 3; the bounds are three and a half of these away, once in two thousand tries.
    expect(inside95).toBeGreaterThan(925)
    expect(inside95).toBeLessThan(975)
    expect(inside99).toBeGreaterThan(978)
  })
})
