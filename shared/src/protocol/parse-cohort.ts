import { decodeHashes, type MemberDelta, MemberList, type RulesetCohort } from '../rules/index.ts'
import { count, Fault, type JsonRecord, named, own, record } from './check.ts'
import type { CohortPatch } from './messages.ts'

/** A cohort of a whole ruleset: the text of its members becomes their list. Throws `Fault`. */
export function readCohort(value: unknown, path: string): RulesetCohort {
  const source = record(value, path)
  const members = own(source, 'members')
  if (own(source, 'when') !== undefined) record(own(source, 'when'), named(path, 'when'))
  const { members: _, ...rest } = source
  return members === undefined ? rest : { ...rest, members: readMembers(members, named(path, 'members')) }
}

/** The changes of a cohort in a patch. Throws `Fault`. */
export function readCohortPatch(value: unknown, path: string): CohortPatch {
  const source = record(value, path)
  const when = own(source, 'when')
  const members = own(source, 'members')
  if (when !== undefined && when !== null) record(when, named(path, 'when'))
  const { members: _, ...rest } = source
  if (members === undefined) return rest
  if (members === null) return { ...rest, members }
  const at = named(path, 'members')
  const isDelta = own(record(members, at), 'from') !== undefined
  return { ...rest, members: isDelta ? readDelta(record(members, at), at) : readMembers(members, at) }
}

function readMembers(value: unknown, path: string): MemberList {
  const source = record(value, path)
  const size = count(source, 'count', path)
  const hashes = own(source, 'hashes')
  if (typeof hashes !== 'string') throw new Fault(named(path, 'hashes'), 'must be a text')
  const decoded = decodeHashes(size, hashes)
  if (typeof decoded === 'string') throw new Fault(path, `cannot be read: ${decoded}`)
  return new MemberList(decoded)
}

function readDelta(source: JsonRecord, path: string): MemberDelta {
  const from = own(source, 'from')
  if (typeof from !== 'string' || !/^[0-9a-f]{16}$/.test(from))
    throw new Fault(named(path, 'from'), 'must be the digest of a list: 16 hex digits')
  const add = own(source, 'add')
  const remove = own(source, 'remove')
  return {
    from,
    ...(add === undefined ? {} : { add: readMembers(add, named(path, 'add')) }),
    ...(remove === undefined ? {} : { remove: readMembers(remove, named(path, 'remove')) }),
  }
}
