/** A list of members on the wire and on disk. */
export interface MemberText {
  readonly count: number
  /**
   * The 64-bit hashes in ascending order, each as its distance from the one before (the first: from 0) in base64url digits, most significant
   * first: ⌈(66 − ⌊log2 count⌋) / 6⌉ digits, or, where these do not suffice, `~` and 11 digits.
   */
  readonly hashes: string
}

/** More would need fewer digits than two limbs have. */
const mostHashes = 2 ** 24 - 1
const wideDigits = 11
const wideMark = 0x7e
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const codes = Uint8Array.from(alphabet, (digit) => digit.charCodeAt(0))
const values = new Int8Array(128).fill(-1)
codes.forEach((code, value) => {
  values[code] = value
})

/** Digits of a distance: its mean is 2^64 / count, and one that is four times as far, or eight, is rare enough to take the longer form. */
function digitsFor(count: number): number {
  return Math.ceil((66 - (31 - Math.clz32(count))) / 6)
}

/**
 * Numbers of 64 bits are three limbs here, of 16, 24 and 24 bits: a limb is whole digits (three at most, four, four), and sums of two
 * stay in 32 bits.
 */
const middleOf = (high: number, low: number): number => ((high & 0xffff) << 8) | (low >>> 24)

/** The text of ascending hashes, each given as its upper and its lower half. */
export function encodeHashes(words: Uint32Array): string {
  const digits = digitsFor(words.length / 2)
  const out = new Uint8Array((words.length / 2) * (wideDigits + 1))
  let at = 0
  let top = 0
  let middle = 0
  let bottom = 0
  for (let i = 0; i < words.length; i += 2) {
    const h = words[i] as number
    const l = words[i + 1] as number
    const newMiddle = middleOf(h, l)
    let c = (l & 0xffffff) - bottom
    let b = newMiddle - middle
    let a = (h >>> 16) - top
    if (c < 0) {
      c += 0x1000000
      b--
    }
    if (b < 0) {
      b += 0x1000000
      a--
    }
    top = h >>> 16
    middle = newMiddle
    bottom = l & 0xffffff
    const wide = a >= 1 << (6 * (digits - 8))
    if (wide) out[at++] = wideMark
    for (let shift = 6 * ((wide ? wideDigits : digits) - 9); shift >= 0; shift -= 6)
      out[at++] = codes[(a >>> shift) & 63] as number
    for (let shift = 18; shift >= 0; shift -= 6) out[at++] = codes[(b >>> shift) & 63] as number
    for (let shift = 18; shift >= 0; shift -= 6) out[at++] = codes[(c >>> shift) & 63] as number
  }
  return asciiOf(out.subarray(0, at))
}

function asciiOf(bytes: Uint8Array): string {
  let text = ''
  // As many arguments as every engine takes.
  for (let i = 0; i < bytes.length; i += 8192)
    text += String.fromCharCode.apply(undefined, bytes.subarray(i, i + 8192) as unknown as number[])
  return text
}

/** The value of a run of at most four digits, or a negative number where one of them is none. */
function limb(text: string, from: number, digits: number): number {
  let value = 0
  let faults = 0
  for (let i = from; i < from + digits; i++) {
    // Not a number past the end, which reads as 0 here; the length is checked in the end.
    const code = text.charCodeAt(i) | 0
    const digit = code < 128 ? (values[code] as number) : -1
    faults |= digit
    value = (value << 6) | digit
  }
  return faults < 0 ? -1 : value
}

/** The hashes of a text, each as its upper and its lower half, or what is wrong with it. Never throws. */
export function decodeHashes(count: number, hashes: string): Uint32Array | string {
  if (!Number.isInteger(count) || count < 0 || count > mostHashes)
    return `count must be a whole number from 0 to ${mostHashes}`
  const digits = count === 0 ? 0 : digitsFor(count)
  // Before memory is taken for as many as a stranger says there are.
  if (hashes.length < count * digits) return `hashes ends before the last of ${count}`
  const decoded = new Uint32Array(count * 2)
  let at = 0
  let top = 0
  let middle = 0
  let bottom = 0
  for (let i = 0; i < count; i++) {
    const wide = hashes.charCodeAt(at) === wideMark
    if (wide) at++
    const first = (wide ? wideDigits : digits) - 8
    const a = limb(hashes, at, first)
    const b = limb(hashes, at + first, 4)
    const c = limb(hashes, at + first + 4, 4)
    if ((a | b | c) < 0) return `hashes has what is no digit near character ${at}`
    at += first + 8
    if (i > 0 && (a | b | c) === 0) return `hashes names one hash twice near character ${at}`
    if (wide && a < 1 << (6 * (digits - 8))) return `hashes is longer than it needs to be near character ${at}`
    bottom += c
    middle += b + (bottom >>> 24)
    top += a + (middle >>> 24)
    bottom &= 0xffffff
    middle &= 0xffffff
    if (top > 0xffff) return `hashes goes beyond 64 bits near character ${at}`
    decoded[2 * i] = (top << 16) | (middle >>> 8)
    decoded[2 * i + 1] = ((middle & 0xff) << 24) | bottom
  }
  if (at !== hashes.length) return `hashes goes on after the last of ${count}`
  return decoded
}
