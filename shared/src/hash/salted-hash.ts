import { utf8 } from '../base/index.ts'
import {
  absorbAscii,
  absorbBlocks,
  continueMurmur3,
  continueScrambled,
  fingerprint,
  murmur3,
  type Scrambled,
  scrambleBytes,
} from './murmur3.ts'

/** One purpose, one seed: hashes of the same unit under different seeds are independent of each other. */
export const hashSeeds = { assign: 0, arm: 1, user: 2 } as const

/** A salt ready for many units. */
export interface SaltedHash {
  readonly aligned: boolean
  /** State after the salt, where its bytes fill whole blocks; otherwise the salt is hashed again with each unit. */
  readonly state: number
  readonly bytes: number
  readonly salt: string
  readonly seed: number
}

/** Absorbs a salt once. The server's salts are 16 ASCII characters, so that nothing of them is left for the hot path. */
export function prepareSalt(salt: string, seed: number = hashSeeds.assign): SaltedHash {
  const state = absorbAscii(seed, salt)
  if (state !== undefined) return { aligned: true, state, bytes: salt.length, salt, seed }
  const bytes = utf8(salt)
  const aligned = bytes.length % 4 === 0
  return { aligned, state: aligned ? absorbBlocks(seed, bytes) : 0, bytes: bytes.length, salt, seed }
}

/** `murmur3(salt + unit, seed)`, without building the text where the salt fills whole blocks. */
export function saltedHash(prepared: SaltedHash, unit: string): number {
  if (prepared.aligned) return continueMurmur3(prepared.state, prepared.bytes, unit)
  return murmur3(prepared.salt + unit, prepared.seed)
}

/** As `saltedHash`, as a signed integer, with two words in `print` that together stand for the unit. */
export function unitPrint(prepared: SaltedHash, unit: string): number {
  return prepared.aligned
    ? fingerprint(prepared.state, prepared.bytes, unit)
    : fingerprint(prepared.seed | 0, 0, prepared.salt + unit)
}

/** A unit ready to be hashed under many salts. */
export interface ScrambledUnit extends Scrambled {
  readonly unit: string
}

export const scrambleUnit = (unit: string): ScrambledUnit => ({ unit, ...scrambleBytes(utf8(unit)) })

/** As `saltedHash`, of a unit made ready. */
export function scrambledHash(prepared: SaltedHash, scrambled: ScrambledUnit): number {
  if (!prepared.aligned) return saltedHash(prepared, scrambled.unit)
  return continueScrambled(prepared.state, prepared.bytes, scrambled)
}

/** The hashes below this are those of the buckets below `bound`: ⌈bound × 2³² / 100 000⌉, exact because it stays below 2⁵³. */
export function hashesBelow(bound: number): number {
  return Math.ceil((bound * 4_294_967_296) / bucketCount)
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
