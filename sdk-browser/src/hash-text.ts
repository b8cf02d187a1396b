import { murmur3OfBytes } from '@pipit/shared/hash'

const encoder = new TextEncoder()

/** `murmur3` of `@pipit/shared/hash`, with the browser's own encoder: lone surrogates count as U+FFFD in both. */
export function hashText(text: string, seed: number): number {
  const bytes = encoder.encode(text)
  return murmur3OfBytes(bytes, bytes.length, seed)
}
