import { hashesBelow, prepareSalt, type SaltedHash, saltedHash } from '../hash/index.ts'
import type { Ruleset, RulesetRollout } from '../rules/index.ts'

/** A share of one draw that all who look at it have in common: hashes from `from` up to, not with, `to`. */
export interface Range {
  readonly salt: SaltedHash
  readonly from: number
  readonly to: number
}

/** Whom a rollout may touch at all, before any override, rule or split. */
export interface Eligibility {
  /** People in this range are touched by no rollout of the environment. */
  readonly holdback: Range | undefined
  /** Other rollouts, and the variant of each that one must have; any but stable where it is undefined. */
  readonly prerequisites: readonly { readonly rollout: string; readonly variant: string | undefined }[]
  /** Only units in this range take part: rollouts of one layer share the draw and have ranges of their own. */
  readonly layer: Range | undefined
}

const rangeOf = (salt: string, from: number, to: number): Range => ({
  salt: prepareSalt(salt),
  from: hashesBelow(Math.round(from * 1000)),
  to: hashesBelow(Math.round(to * 1000)),
})

/** The salt of an environment's holdback: its own draw, so that it is independent of every split and layer. */
export const holdbackSalt = (unitSalt: string): string => `${unitSalt}holdback`

/** The salt of a layer: the same for all its rollouts, independent of their splits. */
export const layerSalt = (unitSalt: string, name: string): string => `${unitSalt}layer/${name}`

/** Who may take part; undefined where everybody may. */
export function compileEligibility(source: RulesetRollout, ruleset: Ruleset): Eligibility | undefined {
  const { prerequisites = [], layer } = source
  const { holdback = 0, unitSalt } = ruleset
  if (prerequisites.length === 0 && layer === undefined && holdback === 0) return undefined
  return {
    holdback: holdback > 0 ? rangeOf(holdbackSalt(unitSalt), 0, holdback) : undefined,
    prerequisites: prerequisites.map(({ rollout, variant }) => ({ rollout, variant })),
    layer: layer && rangeOf(layerSalt(unitSalt, layer.name), layer.from, layer.to),
  }
}

export function inRange({ salt, from, to }: Range, unit: string): boolean {
  const hash = saltedHash(salt, unit)
  return hash >= from && hash < to
}
