import type { Random } from '@pipit/shared/clock'

/** The same numbers as `random` gives, drawn a block at a time: in a tight loop they cost half. */
export function inBlocks(random: Random): Random {
  const block = new Float64Array(4096)
  let at = block.length
  return () => {
    if (at === block.length) {
      for (let i = 0; i < block.length; i++) block[i] = random()
      at = 0
    }
    return block[at++] as number
  }
}

/** A standard normal number (Box and Muller 1958). */
export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

/** A Poisson number: by multiplication below a mean of 30, above it the normal approximation. */
export function poisson(mean: number, random: Random): number {
  if (mean > 30) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal(random)))
  const floor = Math.exp(-mean)
  let count = 0
  for (let product = random(); product > floor; product *= random()) count++
  return count
}

/** A geometric number from 1 with the given mean. */
export function geometric(mean: number, random: Random): number {
  return 1 + Math.floor(Math.log(1 - random()) / Math.log(1 - 1 / mean))
}
