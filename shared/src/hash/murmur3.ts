import { utf8 } from '../base/index.ts'

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

function finish(h: number, length: number): number {
  let x = h ^ length
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return (x ^ (x >>> 16)) >>> 0
}

function hashBytes(h: number, before: number, bytes: Uint8Array): number {
  const length = bytes.length
  const whole = length & ~3
  let state = h
  for (let i = 0; i < whole; i += 4) {
    state = mix(
      state,
      (bytes[i] as number) |
        ((bytes[i + 1] as number) << 8) |
        ((bytes[i + 2] as number) << 16) |
        ((bytes[i + 3] as number) << 24),
    )
  }
  let tail = 0
  for (let i = length - 1; i >= whole; i--) tail = (tail << 8) | (bytes[i] as number)
  if (length > whole) state ^= scramble(tail)
  return finish(state, before + length)
}

/**
 * Goes on from state `h` after `before` bytes (a multiple of 4) with the text. One pass over ASCII without allocation; the
 * first other character sends it to the UTF-8 path.
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
    if ((a | b | c | d) > 0x7f) return hashBytes(h, before, utf8(text))
    state = mix(state, a | (b << 8) | (c << 16) | (d << 24))
  }
  let tail = 0
  for (let i = length - 1; i >= whole; i--) {
    const code = text.charCodeAt(i)
    if (code > 0x7f) return hashBytes(h, before, utf8(text))
    tail = (tail << 8) | code
  }
  if (length > whole) state ^= scramble(tail)
  return finish(state, before + length)
}

/** State after the bytes, whose number is a multiple of 4. */
export function absorbBlocks(seed: number, bytes: Uint8Array): number {
  let state = seed | 0
  for (let i = 0; i < bytes.length; i += 4) {
    state = mix(
      state,
      (bytes[i] as number) |
        ((bytes[i + 1] as number) << 8) |
        ((bytes[i + 2] as number) << 16) |
        ((bytes[i + 3] as number) << 24),
    )
  }
  return state
}

/**
 * MurmurHash3 x86 32-bit (Austin Appleby, public domain) of a text's UTF-8 bytes, as an unsigned integer. Lone surrogates
 * count as U+FFFD, as in every standard encoder, so that other languages get the same numbers.
 */
export function murmur3(text: string, seed = 0): number {
  return continueMurmur3(seed | 0, 0, text)
}
