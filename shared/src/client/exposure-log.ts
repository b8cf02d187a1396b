import type { Decision } from '../decide/index.ts'
import type { ExposureCell } from '../protocol/index.ts'
import { stratumOf } from './outcome-aggregator.ts'

/** Exposures that may wait for delivery; beyond it new ones are not remembered, so that a later decision tells them again. */
const maxPending = 100_000

interface Pending {
  readonly head: Omit<ExposureCell, 'units'>
  readonly units: string[]
}

/** Remembers whom this instance has told of, so that a unit's exposure is sent once per rollout and epoch. */
export interface ExposureLog {
  /** `hash` is called only for a unit that is new. */
  add(decision: Decision, hash: (unit: string) => string): void
  /** Takes out at most `limit` units. */
  take(limit: number): ExposureCell[]
  readonly pending: number
  takeDropped(): number
}

export function createExposureLog(maxRemembered: number): ExposureLog {
  const seen = new Map<string, { epoch: number; units: Set<string> }>()
  const waiting = new Map<string, Pending>()
  let remembered = 0
  let pending = 0
  let dropped = 0

  /** True when the unit was not seen under this epoch before. */
  function remember(decision: Decision, unit: string): boolean {
    let known = seen.get(decision.rollout)
    if (known === undefined || known.epoch !== decision.epoch) {
      remembered -= known?.units.size ?? 0
      known = { epoch: decision.epoch, units: new Set() }
      seen.set(decision.rollout, known)
    }
    if (known.units.has(unit)) return false
    if (pending >= maxPending) {
      dropped++
      return false
    }
    if (remembered >= maxRemembered) {
      // Full: forget all and tell again. The server counts each unit once.
      for (const entry of seen.values()) entry.units.clear()
      remembered = 0
    }
    known.units.add(unit)
    remembered++
    return true
  }

  return {
    add(decision, hash) {
      const { unit } = decision
      if (unit === undefined || !remember(decision, unit)) return
      const stratum = stratumOf(decision)
      const { slice } = decision
      const common = slice === undefined ? '' : JSON.stringify(slice)
      const key = `${decision.rollout} ${decision.epoch} ${decision.variant} ${stratum} ${decision.reason} ${common}`
      let entry = waiting.get(key)
      if (entry === undefined) {
        const { rollout, epoch, variant, reason } = decision
        const head = { rollout, epoch, variant, stratum, reason, ...(slice === undefined ? {} : { slice }) }
        entry = { head, units: [] }
        waiting.set(key, entry)
      }
      entry.units.push(hash(unit))
      pending++
    },
    take(limit) {
      const cells: ExposureCell[] = []
      let left = limit
      for (const [key, entry] of waiting) {
        if (left <= 0) break
        const units = entry.units.splice(0, left)
        left -= units.length
        pending -= units.length
        cells.push({ ...entry.head, units })
        if (entry.units.length === 0) waiting.delete(key)
      }
      return cells
    },
    get pending() {
      return pending
    },
    takeDropped() {
      const count = dropped
      dropped = 0
      return count
    },
  }
}
