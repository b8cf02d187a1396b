/** The least room; doubled as needed. */
const leastSlots = 64

/**
 * A bounded set of 64-bit prints in a typed array: open addressing, at most half full. Two units with the same print would count as one;
 * among 100 000 that is one chance in 3 × 10⁹.
 */
export interface SeenUnits {
  has(first: number, second: number): boolean
  /** Only for what is not in it. Forgets all when it is full. */
  add(first: number, second: number): void
}

export function createSeenUnits(limit: number): SeenUnits {
  let slots = leastSlots
  let table = new Int32Array(2 * slots)
  let count = 0

  function resize(to: number): void {
    const before = table
    slots = to
    table = new Int32Array(2 * slots)
    for (let i = 0; i < before.length; i += 2) {
      const first = before[i] as number
      const second = before[i + 1] as number
      if (first !== 0 || second !== 0) put(first, second)
    }
  }

  function put(first: number, second: number): void {
    const mask = 2 * slots - 2
    let at = (2 * first) & mask
    while (table[at] !== 0 || table[at + 1] !== 0) at = (at + 2) & mask
    table[at] = first
    table[at + 1] = second
  }

  return {
    has(first, second) {
      const mask = 2 * slots - 2
      let at = (2 * first) & mask
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
      if (++count > slots / 2) resize(2 * slots)
      put(first, second)
    },
  }
}
