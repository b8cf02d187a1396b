import { readFileSync } from 'node:fs'
import { bucketOf, hashSeeds, murmur3, prepareSalt, saltedHash, unitHash, userBucket } from '@pipit/shared/hash'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

interface Spec {
  readonly published: readonly { readonly text: string; readonly seed: number; readonly hash: number }[]
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

describe('the hash', () => {
  it('gives the published vectors', () => {
    for (const { text, seed, hash } of spec.published) expect(murmur3(text, seed), JSON.stringify(text)).toBe(hash)
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
})
