import { wireLimits } from '@pipit/shared/protocol'
import type { Edition } from './edition.ts'

/** Of text on the wire, for each byte of a list of members in memory. */
const charactersPerByte = 1.4
const bytesPerCharacter = 3

/** How many bytes the ruleset has on the wire where that is more than SDKs take. Written out only where it comes near. */
export function oversize({ ruleset, text }: Edition, most: number = wireLimits.rulesetBytes): number | undefined {
  let members = 0
  let rest = 0
  for (const rollout of Object.values(ruleset.rollouts)) rest += JSON.stringify(rollout).length
  for (const { members: list, when } of Object.values(ruleset.cohorts)) {
    members += list?.bytes ?? 0
    if (when !== undefined) rest += JSON.stringify(when).length
  }
  if (members * charactersPerByte + rest * bytesPerCharacter <= most / 2) return undefined
  const bytes = Buffer.byteLength(text())
  return bytes > most ? bytes : undefined
}
