import { utf8 } from '../base/index.ts'
import { absorbBlocks, continueMurmur3, murmur3 } from './murmur3.ts'

/** One purpose, one seed: hashes of the same unit under different seeds are independent of each other. */
export const hashSeeds = { assign: 0, arm: 1, user: 2 } as const

/** A salt ready for many units. */
export interface SaltedHash {
  readonly salt: string
  readonly seed: number
  /** State after the salt, where its bytes fill whole blocks; otherwise the salt is hashed again with each unit. */
  readonly state: number
  readonly bytes: number
  readonly aligned: boolean
}

/** Absorbs a salt once. The server's salts are 16 ASCII characters, so that nothing of them is left for the hot path. */
export function prepareSalt(salt: string, seed: number = hashSeeds.assign): SaltedHash {
  const bytes = utf8(salt)
  const aligned = bytes.length % 4 === 0
  return { salt, seed, state: aligned ? absorbBlocks(seed, bytes) : 0, bytes: bytes.length, aligned }
}

/** `murmur3(salt + unit, seed)`, without building the text where the salt fills whole blocks. */
export function saltedHash(prepared: SaltedHash, unit: string): number {
  if (prepared.aligned) return continueMurmur3(prepared.state, prepared.bytes, unit)
  return murmur3(prepared.salt + unit, prepared.seed)
}

/** Number of buckets of the split: a weight step is 0.001 %. */
export const bucketCount = 100_000

/** Bucket of a 32-bit hash: floor(h × 100 000 / 2³²), exact because the product stays below 2⁴⁹. */
export function bucketOf(hash: number): number {
  return Math.floor((hash * bucketCount) / 4_294_967_296)
}

/** One of 256 buckets of users, for the variance; `prepared` is the rollout's salt under `hashSeeds.user`. */
export function userBucket(prepared: SaltedHash, unit: string): number {
  return saltedHash(prepared, unit) >>> 24
}
