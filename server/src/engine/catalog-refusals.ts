import type { Issue } from '@pipit/shared/base'
import { issueText, Refused, refuseStale } from './commands.ts'

/** What a change of a cohort or metric expects to be there: nothing, or one of this version; any where none is named. */
export type Expected = 'new' | { readonly version: number | undefined }

/** Refuses a change that expects something else than there is. */
export function refuseUnexpected(
  target: string,
  environment: string,
  stored: { readonly version: number } | undefined,
  expected: Expected,
): void {
  if (stored === undefined) {
    if (expected === 'new' || expected.version === undefined) return
    throw new Refused({
      code: 'not-found',
      message: `there is no ${target} in ${environment}; leave the version out to make it`,
    })
  }
  if (expected !== 'new') return refuseStale(target, stored.version, expected.version)
  throw new Refused({
    code: 'exists',
    message: `there is a ${target} in ${environment} already; replace it with PUT, or choose another key`,
  })
}

export function refuseInUse(what: string, users: readonly string[], instead: string): void {
  if (users.length === 0) return
  throw new Refused({ code: 'in-use', message: `${what} is used by ${users.join(', ')}; ${instead}` })
}

export function refuseInvalid(what: string, issues: readonly Issue[]): void {
  if (issues.length === 0) return
  throw new Refused({ code: 'invalid', message: `${what} cannot be taken as it is: ${issueText(issues)}`, issues })
}
