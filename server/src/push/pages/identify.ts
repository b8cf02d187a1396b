import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Hello } from '@pipit/shared/protocol'
import type { Visitor } from './visitor.ts'

/** What an environment asks of pages. */
export interface PageSettings {
  readonly userHash: 'required' | 'off'
  readonly pageSecret?: string | undefined
}

/** Who a page says its user is. */
export type Claim = Pick<Hello, 'user' | 'userHash' | 'cookies'>

/**
 * The user of a page, as far as it may claim. Where a proof is required and is missing or wrong, nothing is left but the anonymous id, which
 * is only good for the split: nobody is listed, overridden or let in under it.
 */
export function identify(claim: Claim, agent: string | undefined, settings: PageSettings): Visitor {
  const { user, cookies = {}, userHash } = claim
  const claimed = { user, cookies, agent, isProved: true, isRefused: false }
  if (settings.userHash === 'off' || user === undefined) return claimed
  if (user.id !== undefined && isProof(userHash, String(user.id), settings.pageSecret)) return claimed
  const { anonymousId } = user
  return {
    ...claimed,
    user: anonymousId === undefined ? undefined : { anonymousId },
    isProved: false,
    isRefused: Object.keys(user).some((attribute) => attribute !== 'anonymousId'),
  }
}

function isProof(given: string | undefined, id: string, secret: string | undefined): boolean {
  if (given === undefined || secret === undefined) return false
  const right = createHmac('sha256', secret).update(id).digest()
  const told = Buffer.from(given, 'hex')
  return told.length === right.length && timingSafeEqual(right, told)
}
