const firstChunk = 32
const largestChunk = 4096

/** Unit hashes of 16 hex digits that wait their turn, eight bytes each: as texts they would take five times as much. */
export interface HashQueue {
  push(hash: string): void
  /** Takes out at most `limit`, the oldest first. */
  take(limit: number): string[]
  readonly length: number
}

export function createHashQueue(): HashQueue {
  /** Two words for each hash; all are full but the last. */
  let chunks: Int32Array[] = []
  /** Where the oldest is in the first chunk, and where the next goes in the last. */
  let start = 0
  let end = 0
  let length = 0

  function roomForNext(): Int32Array {
    const last = chunks.at(-1)
    if (last !== undefined && end < last.length) return last
    const next = new Int32Array(last === undefined ? 2 * firstChunk : Math.min(2 * last.length, 2 * largestChunk))
    chunks.push(next)
    end = 0
    return next
  }

  return {
    push(hash) {
      const chunk = roomForNext()
      chunk[end++] = Number.parseInt(hash.slice(0, 8), 16)
      chunk[end++] = Number.parseInt(hash.slice(8), 16)
      length++
    },
    take(limit) {
      const taken: string[] = []
      let done = 0
      for (const chunk of chunks) {
        const until = done === chunks.length - 1 ? end : chunk.length
        while (start < until && taken.length < limit)
          taken.push(hex8(chunk[start++] as number) + hex8(chunk[start++] as number))
        if (start < until) break
        done++
        start = 0
      }
      chunks = chunks.slice(done)
      length -= taken.length
      return taken
    },
    get length() {
      return length
    },
  }
}

const hex8 = (word: number): string => (word >>> 0).toString(16).padStart(8, '0')
