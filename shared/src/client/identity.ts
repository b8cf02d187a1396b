import type { Random } from '../clock/index.ts'
import { prepareSalt, print, unitPrint } from '../hash/index.ts'
import { createSeenUnits } from './seen-units.ts'

/**
 * Keeps people where they were when they sign in: an id that is first seen together with an anonymous id that was decided for before goes on
 * under that anonymous id. Known to this process alone, and bounded.
 */
export interface Identity {
  /** Whether anybody was met so far whom it could matter for. */
  readonly active: boolean
  /** Somebody was exposed who had only this anonymous id. */
  metAnonymous(anonymousId: string): void
  /** Somebody was exposed by this id itself: it keeps its side in every rollout. */
  metId(id: string): void
  unitOf(id: string, anonymousId: string | undefined): string
}

export function createIdentity(limit: number, random: Random): Identity {
  // A plain field and no getter: it is read at each decision.
  const state = { active: false }
  const anonymous = new Set<string>()
  /** Ids that people were exposed by, which are many more than those who sign in: as prints. */
  const ids = createSeenUnits(limit, random)
  const salt = prepareSalt('')
  /** By id, the anonymous id it goes on under, or itself. */
  const units = new Map<string, string>()

  function isMet(id: string): boolean {
    unitPrint(salt, id)
    return ids.has(print[0] as number, print[1] as number)
  }

  /** Makes room by forgetting who came first. */
  function bound(collection: { readonly size: number; keys(): Iterator<string>; delete(key: string): boolean }): void {
    if (collection.size < limit) return
    const { value } = collection.keys().next()
    if (value !== undefined) collection.delete(value)
  }

  return Object.assign(state, {
    metAnonymous(anonymousId: string) {
      state.active = true
      if (anonymous.has(anonymousId)) return
      bound(anonymous)
      anonymous.add(anonymousId)
    },
    metId(id: string) {
      if (!isMet(id)) ids.add(print[0] as number, print[1] as number)
    },
    unitOf(id: string, anonymousId: string | undefined) {
      if (units.size > 0) {
        const unit = units.get(id)
        if (unit !== undefined) return unit
      }
      if (anonymousId === undefined || !anonymous.has(anonymousId)) return id
      const unit = isMet(id) ? id : anonymousId
      bound(units)
      units.set(id, unit)
      return unit
    },
  })
}
