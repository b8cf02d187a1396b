import type { PageRuleset } from '@pipit/shared/protocol'
import type { Who } from './identify.ts'
import type { Page } from './page.ts'
import { readRuleset } from './rulesets.ts'

/** Keeps a ruleset for the next page of this user, and for other tabs. Storage that is full or forbidden is as none. */
export function storeRuleset(page: Page, { place, print }: Who, ruleset: PageRuleset): void {
  try {
    page.localStorage.setItem(place, JSON.stringify({ at: page.Date.now(), print, ruleset }))
  } catch {
    // The next page asks the server.
  }
}

/** What was kept for the user, and its age. A clock that was set back makes nothing younger than new. Throws where there is none. */
export function loadRuleset(page: Page, { place, print }: Who): readonly [PageRuleset, number] {
  const stored = JSON.parse(page.localStorage.getItem(place) as string)
  if (stored.print !== print) throw new TypeError('another user')
  return [readRuleset(stored.ruleset), Math.max(0, page.Date.now() - stored.at) || 0]
}
