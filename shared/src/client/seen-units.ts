import type { Random } from '../clock/index.ts'

/** The least room, as a power of two; doubled as needed. */
const leastBits = 6
/** Up to here it is doubled, for which the places must be known again. Then it is made as large as it will ever be, and they are not kept. */
const mostDoubledBits = 15
/** How full it may be: what is known is found after 2.7 places, what is new after 10. */
const mostFull = 0.77

/**
 * A bounded set of units by their 64-bit prints, in typed arrays, by open addressing: a quarter of a megabyte for 50 000. Looking one up compares 31
 * bits at places that depend on the others: a unit that is new counts as known with a chance of some 10⁻⁹, for one in 20 000 processes that
 * remember 50 000.
 */
export interface SeenUnits {
  has(first: number, second: number): boolean
  /** Only for what is not in it. Forgets all when it is full. */
  add(first: number, second: number): void
}

/**
 * Where a print lies and by what it is known there depends on numbers that nobody outside knows: ids that share a half of their prints, which
 * can be made on purpose and come with requests, would otherwise lie in one row that every look-up has to walk, or pass for each other.
 */
export function createSeenUnits(limit: number, random: Random): SeenUnits {
  const odd = (): number => (random() * 0x1_0000_0000) | 1
  const [a, b, c, d] = [odd(), odd(), odd(), odd()]
  let shift = 32 - leastBits
  let mask = 2 ** leastBits - 1
  /** What each decision looks at is as small as it can be; 0 where there is nothing. */
  let tags = new Int32Array(mask + 1)
  /** What the places follow from, for when there is to be more room. */
  let wholes = new Int32Array(mask + 1)
  let count = 0
  /** Beyond so many there has to be more room. */
  let room = mostFull * (mask + 1)
  const lastBits = Math.max(leastBits + 1, Math.ceil(Math.log2(limit / mostFull)))

  // Multiply-shift: the upper bits of the sum are the place.
  const wholeOf = (first: number, second: number): number => (Math.imul(first, a) + Math.imul(second, b)) | 0
  const tagOf = (first: number, second: number): number => (Math.imul(first, c) ^ Math.imul(second, d)) | 1

  function grow(): void {
    const [oldTags, oldWholes] = [tags, wholes]
    const bits = Math.log2(2 * oldTags.length)
    const isLast = bits > mostDoubledBits || bits >= lastBits
    shift = 32 - (isLast ? lastBits : bits)
    mask = 2 ** (32 - shift) - 1
    tags = new Int32Array(mask + 1)
    wholes = new Int32Array(isLast ? 0 : mask + 1)
    room = isLast ? limit : mostFull * (mask + 1)
    for (let i = 0; i < oldTags.length; i++) {
      const tag = oldTags[i] as number
      if (tag !== 0) put(oldWholes[i] as number, tag)
    }
  }

  function put(whole: number, tag: number): void {
    let at = whole >>> shift
    while (tags[at] !== 0) at = (at + 1) & mask
    tags[at] = tag
    if (wholes.length > 0) wholes[at] = whole
  }

  return {
    has(first, second) {
      const tag = tagOf(first, second)
      let at = wholeOf(first, second) >>> shift
      while (true) {
        const there = tags[at]
        if (there === tag) return true
        if (there === 0) return false
        at = (at + 1) & mask
      }
    },
    add(first, second) {
      if (count >= limit) {
        count = 0
        tags.fill(0)
      }
      if (++count > room) grow()
      put(wholeOf(first, second), tagOf(first, second))
    },
  }
}
