import {
  applyMembers,
  diffMembers,
  type MemberDelta,
  type MemberList,
  type RulesetCohort,
  sameJson,
} from '../rules/index.ts'
import type { CohortPatch } from './messages.ts'

/** What leads from one cohort to another; undefined where nothing does. */
export function diffCohort(from: RulesetCohort | undefined, to: RulesetCohort): CohortPatch | undefined {
  if (from === undefined) return to
  const patch: CohortPatch = { ...diffWhen(from, to), ...diffMemberFields(from, to) }
  return Object.keys(patch).length > 0 ? patch : undefined
}

function diffWhen({ when: from }: RulesetCohort, { when: to }: RulesetCohort): CohortPatch {
  return sameJson(from, to) ? {} : { when: to ?? null }
}

function diffMemberFields({ members: from }: RulesetCohort, { members: to }: RulesetCohort): CohortPatch {
  if (from === to) return {}
  if (from === undefined || to === undefined) return { members: to ?? null }
  const delta = diffMembers(from, to)
  if (delta === undefined) return {}
  const changed = (delta.add?.count ?? 0) + (delta.remove?.count ?? 0)
  return { members: changed < to.count ? delta : to }
}

/** The cohort after a patch; undefined where its members are a delta of a list that is not held. */
export function applyCohortPatch(before: RulesetCohort | undefined, patch: CohortPatch): RulesetCohort | undefined {
  const when = patch.when === undefined ? before?.when : (patch.when ?? undefined)
  let members = before?.members
  if (patch.members === null) members = undefined
  else if (patch.members !== undefined) {
    members = wholeList(members, patch.members)
    if (members === undefined) return undefined
  }
  return { ...(when === undefined ? {} : { when }), ...(members === undefined ? {} : { members }) }
}

function wholeList(held: MemberList | undefined, members: MemberList | MemberDelta): MemberList | undefined {
  if (!('from' in members)) return members
  return held === undefined ? undefined : applyMembers(held, members)
}
