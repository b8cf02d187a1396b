import { bucketCount } from '@pipit/shared/hash'
import { plainDeal } from './deal.ts'
import type { RolloutDefinition } from './definition.ts'
import type { RolloutState } from './state.ts'
import { progressOf } from './view.ts'

/** Units that would be in another arm, in percent of those who are dealt out: not by a rule, a cohort or an override. */
export interface Movement {
  readonly from: string
  readonly to: string
  readonly share: number
}

/** How a state deals units out: the canary's weight in percent, and how its buckets are divided. */
interface Dealt {
  readonly salt: string
  readonly weight: number
  readonly deal: readonly (readonly [string, number])[]
}

function dealtBy({ variants }: RolloutDefinition, state: RolloutState): Dealt {
  const progress = progressOf(state)
  const salt = progress?.salt ?? ''
  if (state.phase === 'succeeded') return { salt, weight: 100, deal: [[state.winner, bucketCount]] }
  if (progress === undefined || state.phase === 'reverted' || state.phase === 'archived') {
    return { salt, weight: 0, deal: plainDeal(variants) }
  }
  return { salt, weight: progress.weight, deal: progress.deal ?? plainDeal(variants) }
}

/**
 * Who changes sides from one state to another, computed from the weights and deals themselves: whoever is in at 5 % is in at 25 %, so only the
 * difference moves. Under another salt everybody is dealt out anew.
 */
export function movements(
  before: { readonly definition: RolloutDefinition; readonly state: RolloutState },
  after: { readonly definition: RolloutDefinition; readonly state: RolloutState },
): readonly Movement[] {
  const [was, is] = [dealtBy(before.definition, before.state), dealtBy(after.definition, after.state)]
  const shares = new Map<string, Movement>()
  const add = (from: string, to: string, share: number): void => {
    if (from === to || share <= 0) return
    const key = JSON.stringify([from, to])
    shares.set(key, { from, to, share: (shares.get(key)?.share ?? 0) + share })
  }
  if (was.salt === is.salt || was.weight === 0 || is.weight === 0) nested(was, is, add)
  else for (const [from, p] of partsOf(was)) for (const [to, q] of partsOf(is)) add(from, to, (p * q) / 100)
  return [...shares.values()].map((movement) => ({ ...movement, share: Math.round(movement.share * 1e6) / 1e6 }))
}

function nested(was: Dealt, is: Dealt, add: (from: string, to: string, share: number) => void): void {
  const both = Math.min(was.weight, is.weight)
  for (const [from, a, b] of rangesOf(was)) {
    for (const [to, c, d] of rangesOf(is)) add(from, to, (both * (Math.min(b, d) - Math.max(a, c))) / bucketCount)
    add(from, 'stable', ((was.weight - both) * (b - a)) / bucketCount)
  }
  for (const [to, c, d] of rangesOf(is)) add('stable', to, ((is.weight - both) * (d - c)) / bucketCount)
}

function rangesOf({ deal }: Dealt): readonly (readonly [arm: string, from: number, to: number])[] {
  return deal.map(([arm, to], i) => [arm, deal[i - 1]?.[1] ?? 0, to])
}

/** All arms with their share of everybody, in percent. */
function partsOf(dealt: Dealt): readonly (readonly [arm: string, share: number])[] {
  const arms = rangesOf(dealt).map(([arm, from, to]) => [arm, (dealt.weight * (to - from)) / bucketCount] as const)
  return [['stable', 100 - dealt.weight], ...arms]
}
