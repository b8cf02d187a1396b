import { hash64, hash64Low, type SaltedHash64 } from '../hash/index.ts'
import { encodeHashes, type MemberText } from './member-text.ts'

/** Members in a bucket of the index: from this many to twice as many. The index then takes at most 4/48 bytes a member. */
const leastInBucket = 48

/** Members in the largest bucket that is walked. Only lists that somebody made for it have larger ones: those are halved. */
const mostWalked = 256

/** What leads from one list to another. */
export interface MemberChange {
  readonly add?: MemberList
  readonly remove?: MemberList
}

/** A change that fits one list only. */
export interface MemberDelta extends MemberChange {
  /** Digest of the list it is a change of. */
  readonly from: string
}

/**
 * The members of a cohort as the 64-bit hashes of their ids, in ascending order: 8.1 bytes a member at most, from some thousands on. Exact
 * but for collisions: an id that is not listed is taken for a member with probability count / 2^64. Immutable.
 */
export class MemberList {
  /** The hashes in order, each as its upper and its lower half: side by side, so that a look-up meets one line of the cache. */
  readonly words: Uint32Array
  /** Exclusive or of all hashes, 16 hex digits: lists that differ have the same with probability 2^-64. */
  readonly digest: string
  /** Where each bucket of equal upper bits begins; one more than there are buckets. */
  readonly #starts: Uint32Array
  readonly #bits: number

  /** Takes the words over: in ascending order without repetition. See `memberListOf`. */
  constructor(words: Uint32Array) {
    this.words = words
    this.#bits = Math.max(1, Math.floor(Math.log2(Math.max(1, this.count / leastInBucket))))
    this.#starts = startsOf(words, this.#bits)
    this.digest = digestOf(words)
  }

  get count(): number {
    return this.words.length / 2
  }

  /** Bytes held for the members. */
  get bytes(): number {
    return this.words.byteLength + this.#starts.byteLength
  }

