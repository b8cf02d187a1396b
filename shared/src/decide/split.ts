import type { JsonValue } from '../base/index.ts'
import { bucketCount, hashesBelow, type SaltedHash, saltedHash } from '../hash/index.ts'

/** What a decision says of a variant. */
export interface Arm {
  readonly name: string
  readonly payload: JsonValue | undefined
}

/** Shares of one draw: `arms[i]` for hashes below `limits[i]` (and not below the one before). An arm may come more than once. */
export interface Split {
  readonly salt: SaltedHash
  readonly arms: readonly Arm[]
  readonly limits: readonly number[]
}

/** A split by shares of any sum. Shares that add up to nothing leave everybody to the last. */
export function splitByShares(salt: SaltedHash, shares: readonly (readonly [Arm, number])[]): Split {
  const limits = bucketsOfShares(shares.map(([, share]) => share)).map(hashesBelow)
  return { salt, arms: shares.map(([arm]) => arm), limits }
}

/** Up to which bucket each share goes. */
export function bucketsOfShares(shares: readonly number[]): readonly number[] {
  const total = shares.reduce((sum, share) => sum + share, 0)
  let sum = 0
  return shares.map((share, i) => {
    sum += share
    if (i === shares.length - 1) return bucketCount
    return total > 0 ? Math.round((sum / total) * bucketCount) : 0
  })
}

/** A split by buckets: each arm has those up to, not with, its number. */
export function splitByBuckets(salt: SaltedHash, deal: readonly (readonly [Arm, number])[]): Split {
  return { salt, arms: deal.map(([arm]) => arm), limits: deal.map(([, to]) => hashesBelow(to)) }
}

/** The arm that a hash (0 ≤ h < 2³²) of a split falls to. */
export function armAt(split: Split, hash: number): Arm {
  const last = split.arms.length - 1
  for (let i = 0; i < last; i++) if (hash < (split.limits[i] as number)) return split.arms[i] as Arm
  return split.arms[last] as Arm
}

export const drawn = (split: Split, unit: string): Arm => armAt(split, saltedHash(split.salt, unit))
