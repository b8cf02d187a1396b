import { decodeSketch, LatencySketch } from '@pipit/shared/sketch'

/**
 * The sketch of a stored text; empty where the text is none. A text without a dot is of a database from before sketches had theirs, and is
 * stored anew with the next report: pairs of gap and count as base-128 varints in base64url.
 */
export function storedSketch(text: string): LatencySketch {
  return (text.includes('.') ? decodeSketch(text) : formerSketch(text)) ?? new LatencySketch()
}

function formerSketch(text: string): LatencySketch {
  const sketch = new LatencySketch()
  const numbers = varints(Buffer.from(text, 'base64url'))
  let bin = -1
  for (let i = 0; i + 1 < numbers.length; i += 2) {
    bin += (numbers[i] as number) + 1
    if (bin >= sketch.bins.length) return new LatencySketch()
    sketch.addToBin(bin, numbers[i + 1] as number)
  }
  return sketch
}

function varints(bytes: Uint8Array): number[] {
  const numbers: number[] = []
  let value = 0
  let scale = 1
  for (const byte of bytes) {
    value += (byte & 127) * scale
    scale *= 128
    if (byte >= 128) continue
    numbers.push(value)
    value = 0
    scale = 1
  }
  return numbers
}