  /** Whether a hash is listed, given as its two halves, signed or not. Allocates nothing. */
  has(high: number, low: number): boolean {
    const h = high >>> 0
    const l = low >>> 0
    const { words } = this
    const bucket = h >>> (32 - this.#bits)
    const from = this.#starts[bucket] as number
    const to = this.#starts[bucket + 1] as number
    if (to - from > mostWalked) return this.#isAt(this.#position(h, l), h, l)
    // Hashes are spread evenly: it is near its share of the way through the bucket, most likely in the line of the cache that is there.
    let at = from + Math.floor((((h << this.#bits) >>> 0) / 0x1_0000_0000) * (to - from))
    while (at < to && (words[2 * at] as number) < h) at++
    while (at > from && (words[2 * at - 2] as number) >= h) at--
    for (; at < to && words[2 * at] === h; at++) if (words[2 * at + 1] === l) return true
    return false
  }

  #isAt(index: number, high: number, low: number): boolean {
    return this.words[2 * index] === high && this.words[2 * index + 1] === low
  }

  /** The index of the first hash that is not below this one, whose halves are unsigned. */
  #position(high: number, low: number): number {
    const bucket = high >>> (32 - this.#bits)
    let from = this.#starts[bucket] as number
    let to = this.#starts[bucket + 1] as number
    while (from < to) {
      const middle = (from + to) >>> 1
      const there = this.words[2 * middle] as number
      if (there < high || (there === high && (this.words[2 * middle + 1] as number) < low)) from = middle + 1
      else to = middle
    }
    return from
  }

  /** The list without those of `remove` and with those of `add`; the same object where that changes nothing. Copies runs: O(count). */
  with({ add = emptyMembers, remove = emptyMembers }: MemberChange): MemberList {
    const words = new Uint32Array(this.words.length + add.words.length)
    let read = 0
    let written = 0
    let isChanged = false
    const copyUntil = (end: number): void => {
      words.set(this.words.subarray(read, end), written)
      written += end - read
      read = end
    }
    const take = (high: number, low: number, isAdded: boolean): void => {
      const at = this.#position(high, low)
      const isListed = this.#isAt(at, high, low)
      if (isListed === isAdded) return
      isChanged = true
      copyUntil(2 * at)
      if (isListed) read += 2
      else {
        words[written++] = high
        words[written++] = low
      }
    }
    for (let a = 0, r = 0; a < add.count || r < remove.count; ) {
      const order = a === add.count ? 1 : r === remove.count ? -1 : compare(add, a, remove, r)
      // What is both removed and added is in.
      if (order === 0) r++
      else if (order < 0) take(add.words[2 * a] as number, add.words[2 * a++ + 1] as number, true)
      else take(remove.words[2 * r] as number, remove.words[2 * r++ + 1] as number, false)
    }
    if (!isChanged) return this
    copyUntil(this.words.length)
    return new MemberList(written === words.length ? words : words.slice(0, written))
  }

  /** How it travels and is kept. */
  toJSON(): MemberText {
    return { count: this.count, hashes: encodeHashes(this.words) }
  }
}

/** Order of two hashes of two lists. */
function compare(one: MemberList, i: number, other: MemberList, j: number): number {
  const byHigh = (one.words[2 * i] as number) - (other.words[2 * j] as number)
  return byHigh !== 0 ? byHigh : (one.words[2 * i + 1] as number) - (other.words[2 * j + 1] as number)
}

function startsOf(words: Uint32Array, bits: number): Uint32Array {
  const starts = new Uint32Array(2 ** bits + 1)
  let bucket = 0
  for (let i = 0; i < words.length; i += 2) {
    const own = (words[i] as number) >>> (32 - bits)
    while (bucket < own) starts[++bucket] = i / 2
  }
  return starts.fill(words.length / 2, bucket + 1)
}

const hex8 = (word: number): string => (word >>> 0).toString(16).padStart(8, '0')

function digestOf(words: Uint32Array): string {
  let high = 0
  let low = 0
  for (let i = 0; i < words.length; i += 2) {
    high ^= words[i] as number
    low ^= words[i + 1] as number
  }
  return hex8(high) + hex8(low)
}

export const emptyMembers: MemberList = new MemberList(new Uint32Array(0))

/** Where the upper half of a 64-bit number lies in memory. */
const upperWord = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 1 : 0

/** Takes ids one by one and makes a list of them; each id is forgotten once it is hashed. */
export interface MemberCollector {
  add(id: string): void
  /** The members so far, at the end: what is added later has no effect. Ids that came twice count once. */
  list(): MemberList
}

/** The salt is the `unitSalt` of the environment; `expected`: how many ids will come, as far as that is known. */
export function createMemberCollector(salt: SaltedHash64, expected = 1024): MemberCollector {
  let pairs = new Uint32Array(2 * Math.max(1, expected))
  let length = 0
  return {
    add(id) {
      if (length === pairs.length) {
        const larger = new Uint32Array(2 * length)
        larger.set(pairs)
        pairs = larger
      }
      pairs[length + upperWord] = hash64(salt, id)
      pairs[length + 1 - upperWord] = hash64Low()
      length += 2
    },
    list: () => new MemberList(sorted(pairs, length)),
  }
}

/** Sorts pairs as they lie in memory, and gives them back upper halves first, each once. */
function sorted(pairs: Uint32Array<ArrayBuffer>, length: number): Uint32Array {
  new BigUint64Array(pairs.buffer, 0, length / 2).sort()
  let written = 0
  for (let i = 0; i < length; i += 2) {
    const high = pairs[i + upperWord] as number
    const low = pairs[i + 1 - upperWord] as number
    if (written > 0 && pairs[written - 2] === high && pairs[written - 1] === low) continue
    pairs[written++] = high
    pairs[written++] = low
  }
  return written === pairs.length ? pairs : pairs.slice(0, written)
}

/** The members with these ids; the salt is the `unitSalt` of their environment. Ids that are listed twice count once. */
export function memberListOf(ids: readonly string[], salt: SaltedHash64): MemberList {
  const collector = createMemberCollector(salt, ids.length)
  for (const id of ids) collector.add(id)
  return collector.list()
}

/** What leads from one list to another, or undefined where they are the same. */
export function diffMembers(from: MemberList, to: MemberList): MemberDelta | undefined {
  if (from === to) return undefined
  const added: number[] = []
  const removed: number[] = []
  for (let i = 0, j = 0; i < from.count || j < to.count; ) {
    const order = i === from.count ? 1 : j === to.count ? -1 : compare(from, i, to, j)
    if (order < 0) removed.push(i)
    else if (order > 0) added.push(j)
    if (order <= 0) i++
    if (order >= 0) j++
  }
  if (added.length === 0 && removed.length === 0) return undefined
  return {
    from: from.digest,
    ...(added.length === 0 ? {} : { add: pick(to, added) }),
    ...(removed.length === 0 ? {} : { remove: pick(from, removed) }),
  }
}

function pick({ words }: MemberList, indices: readonly number[]): MemberList {
  const picked = new Uint32Array(indices.length * 2)
  indices.forEach((index, i) => {
    picked[2 * i] = words[2 * index] as number
    picked[2 * i + 1] = words[2 * index + 1] as number
  })
  return new MemberList(picked)
}

/** The list after a delta, or undefined where the delta is one of another list. */
export function applyMembers(list: MemberList, delta: MemberDelta): MemberList | undefined {
  return delta.from === list.digest ? list.with(delta) : undefined
}
