import { readFileSync } from 'node:fs'
import {
  bucketOf,
  hash64,
  hash64Low,
  hashSeeds,
  murmur3,
  prepareHash64,
  prepareSalt,
  print,
  saltedHash,
  scrambledHash,
  scrambleUnit,
  unitHash,
  unitPrint,
  userBucket,
} from '@pipit/shared/hash'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

interface Spec {
  readonly published: readonly { readonly text: string; readonly seed: number; readonly hash: number }[]
  readonly published128: readonly { readonly text: string; readonly seed: number; readonly hash: string }[]
  readonly split: readonly {
    readonly salt: string
    readonly unit: string
    readonly hash: number
    readonly bucket: number
    readonly userBucket: number
    readonly unitHash: string
  }[]
}

const spec = JSON.parse(readFileSync(new URL('../../shared/spec/hash.json', import.meta.url), 'utf8')) as Spec

/** MurmurHash3 x86 32-bit over bytes, written apart from the product's with big integers. */
function reference(text: string, seed: number): number {
  const bytes = new TextEncoder().encode(text)
  const word = 0xffffffffn
  const rotate = (x: bigint, by: bigint): bigint => ((x << by) | (x >> (32n - by))) & word
  const scramble = (k: bigint): bigint => (rotate((k * 0xcc9e2d51n) & word, 15n) * 0x1b873593n) & word
  let h = BigInt(seed)
  const blocks = bytes.length >> 2
  for (let i = 0; i < blocks; i++) {
    const k = BigInt(
      (bytes[4 * i] ?? 0) +
        (bytes[4 * i + 1] ?? 0) * 256 +
        (bytes[4 * i + 2] ?? 0) * 65_536 +
        (bytes[4 * i + 3] ?? 0) * 16_777_216,
    )
    h = (rotate(h ^ scramble(k), 13n) * 5n + 0xe6546b64n) & word
  }
  let tail = 0n
  for (let i = bytes.length - 1; i >= 4 * blocks; i--) tail = (tail << 8n) | BigInt(bytes[i] ?? 0)
  if (bytes.length > 4 * blocks) h ^= scramble(tail)
  h ^= BigInt(bytes.length)
  h = ((h ^ (h >> 16n)) * 0x85ebca6bn) & word
  h = ((h ^ (h >> 13n)) * 0xc2b2ae35n) & word
  return Number(h ^ (h >> 16n))
}

/** The first 64 bits of MurmurHash3 x86 128-bit over bytes, likewise. */
function reference64(text: string, seed: number): string {
  const bytes = new TextEncoder().encode(text)
  const low = (x: bigint): bigint => x & 0xffffffffn
  const rotate = (x: bigint, by: number): bigint => low((x << BigInt(by)) | (x >> BigInt(32 - by)))
  const factors = [0x239b961bn, 0xab0e9789n, 0x38b34ae5n, 0xa1e38b93n]
  const scrambles = [15, 16, 17, 18]
  const turns = [19, 17, 15, 13]
  const constants = [0x561ccd1bn, 0x0bcaa747n, 0x96cd1c35n, 0x32ac3b17n]
  const h = Array.from({ length: 4 }, () => BigInt(seed))
  const at = (i: number): bigint => h[i & 3] ?? 0n
  const takeIn = (block: Uint8Array, i: number): void => {
    let k = 0n
    for (let j = 3; j >= 0; j--) k = (k << 8n) | BigInt(block[4 * i + j] ?? 0)
    h[i] = at(i) ^ low(rotate(low(k * (factors[i] ?? 0n)), scrambles[i] ?? 0) * (factors[(i + 1) & 3] ?? 0n))
  }
  const blocks = bytes.length >> 4
  for (let b = 0; b < blocks; b++) {
    for (let i = 0; i < 4; i++) {
      takeIn(bytes.subarray(16 * b), i)
      h[i] = low((rotate(at(i), turns[i] ?? 0) + at(i + 1)) * 5n + (constants[i] ?? 0n))
    }
  }
  for (let i = 0; i < 4; i++) takeIn(bytes.subarray(16 * blocks), i)
  const spread = (): void => {
    h[0] = low(at(0) + at(1) + at(2) + at(3))
    for (let i = 1; i < 4; i++) h[i] = low(at(i) + at(0))
  }
  for (let i = 0; i < 4; i++) h[i] = at(i) ^ BigInt(bytes.length)
  spread()
  for (let i = 0; i < 4; i++) {
    let x = at(i)
    x = low((x ^ (x >> 16n)) * 0x85ebca6bn)
    x = low((x ^ (x >> 13n)) * 0xc2b2ae35n)
    h[i] = x ^ (x >> 16n)
  }
  spread()
  return [at(0), at(1)].map((word) => word.toString(16).padStart(8, '0')).join('')
}

