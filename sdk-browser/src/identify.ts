import type { User } from '@pipit/shared/decide'
import type { PageIdentity } from './api.ts'
import { hashText } from './hash-text.ts'
import { unitOf } from './page-user.ts'

/** Who the page is told to be for. */
export interface Who {
  readonly user: User | undefined
  /** The id, or the anonymous id. */
  readonly person: string | undefined
  /** What its greeting says. */
  readonly says: object
  /** Where the ruleset of this person is kept, and what tells it from that of the same person with other attributes. */
  readonly place: string
  readonly print: number
  /** The results in the ruleset are this user's. */
  known?: boolean
}

export function identify({ user, userHash: proof, cookies }: PageIdentity, where: string): Who {
  const person = unitOf(user)
  // What is no proof proves nothing, and would have the whole greeting refused.
  const userHash = /^[\da-f]{64}$/.test(`${proof}`) ? proof : undefined
  try {
    const text = JSON.stringify({ user: typeof user === 'string' ? { id: user } : user, userHash, cookies })
    const place = `pipit ${hashText(where + person, 0)}`
    return { user, person, says: JSON.parse(text), place, print: hashText(where + text, 1) }
  } catch {
    // Attributes that are no data are none: the id is what counts.
    return identify({ user: person, userHash, cookies: undefined }, where)
  }
}

/** A user whom the server takes for anonymous: what is assigned is then the anonymous id. */
export function anonymous(who: Who): Who {
  const { anonymousId } = Object(who.user)
  return { ...who, user: { anonymousId }, person: anonymousId }
}

/** Whether a call is about somebody else. The usual ways to name the page's own user cost a comparison. */
export const isOther = (user: User | undefined, { person }: Who): boolean =>
  user !== undefined &&
  user !== person &&
  (user as { readonly id?: unknown } | null)?.id !== person &&
  unitOf(user) !== person
