const encoder = new TextEncoder()
const { imul } = Math

/**
 * `murmur3` of `@pipit/shared/hash` (MurmurHash3 x86 32-bit of the UTF-8 bytes, seed 0 as of the split), written for size: a page hashes few
 * texts. Lone surrogates count as U+FFFD in both.
 */
export function hashText(text: string): number {
  const bytes = encoder.encode(text)
  const n = bytes.length
  let h = 0
  for (let i = 0; i < n; i += 4) {
    // What is behind the end counts as 0.
    const at = (j: number): number => (bytes[i + j] as number) << (8 * j)
    const k = imul(at(0) | at(1) | at(2) | at(3), 0xcc9e2d51)
    h ^= imul((k << 15) | (k >>> 17), 0x1b873593)
    if (i + 4 <= n) h = imul((h << 13) | (h >>> 19), 5) + 0xe6546b64
  }
  h ^= n
  h = imul(h ^ (h >>> 16), 0x85ebca6b)
  h = imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