function digits64(salt: string, text: string, seed: number): string {
  const high = hash64(prepareHash64(salt, seed), text)
  return [high, hash64Low()].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
}

describe('the hash', () => {
  it('gives the published vectors', () => {
    for (const { text, seed, hash } of spec.published) expect(murmur3(text, seed), JSON.stringify(text)).toBe(hash)
  })

  it('gives the published vectors of its 64-bit form', () => {
    for (const { text, seed, hash } of spec.published128) {
      expect(digits64('', text, seed), JSON.stringify(text)).toBe(hash.slice(0, 16))
    }
  })

  it('gives the golden cases', () => {
    for (const golden of spec.split) {
      const hash = saltedHash(prepareSalt(golden.salt), golden.unit)
      expect({
        ...golden,
        hash,
        bucket: bucketOf(hash),
        userBucket: userBucket(prepareSalt(golden.salt, hashSeeds.user), golden.unit),
        unitHash: unitHash(golden.salt, golden.unit),
      }).toEqual(golden)
    }
  })

  it('agrees with an independent implementation on any text and seed, lone surrogates included', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), fc.nat({ max: 0xffffffff }), (text, seed) => {
        expect(murmur3(text, seed)).toBe(reference(text, seed))
      }),
      { numRuns: 2000 },
    )
  })

  it.each([255, 256, 257, 1000])('takes in %i characters beyond ASCII, one after the other', (length) => {
    for (const letter of ['é', '語', '🦊'.slice(0, 1)]) {
      for (const text of [letter.repeat(length), `${'a'.repeat(length - 1)}${letter}`]) {
        expect(murmur3(text, 7)).toBe(reference(text, 7))
        expect(murmur3('short é')).toBe(reference('short é', 0))
      }
    }
  })

  it('hashes a prepared salt and a unit as their concatenation', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 24 }),
        fc.string({ maxLength: 40 }),
        fc.nat({ max: 4 }),
        (salt, unit, seed) => {
          // A pair of surrogates may not be cut in two by the border.
          fc.pre(!/[\ud800-\udbff]$/.test(salt))
          expect(saltedHash(prepareSalt(salt, seed), unit)).toBe(murmur3(salt + unit, seed))
        },
      ),
    )
  })

  it('agrees in its 64-bit form with an independent implementation, whatever the salt and wherever it is cut', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary', maxLength: 70 }),
          fc.string({ unit: 'binary-ascii', minLength: 16, maxLength: 70 }),
        ),
        fc.nat({ max: 70 }),
        fc.nat({ max: 0xffffffff }),
        (text, cut, seed) => {
          fc.pre(!/[\ud800-\udbff]$/.test(text.slice(0, cut)))
          expect(digits64(text.slice(0, cut), text.slice(cut), seed)).toBe(reference64(text, seed))
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('is the same with its second word, and of a unit taken apart', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 40 }),
        fc.string({ unit: 'binary', maxLength: 70 }),
        (salt, unit) => {
          const prepared = prepareSalt(salt)
          const hash = saltedHash(prepared, unit)
          expect(unitPrint(prepared, unit) >>> 0).toBe(hash)
          expect((print[0] as number) >>> 0).toBe(hash)
          expect(scrambledHash(prepared, scrambleUnit(unit))).toBe(hash)
        },
      ),
      { numRuns: 3000 },
    )
  })

  it.each<[string, (i: number) => string]>([
    ['sequential ids', (i) => `user-${i}`],
    ['integers', (i) => `${i}`],
    ['e-mails', (i) => `person.${(i * 2_654_435_761) % 4_294_967_296}@mail${i % 17}.example`],
    ['ids that differ in the middle', (i) => `tenant:${i}:production-account`],
  ])('tells a million %s apart by both words, where the first alone does not', (_kind, make) => {
    const prepared = prepareSalt('0123456789abcdef')
    const firsts = new Uint32Array(1_000_000)
    const pairs = new BigUint64Array(firsts.length)
    for (let i = 0; i < firsts.length; i++) {
      firsts[i] = unitPrint(prepared, make(i))
      pairs[i] = (BigInt(firsts[i] as number) << 32n) | BigInt((print[1] as number) >>> 0)
    }
    const same = (sorted: ArrayLike<number | bigint>): number => {
      let count = 0
      for (let i = 1; i < sorted.length; i++) if (sorted[i] === sorted[i - 1]) count++
      return count
    }
    // By chance 116.
    expect(same(firsts.sort())).toBeGreaterThan(50)
    expect(same(pairs.sort())).toBe(0)
  })
})
