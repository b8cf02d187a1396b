import { utf8 } from '../base/index.ts'
import {
  absorbAscii,
  absorbBlocks,
  continueCarried,
  continueMurmur3,
  continueScrambled,
  fingerprint,
  type Scrambled,
  scrambleBytes,
} from './murmur3.ts'

/** One purpose, one seed: hashes of the same unit under different seeds are independent of each other. */
export const hashSeeds = { assign: 0, arm: 1, user: 2 } as const

/** A salt ready for many units. */
export interface SaltedHash {
  /** Whether the salt's bytes fill whole blocks. */
  readonly aligned: boolean
  /** State after the whole blocks of the salt, which have `bytes` bytes. */
  readonly state: number
  readonly bytes: number
  /** The bytes behind them, and how many they are: none in a salt that is aligned. */
  readonly carry: number
  readonly carried: number
  readonly salt: string
  readonly seed: number
}

/** Absorbs a salt once. The server's salts are 16 ASCII characters, so that nothing of them is left for the hot path. */
export function prepareSalt(salt: string, seed: number = hashSeeds.assign): SaltedHash {
  const state = absorbAscii(seed, salt)
  if (state !== undefined) return { aligned: true, state, bytes: salt.length, carry: 0, carried: 0, salt, seed }
  const all = utf8(salt)
  const carried = all.length % 4
  const bytes = all.length - carried
  const carry = all.subarray(bytes).reduce((sum, byte, i) => sum | (byte << (8 * i)), 0)
  return {
    aligned: carried === 0,
    state: absorbBlocks(seed, all.subarray(0, bytes)),
    bytes,
    carry,
    carried,
    salt,
    seed,
  }
}

/** `murmur3(salt + unit, seed)`, without building the text. */
export function saltedHash(prepared: SaltedHash, unit: string): number {
  if (prepared.aligned) return continueMurmur3(prepared.state, prepared.bytes, unit) >>> 0
  const { state, bytes, carry, carried } = prepared
  return continueCarried(state, bytes, carry, carried, unit) >>> 0
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
