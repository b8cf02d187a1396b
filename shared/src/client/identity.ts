/**
 * Keeps people where they were when they sign in: an id that is first seen together with an anonymous id that was decided for before goes on
 * under that anonymous id. Known to this process alone, and bounded.
 */
export interface Identity {
  /** Whether anybody was met so far whom it could matter for. */
  readonly active: boolean
  /** Somebody was exposed who had only this anonymous id. */
  metAnonymous(anonymousId: string): void
  /** The unit of an id. `known` tells whether decisions were made for the id by itself before. */
  unitOf(id: string, anonymousId: string | undefined, known: (id: string) => boolean): string
  /** The unit of an id as far as it was settled. */
  settled(id: string): string
}

export function createIdentity(limit: number): Identity {
  // A plain field and no getter: it is read at each decision.
  const state = { active: false }
  const anonymous = new Set<string>()
  /** By id, the anonymous id it goes on under, or itself. */
  const units = new Map<string, string>()

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
    unitOf(id: string, anonymousId: string | undefined, known: (id: string) => boolean) {
      if (units.size > 0) {
        const unit = units.get(id)
        if (unit !== undefined) return unit
      }
      if (anonymousId === undefined || !anonymous.has(anonymousId)) return id
      const unit = known(id) ? id : anonymousId
      bound(units)
      units.set(id, unit)
      return unit
    },
    settled: (id: string) => units.get(id) ?? id,
  })
}
