import { utf8Into } from '../base/index.ts'

const c1 = 0xcc9e2d51
const c2 = 0x1b873593

function scramble(k: number): number {
  const product = Math.imul(k, c1)
  return Math.imul((product << 15) | (product >>> 17), c2)
}

function mix(h: number, k: number): number {
  const mixed = h ^ scramble(k)
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0
}

/** Signed: an unsigned number above 2³¹ would be allocated where a call is not inlined. */
function finish(h: number, length: number): number {
  let x = h ^ length
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return x ^ (x >>> 16)
}

/** Texts up to this many code units are turned into bytes in place; an id is seldom longer. */
const scratchText = 256
const scratch = new Uint8Array(3 * scratchText)
/** Where `encode` has left the bytes of its text. */
let encoded: Uint8Array = scratch

/** Writes the UTF-8 bytes of a text to `encoded`, and answers with their number. */
function encode(text: string): number {
  encoded = text.length <= scratchText ? scratch : new Uint8Array(3 * text.length)
  return utf8Into(text, encoded)
}

/** Four bytes as a word, the first lowest. */
function wordAt(bytes: Uint8Array, i: number): number {
  return (
    (bytes[i] as number) |
    ((bytes[i + 1] as number) << 8) |
    ((bytes[i + 2] as number) << 16) |
    ((bytes[i + 3] as number) << 24)
  )
}

/** What is left behind whole blocks, as a word. */
function tailOf(bytes: Uint8Array, whole: number, length: number): number {
  let tail = 0
  for (let i = length - 1; i >= whole; i--) tail = (tail << 8) | (bytes[i] as number)
  return tail
}

/** State after the bytes, whose number is a multiple of 4. */
export function absorbBlocks(h: number, bytes: Uint8Array, length: number = bytes.length): number {
  let state = h | 0
  for (let i = 0; i < length; i += 4) state = mix(state, wordAt(bytes, i))
  return state
}

function hashBytes(h: number, before: number, bytes: Uint8Array, length: number): number {
  const whole = length & ~3
  let state = absorbBlocks(h, bytes, whole)
  if (length > whole) state ^= scramble(tailOf(bytes, whole, length))
  return finish(state, before + length)
}

function hashText(h: number, before: number, text: string): number {
  const length = encode(text)
  return hashBytes(h, before, encoded, length)
}

/**
 * Goes on from state `h` after `before` bytes (a multiple of 4) with the text. One pass over ASCII without allocation; the
 * first other character sends it to the UTF-8 path. Answers with a signed integer.
 */
export function continueMurmur3(h: number, before: number, text: string): number {
  const length = text.length
  const whole = length & ~3
  let state = h
  for (let i = 0; i < whole; i += 4) {
    const a = text.charCodeAt(i)
    const b = text.charCodeAt(i + 1)
    const c = text.charCodeAt(i + 2)
    const d = text.charCodeAt(i + 3)
    if ((a | b | c | d) > 0x7f) return hashText(h, before, text)
    state = mix(state, a | (b << 8) | (c << 16) | (d << 24))
  }
  let tail = 0
  for (let i = length - 1; i >= whole; i--) {
    const code = text.charCodeAt(i)
    if (code > 0x7f) return hashText(h, before, text)
    tail = (tail << 8) | code
  }
  if (length > whole) state ^= scramble(tail)
  return finish(state, before + length)
}

/**
 * As `continueMurmur3`, behind bytes of which the last do not fill a block: `carry` holds them, `carried` (1 to 3) in number. Slower, and
 * as free of allocation.
 */
export function continueCarried(h: number, before: number, carry: number, carried: number, text: string): number {
  let state = h
  let block = carry
  let shift = 8 * carried
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7f) return continueCarriedBytes(h, before, carry, carried, text)
    block |= code << shift
    shift = (shift + 8) & 31
    if (shift !== 0) continue
    state = mix(state, block)
    block = 0
  }
  if (shift !== 0) state ^= scramble(block)
  return finish(state, before + carried + text.length)
}

function continueCarriedBytes(h: number, before: number, carry: number, carried: number, text: string): number {
  const length = encode(text)
  let state = h
  let block = carry
  let shift = 8 * carried
  for (let i = 0; i < length; i++) {
    block |= (encoded[i] as number) << shift
    shift = (shift + 8) & 31
    if (shift !== 0) continue
    state = mix(state, block)
    block = 0
  }
  if (shift !== 0) state ^= scramble(block)
  return finish(state, before + carried + length)
}

