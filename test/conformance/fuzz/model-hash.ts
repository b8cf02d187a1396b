/** The split of `model.ts`: the hash byte by byte, the bucket in whole numbers. */
const encoder = new TextEncoder()

function rotate(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by))
}

/** MurmurHash3 x86 32-bit of UTF-8, byte by byte as its description has it. */
function murmur(text: string, seed: number): number {
  const bytes = encoder.encode(text)
  let h = seed
  let k = 0
  bytes.forEach((byte, i) => {
    k |= byte << (8 * (i % 4))
    if (i % 4 < 3) return
    h = Math.imul(rotate(h ^ Math.imul(rotate(Math.imul(k, 0xcc9e2d51), 15), 0x1b873593), 13), 5) + 0xe6546b64
    k = 0
  })
  h ^= Math.imul(rotate(Math.imul(k, 0xcc9e2d51), 15), 0x1b873593)
  h ^= bytes.length
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** 0 to 99 999, of a hash. */
export const bucketOf = (hash: number): number => Number((BigInt(hash) * 100_000n) >> 32n)

/** Of a unit. */
export const bucket = (salt: string, unit: string, seed = 0): number => bucketOf(murmur(salt + unit, seed))

/** The arm of the first share that the bucket lies in, of shares in proportion. */
export function armOf(at: number, shares: readonly (readonly [string, number])[]): string {
  const total = shares.reduce((sum, [, share]) => sum + share, 0)
  let sum = 0
  for (const [arm, share] of shares) {
    sum += share
    if (total > 0 && at < Math.round((sum / total) * 100_000)) return arm
  }
  return shares.at(-1)?.[0] ?? 'stable'
}
