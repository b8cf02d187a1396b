import { murmur3OfBytes } from '@pipit/shared/hash'

const encoder = new TextEncoder()
/** Room for the bytes of a usual text: three at most for each of its code units. */
const scratch = new Uint8Array(300)

/** `murmur3` of `@pipit/shared/hash`, with the browser's own encoder: lone surrogates count as U+FFFD in both. */
export function hashText(text: string, seed: number): number {
  if (text.length <= 100) return murmur3OfBytes(scratch, encoder.encodeInto(text, scratch).written, seed)
  const bytes = encoder.encode(text)
  return murmur3OfBytes(bytes, bytes.length, seed)
}
