import type { Random } from './clock.ts'

/** A repeatable source of uniform numbers in [0, 1): sfc32 (Chris Doty-Humphrey, PractRand), seeded by splitmix32. */
export function seededRandom(seed: number): Random {
  let mixer = seed | 0
  const split = (): number => {
    mixer = (mixer + 0x9e3779b9) | 0
    let z = mixer
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return (z ^ (z >>> 15)) | 0
  }
  let a = split()
  let b = split()
  let c = split()
  let d = 1
  const next = (): number => {
    const t = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + t) | 0
    return (t >>> 0) / 4_294_967_296
  }
  for (let i = 0; i < 12; i++) next()
  return next
}