/**
 * What `fingerprint` found last: the hash, and a second word that depends on the text by other steps, so that both together tell texts
 * apart as 64 bits would. A typed array, because a number that is no small integer would be allocated.
 */
export const print: Int32Array = new Int32Array(2)

/** As `continueMurmur3`, into `print`. Allocates nothing for a text of a usual length. Answers with the hash, as a signed integer. */
export function fingerprint(h: number, before: number, text: string): number {
  const length = text.length
  const whole = length & ~3
  let state = h
  let second = length
  for (let i = 0; i < whole; i += 4) {
    const a = text.charCodeAt(i)
    const b = text.charCodeAt(i + 1)
    const c = text.charCodeAt(i + 2)
    const d = text.charCodeAt(i + 3)
    if ((a | b | c | d) > 0x7f) return fingerprintOfBytes(h, before, text)
    const block = a | (b << 8) | (c << 16) | (d << 24)
    state = mix(state, block)
    second = spread(second, block)
  }
  let tail = 0
  for (let i = length - 1; i >= whole; i--) {
    const code = text.charCodeAt(i)
    if (code > 0x7f) return fingerprintOfBytes(h, before, text)
    tail = (tail << 8) | code
  }
  if (length > whole) state ^= scramble(tail)
  return leave(finish(state, before + length), spread(second, tail))
}

function leave(hash: number, second: number): number {
  print[0] = hash
  print[1] = second
  return hash
}

/** A step of the second word: a multiplication and a rotation other than those of the hash. */
function spread(second: number, block: number): number {
  const x = Math.imul(second ^ block, 0x9e3779b1)
  return (x << 11) | (x >>> 21)
}

function fingerprintOfBytes(h: number, before: number, text: string): number {
  const length = encode(text)
  let second = length
  for (let i = 0; i < length; i++) second = spread(second, encoded[i] as number)
  return leave(hashBytes(h, before, encoded, length), second)
}

/** A text taken apart: what of the hash does not depend on the state it goes on from. */
export interface Scrambled {
  readonly blocks: Int32Array
  readonly tail: number
  readonly length: number
}

/** Does the part of the hash that is the same under every salt, for a text that is hashed under many. */
export function scrambleBytes(bytes: Uint8Array): Scrambled {
  const { length } = bytes
  const whole = length & ~3
  const blocks = new Int32Array(whole >> 2)
  for (let i = 0; i < whole; i += 4) blocks[i >> 2] = scramble(wordAt(bytes, i))
  return { blocks, tail: scramble(tailOf(bytes, whole, length)), length }
}

/** As `continueMurmur3` of the text that was taken apart. */
export function continueScrambled(h: number, before: number, { blocks, tail, length }: Scrambled): number {
  let state = h
  for (let i = 0; i < blocks.length; i++) {
    const mixed = state ^ (blocks[i] as number)
    state = (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0
  }
  return finish(state ^ tail, before + length) >>> 0
}

/** State after a text of ASCII alone, whose length is a multiple of 4; `undefined` for any other text. Makes no bytes of it. */
export function absorbAscii(seed: number, text: string): number | undefined {
  if (text.length % 4 !== 0) return undefined
  let state = seed | 0
  for (let i = 0; i < text.length; i += 4) {
    const a = text.charCodeAt(i)
    const b = text.charCodeAt(i + 1)
    const c = text.charCodeAt(i + 2)
    const d = text.charCodeAt(i + 3)
    if ((a | b | c | d) > 0x7f) return undefined
    state = mix(state, a | (b << 8) | (c << 16) | (d << 24))
  }
  return state
}

/**
 * MurmurHash3 x86 32-bit (Austin Appleby, public domain) of a text's UTF-8 bytes, as an unsigned integer. Lone surrogates
 * count as U+FFFD, as in every standard encoder, so that other languages get the same numbers.
 */
export function murmur3(text: string, seed = 0): number {
  return continueMurmur3(seed | 0, 0, text) >>> 0
}

/** `murmur3` of the first `length` bytes, for platforms with an encoder of their own: the same numbers in a third of the code. */
export function murmur3OfBytes(bytes: Uint8Array, length: number, seed: number): number {
  return hashBytes(seed, 0, bytes, length) >>> 0
}
