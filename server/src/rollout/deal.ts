import { bucketCount } from '@pipit/shared/hash'
import type { Deal, Variant } from '@pipit/shared/rules'

/** Sizes in buckets of the arms but stable, by share: what is rounded adds up. */
function sizesOf(variants: readonly Variant[]): ReadonlyMap<string, number> {
  const arms = variants.slice(1)
  const total = arms.reduce((sum, { share }) => sum + (share ?? 1), 0)
  const sizes = new Map<string, number>()
  let [sum, bound] = [0, 0]
  for (const { name, share } of arms) {
    sum += share ?? 1
    const next = Math.round((sum / total) * bucketCount)
    sizes.set(name, next - bound)
    bound = next
  }
  return sizes
}

/** The deal of a rollout that was never dealt anew: the arms in their order, by share. */
export function plainDeal(variants: readonly Variant[]): Deal {
  let to = 0
  return [...sizesOf(variants)].map(([name, size]) => {
    to += size
    return [name, to]
  })
}

/**
 * Other arms or shares with as few users as possible in another arm than before: each arm keeps of its users what it may, and only what an
 * arm has too many of, or of an arm that is gone, is dealt to those that have too few.
 */
export function redeal(before: Deal, variants: readonly Variant[]): Deal {
  const wanted = new Map(sizesOf(variants))
  const pieces: { arm: string | undefined; from: number; to: number }[] = []
  let at = 0
  for (const [arm, to] of before) {
    const kept = Math.min(to - at, wanted.get(arm) ?? 0)
    if (kept > 0) {
      pieces.push({ arm, from: at, to: at + kept })
      wanted.set(arm, (wanted.get(arm) ?? 0) - kept)
    }
    if (at + kept < to) pieces.push({ arm: undefined, from: at + kept, to })
    at = to
  }
  const lacking = [...wanted].filter(([, size]) => size > 0)
  const deal: [string, number][] = []
  const add = (arm: string, to: number): void => {
    const last = deal.at(-1)
    if (last?.[0] === arm) last[1] = to
    else deal.push([arm, to])
  }
  for (const piece of pieces) {
    if (piece.arm !== undefined) {
      add(piece.arm, piece.to)
      continue
    }
    for (let { from } = piece; from < piece.to; ) {
      const next = lacking[0]
      if (next === undefined) break
      const size = Math.min(next[1], piece.to - from)
      from += size
      next[1] -= size
      if (next[1] === 0) lacking.shift()
      add(next[0], from)
    }
  }
  return deal
}
