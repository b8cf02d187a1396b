import type { User } from '@pipit/shared/decide'
import type { PageIdentity } from './api.ts'
import { hashText } from './hash-text.ts'
import { unitOf } from './page-user.ts'

/** Who the page is told to be for. */
export interface Who {
  readonly user: User | undefined
  /** What its greeting says. */
  readonly says: object
  /** Where the ruleset of this person is kept, and what tells it from that of the same person with other attributes. */
  readonly place: string
  readonly print: number
  /** The results in the ruleset are this user's. */
  known?: boolean
}

export function identify({ user, userHash, cookies }: PageIdentity, where: string): Who {
  try {
    const text = JSON.stringify({ user: typeof user === 'string' ? { id: user } : user, userHash, cookies })
    const place = `pipit ${hashText(where + unitOf(user), 0)}`
    return { user, says: JSON.parse(text), place, print: hashText(where + text, 1) }
  } catch {
    // Attributes that are no data are none: the id is what counts.
    return identify({ user: unitOf(user), userHash, cookies: undefined }, where)
  }
}
