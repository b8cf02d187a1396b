import type { Clock } from '../clock/index.ts'
import { asUnit, type User } from '../decide/index.ts'
import { unitHash } from '../hash/index.ts'
import { compilePath, type Ruleset } from '../rules/index.ts'
import type { TrackOptions } from './api.ts'
import type { EventQueue } from './event-queue.ts'

/** Events kept from before the first ruleset: without its salt a unit cannot be named yet. */
const earlyLimit = 1000

export interface TrackerParts {
  readonly clock: Clock
  readonly events: EventQueue
  readonly ruleset: () => Ruleset | undefined
  /** The unit that a user's id goes on under. */
  readonly settled: (id: string) => string
  readonly invalid: (message: string) => void
}

/** Takes events of the application: checks them, leaves out what no metric counts, names units by their hash. */
export interface Tracker {
  track(user: User | undefined, event: string, options: TrackOptions | undefined): void
  /** A ruleset has come: what waited for it can be sent. */
  release(): void
  waiting(): number
}

export function createTracker({ clock, events, ruleset, settled, invalid }: TrackerParts): Tracker {
  const early: { unit: string; event: string; value: number | undefined; id: string | undefined; at: number }[] = []
  return {
    track(user, event, options) {
      const unit = unitOf(user, options?.unit, settled)
      const { value, id } = options ?? {}
      if (unit === undefined || !isName(event) || !isValue(value) || !(id === undefined || isName(id))) {
        invalid(
          'track(user, event, { value, id }) needs a user id, a name, a finite value and an id of 1 to 128 characters; the event is not counted',
        )
        return
      }
      const known = ruleset()
      const item = { event, at: clock.monotonic(), value, id }
      if (known === undefined) {
        early.push({ unit, ...item })
        if (early.length > earlyLimit) early.shift()
      } else if (isCounted(known, event)) events.add({ ...item, unit: unitHash(known.unitSalt, unit) })
    },
    release() {
      const known = ruleset()
      if (known === undefined) return
      for (const { unit, ...item } of early.splice(0)) events.add({ ...item, unit: unitHash(known.unitSalt, unit) })
    },
    waiting: () => early.length,
  }
}

const isName = (text: unknown): boolean => typeof text === 'string' && text.length > 0 && text.length <= 128
const isValue = (value: unknown): boolean =>
  value === undefined || (typeof value === 'number' && Math.abs(value) <= 1e15)

function isCounted(ruleset: Ruleset, event: string): boolean {
  return Object.values(ruleset.rollouts).some((rollout) => rollout.events?.includes(event) === true)
}

/** As `decide` has it: the id, or the named attribute, or the anonymous id in place of a missing one. */
function unitOf(
  user: User | undefined,
  attribute: string | undefined,
  settled: (id: string) => string,
): string | undefined {
  if (typeof user === 'string') return user === '' || attribute !== undefined ? undefined : settled(user)
  if (typeof user !== 'object' || user === null) return undefined
  const unit = asUnit(attribute === undefined ? user.id : compilePath(attribute)(user))
  if (unit === undefined) return asUnit(user.anonymousId)
  return attribute === undefined || attribute === 'id' ? settled(unit) : unit
}
