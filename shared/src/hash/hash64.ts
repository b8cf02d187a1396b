import { utf8 } from '../base/index.ts'

const c1 = 0x239b961b
const c2 = 0xab0e9789
const c3 = 0x38b34ae5
const c4 = 0xa1e38b93

/** State of the hash after a salt: made once, good for any number of texts. */
export interface SaltedHash64 {
  readonly salt: string
  readonly seed: number
  /** Bytes of the salt that the four words of state have taken in: all of them, where they fill whole blocks of 16; otherwise none. */
  readonly bytes: number
  readonly aligned: boolean
  readonly h1: number
  readonly h2: number
  readonly h3: number
  readonly h4: number
}

/** What the last hash left: its first two words, and for `prepareHash64` all four. A typed array, so that nothing is boxed. */
const words = new Int32Array(4)

/** Scrambles a word of the text: `k × a`, rotated left by r bits, `× b`. */
function scramble(k: number, a: number, r: number, b: number): number {
  const product = Math.imul(k, a)
  return Math.imul((product << r) | (product >>> (32 - r)), b)
}

/** One word of state after a scrambled word: rotated left by r bits, with its neighbour, × 5, plus a constant. */
function stir(h: number, r: number, neighbour: number, constant: number): number {
  return (Math.imul(((h << r) | (h >>> (32 - r))) + neighbour, 5) + constant) | 0
}

function avalanche(h: number): number {
  let x = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return x ^ (x >>> 16)
}

/**
 * Takes in the characters as bytes and leaves the outcome in `words`. Answers with the bits that occur in any character: where they
 * are more than a byte, or than ASCII for a text that is not bytes yet, the outcome means nothing. `ends` is false while a salt is
 * taken in, whose blocks are whole.
 */
function absorb(from: SaltedHash64, text: string, ends: boolean): number {
  let { h1, h2, h3, h4 } = from
  const length = text.length
  const whole = length & ~15
  let seen = 0
  for (let i = 0; i < whole; i += 16) {
    let a = text.charCodeAt(i)
    let b = text.charCodeAt(i + 1)
    let c = text.charCodeAt(i + 2)
    let d = text.charCodeAt(i + 3)
    seen |= a | b | c | d
    h1 = stir(h1 ^ scramble(a | (b << 8) | (c << 16) | (d << 24), c1, 15, c2), 19, h2, 0x561ccd1b)
    a = text.charCodeAt(i + 4)
    b = text.charCodeAt(i + 5)
    c = text.charCodeAt(i + 6)
    d = text.charCodeAt(i + 7)
    seen |= a | b | c | d
    h2 = stir(h2 ^ scramble(a | (b << 8) | (c << 16) | (d << 24), c2, 16, c3), 17, h3, 0x0bcaa747)
    a = text.charCodeAt(i + 8)
    b = text.charCodeAt(i + 9)
    c = text.charCodeAt(i + 10)
    d = text.charCodeAt(i + 11)
    seen |= a | b | c | d
    h3 = stir(h3 ^ scramble(a | (b << 8) | (c << 16) | (d << 24), c3, 17, c4), 15, h4, 0x96cd1c35)
    a = text.charCodeAt(i + 12)
    b = text.charCodeAt(i + 13)
    c = text.charCodeAt(i + 14)
    d = text.charCodeAt(i + 15)
    seen |= a | b | c | d
    h4 = stir(h4 ^ scramble(a | (b << 8) | (c << 16) | (d << 24), c4, 18, c1), 13, h1, 0x32ac3b17)
  }
  let k1 = 0
  let k2 = 0
  let k3 = 0
  let k4 = 0
  for (let i = whole; i < length; i++) {
    const code = text.charCodeAt(i)
    seen |= code
    const byte = code << ((i & 3) << 3)
    if ((i & 15) < 4) k1 |= byte
    else if ((i & 15) < 8) k2 |= byte
    else if ((i & 15) < 12) k3 |= byte
    else k4 |= byte
  }
  if (ends) {
    // An absent word is 0 and scrambles to 0.
    h1 ^= scramble(k1, c1, 15, c2)
    h2 ^= scramble(k2, c2, 16, c3)
    h3 ^= scramble(k3, c3, 17, c4)
    h4 ^= scramble(k4, c4, 18, c1)
    const total = from.bytes + length
    h2 ^= total
    h3 ^= total
    h4 ^= total
    h1 = ((h1 ^ total) + h2 + h3 + h4) | 0
    const f1 = avalanche(h1)
    const f2 = avalanche((h2 + h1) | 0)
    h1 = (f1 + f2 + avalanche((h3 + h1) | 0) + avalanche((h4 + h1) | 0)) | 0
    h2 = (f2 + h1) | 0
  }
  words[0] = h1
  words[1] = h2
  words[2] = h3
  words[3] = h4
  return seen
}

/** UTF-8 bytes of a text, each as one character. */
function binary(text: string): string {
  let out = ''
  for (const byte of utf8(text)) out += String.fromCharCode(byte)
  return out
}

/** Takes in a salt once. The server's salts are 16 ASCII characters, one block, so that nothing of them is left for the hot path. */
export function prepareHash64(salt: string, seed = 0): SaltedHash64 {
  const bytes = binary(salt)
  const aligned = bytes.length % 16 === 0
  const h = seed | 0
  const start = { salt, seed, bytes: 0, aligned, h1: h, h2: h, h3: h, h4: h }
  if (!aligned || bytes === '') return start
  absorb(start, bytes, false)
  const [h1 = 0, h2 = 0, h3 = 0, h4 = 0] = words
  return { ...start, bytes: bytes.length, h1, h2, h3, h4 }
}

/**
 * The first 32 bits of the 64-bit hash of `salt + text`, as a signed integer; `hash64Low` has the others until the next call. The
 * hash is the first half of MurmurHash3 x86 128-bit (Austin Appleby, public domain) of the UTF-8 bytes; lone surrogates count as U+FFFD.
 * Nothing is allocated where the salt fills whole blocks and the text is ASCII.
 */
export function hash64(prepared: SaltedHash64, text: string): number {
  const rest = prepared.aligned ? text : prepared.salt + text
  if (absorb(prepared, rest, true) > 0x7f) absorb(prepared, binary(rest), true)
  return words[0] as number
}

/** The last 32 bits of what `hash64` was asked for last, as a signed integer. */
export function hash64Low(): number {
  return words[1] as number
}

const hex8 = (word: number): string => (word >>> 0).toString(16).padStart(8, '0')

let lastSalt = prepareHash64('')

/** The 64-bit hash that stands for an id in reports, as 16 hex digits. */
export function unitHash(unitSalt: string, id: string): string {
  if (lastSalt.salt !== unitSalt) lastSalt = prepareHash64(unitSalt)
  return hex8(hash64(lastSalt, id)) + hex8(hash64Low())
}
