import type { PageIdentity } from './api.ts'
import { hashText } from './hash-text.ts'
import { unitOf } from './page-user.ts'

/** Who the page is told to be for. */
export interface Who {
  /** The id, or the anonymous id. */
  readonly person: string | undefined
  /** What its greeting and its reports say. */
  readonly says: PageIdentity
  /** Tells its ruleset from that of anybody else, and of the same person with other attributes. */
  readonly print: number
}

export function identify({ user, userHash, cookies }: PageIdentity): Who {
  const person = unitOf(user)
  const says = { user: typeof user === 'string' ? { id: user } : user, userHash, cookies }
  try {
    return { person, says, print: hashText(JSON.stringify(says)) }
  } catch {
    // Attributes that are no data are none: the id is what counts.
    return identify({ user: person, userHash })
  }
}
