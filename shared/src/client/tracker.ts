import type { Clock } from '../clock/index.ts'
import { isSampled } from '../counting/index.ts'
import {
  anonymousOf,
  type CompiledRollout,
  type CompiledRuleset,
  type DecideEnvironment,
  type User,
  unitAt,
  unitOf,
} from '../decide/index.ts'
import { unitHash } from '../hash/index.ts'
import { compilePath } from '../rules/index.ts'
import type { TrackOptions } from './api.ts'
import type { EventQueue } from './event-queue.ts'

/** Events kept from before the first ruleset: without it nobody knows who counts them, nor for which unit. */
const earlyLimit = 1000

export interface TrackerParts {
  readonly clock: Clock
  readonly events: EventQueue
  readonly ruleset: () => CompiledRuleset | undefined
  /** The unit that a user's id goes on under, where signing in is followed. */
  readonly unitOfId: ((id: string, anonymousId: string | undefined) => string) | undefined
  readonly invalid: (message: string) => void
}

/** Takes events of the application: checks them, leaves out what no metric counts, names units by their hash. */
export interface Tracker {
  track(user: User | undefined, event: string, options: TrackOptions | undefined): void
  /** A ruleset has come: what waited for it can be sent. */
  release(): void
  waiting(): number
}

interface Tracked {
  readonly user: User
  readonly event: string
  readonly options: TrackOptions
  readonly at: number
}

export function createTracker({ clock, events, ruleset, unitOfId, invalid }: TrackerParts): Tracker {
  const early: Tracked[] = []
  const environment: DecideEnvironment = {
    identify: unitOfId && ((_rollout, id, anonymousId) => unitOfId(id, anonymousId)),
  }

  /** The unit that an event of a user counts for in a rollout; undefined where it does not. */
  function unitIn(rollout: CompiledRollout, unitSalt: string, { user, event, options }: Tracked): string | undefined {
    const { events: counted, unitSample } = rollout.source
    if (counted?.includes(event) !== true) return undefined
    const unit = options.unit === undefined ? unitOf(rollout, user, environment) : named(user, options.unit)
    if (unit === undefined || unitSample === undefined) return unit
    return isSampled(unitSample, unitHash(unitSalt, unit)) ? unit : undefined
  }

  /**
   * The units of a user and what each is: an event counts for what each rollout that counts it assigns. Of a unit that is several things to
   * several rollouts the first by name, whatever the order of the rollouts.
   */
  function unitsOf(compiled: CompiledRuleset, tracked: Tracked): ReadonlyMap<string, string> {
    const units = new Map<string, string>()
    for (const rollout of compiled.rollouts.values()) {
      const unit = unitIn(rollout, compiled.ruleset.unitSalt, tracked)
      if (unit === undefined) continue
      const isNamed = tracked.options.unit !== undefined || rollout.units === undefined
      const what = isNamed ? '' : String(rollout.source.unit)
      const known = units.get(unit)
      if (known === undefined || what < known) units.set(unit, what)
    }
    return units
  }

  function named(user: User, attribute: string): string | undefined {
    if (typeof user !== 'object') return undefined
    return unitAt(user, compilePath(attribute)) ?? anonymousOf(user)
  }

  function send(compiled: CompiledRuleset, tracked: Tracked): void {
    const { value, id } = tracked.options
    for (const [unit, what] of unitsOf(compiled, tracked)) {
      events.add({
        event: tracked.event,
        at: tracked.at,
        value,
        unit: unitHash(compiled.ruleset.unitSalt, unit),
        // An id counts once: what is told again for another unit needs one of its own, the same in every process.
        id: id === undefined || what === '' ? id : unitHash(id, what),
      })
    }
  }

  return {
    track(user, event, options = {}) {
      const { value, id } = options
      const known = typeof user === 'string' ? user !== '' && options.unit === undefined : isUser(user, options.unit)
      if (user === undefined || !known || !isName(event) || !isValue(value) || !(id === undefined || isName(id))) {
        invalid(
          'track(user, event, { value, id }) needs a user id, a name, a finite value and an id of 1 to 128 characters; the event is not counted',
        )
        return
      }
      const compiled = ruleset()
      const tracked = { user, event, options, at: clock.monotonic() }
      if (compiled !== undefined) return send(compiled, tracked)
      early.push(tracked)
      if (early.length > earlyLimit) early.shift()
    },
    release() {
      const compiled = ruleset()
      if (compiled === undefined) return
      for (const tracked of early.splice(0)) send(compiled, tracked)
    },
    waiting: () => early.length,
  }
}

const isName = (text: unknown): boolean => typeof text === 'string' && text.length > 0 && text.length <= 128
const isValue = (value: unknown): boolean =>
  value === undefined || (typeof value === 'number' && Math.abs(value) <= 1e15)

/** Whether there is anything to tell the user by; which of it counts, the rollouts say. */
function isUser(user: User | undefined, attribute: string | undefined): boolean {
  if (typeof user !== 'object' || user === null) return false
  if (anonymousOf(user) !== undefined) return true
  return attribute === undefined ? Object.keys(user).length > 0 : unitAt(user, compilePath(attribute)) !== undefined
}
