import type { Random } from '../clock/index.ts'

/** The least room, as a power of two; doubled as needed. */
const leastBits = 6

/**
 * A bounded set of 64-bit prints in a typed array: open addressing, at most half full. Two units with the same print would count as one;
 * among 100 000 that is one chance in 3 × 10⁹.
 */
export interface SeenUnits {
  has(first: number, second: number): boolean
  /** Only for what is not in it. Forgets all when it is full. */
  add(first: number, second: number): void
}

/**
 * Where a print lies depends on two numbers that nobody outside knows: ids that share a half of their prints, which can be made on purpose
 * and come with requests, would otherwise lie in one row that every look-up has to walk.
 */
export function createSeenUnits(limit: number, random: Random): SeenUnits {
  const byFirst = (random() * 0x1_0000_0000) | 1
  const bySecond = (random() * 0x1_0000_0000) | 1
  let shift = 32 - leastBits
  let mask = 2 ** (leastBits + 1) - 2
  let table = new Int32Array(mask + 2)
  let count = 0

  /** Multiply-shift: the upper bits of the sum. */
  const placeOf = (first: number, second: number): number =>
    2 * ((Math.imul(first, byFirst) + Math.imul(second, bySecond)) >>> shift)

  function grow(): void {
    const before = table
    shift--
    mask = 2 * mask + 2
    table = new Int32Array(mask + 2)
    for (let i = 0; i < before.length; i += 2) {
      const first = before[i] as number
      const second = before[i + 1] as number
      if (first !== 0 || second !== 0) put(first, second)
    }
  }

  function put(first: number, second: number): void {
    let at = placeOf(first, second)
    while (table[at] !== 0 || table[at + 1] !== 0) at = (at + 2) & mask
    table[at] = first
    table[at + 1] = second
  }

  return {
    has(first, second) {
      let at = placeOf(first, second)
      while (true) {
        const a = table[at] as number
        const b = table[at + 1] as number
        // A place of two zeros is empty.
        if ((a | b) === 0) return false
        if (a === first && b === second) return true
        at = (at + 2) & mask
      }
    },
    add(first, second) {
      if (count >= limit) {
        count = 0
        table.fill(0)
      }
      if (4 * ++count > table.length) grow()
      put(first, second)
    },
  }
}
