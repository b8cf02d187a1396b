import type { Random } from '../clock/index.ts'
import { isSampled, stratumOf } from '../counting/index.ts'
import type { CompiledRollout, Decision, Resolution } from '../decide/index.ts'
import { print, unitHash, unitPrint } from '../hash/index.ts'
import type { ExposureCell } from '../protocol/index.ts'
import { createHashQueue, type HashQueue } from './hash-queue.ts'
import { createSeenUnits } from './seen-units.ts'

/** Exposures that may wait for delivery, eight bytes each; those beyond it are lost, and counted. */
const maxPending = 100_000

interface Pending {
  readonly head: Omit<ExposureCell, 'units'>
  readonly units: HashQueue
}

/** Remembers whom this instance has told of, so that a unit's exposure is sent once per rollout and epoch. */
export interface ExposureLog {
  /** Whether what `resolve` has just come to is an exposure not noted before; it counts as noted from here on. Costs one look-up. */
  isNew(rollout: CompiledRollout, out: Resolution): boolean
  /** Tells of a new one. */
  add(decision: Decision, unitSalt: string, unitSample: number | undefined): void
  /** Takes out at most `limit` units. */
  take(limit: number): ExposureCell[]
  readonly pending: number
  /** Units that were lost because too many waited; read once. */
  takeDropped(): number
}

export function createExposureLog(maxRemembered: number, random: Random): ExposureLog {
  const seen = createSeenUnits(maxRemembered, random)
  const waiting = new Map<string, Pending>()
  let pending = 0
  let dropped = 0

  return {
    isNew(rollout, { cause, unit }) {
      if (!cause.exposed || unit === undefined) return false
      // A decision by split has just made the print.
      if (cause.reason !== 'split') unitPrint(rollout.salt, unit)
      const first = print[0] as number
      // The stamp tells apart rollouts that have a salt in common, and epochs.
      const second = (print[1] as number) ^ rollout.stamp
      if (seen.has(first, second)) return false
      seen.add(first, second)
      if (pending < maxPending) return true
      // Known from here on, so that it is counted once.
      dropped++
      return false
    },
    add(decision, unitSalt, unitSample) {
      if (decision.unit === undefined) return
      const unit = unitHash(unitSalt, decision.unit)
      if (unitSample !== undefined && !isSampled(unitSample, unit)) return
      const { rollout, epoch, variant, reason, slice } = decision
      const stratum = stratumOf(decision)
      const common = slice === undefined ? '' : JSON.stringify(slice)
      const cell = `${rollout} ${epoch} ${variant} ${stratum} ${reason} ${common}`
      let entry = waiting.get(cell)
      if (entry === undefined) {
        const head = { rollout, epoch, variant, stratum, reason, ...(slice === undefined ? {} : { slice }) }
        entry = { head, units: createHashQueue() }
        waiting.set(cell, entry)
      }
      entry.units.push(unit)
      pending++
    },
    take(limit) {
      const cells: ExposureCell[] = []
      let left = limit
      for (const [key, entry] of waiting) {
        if (left <= 0) break
        const units = entry.units.take(left)
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
