import type { Clock } from '../clock/index.ts'
import { eventByUnit } from '../counting/index.ts'
import {
  anonymousOf,
  type CompiledRollout,
  type CompiledRuleset,
  type DecideEnvironment,
  type User,
  unitAt,
  unitOf,
} from '../decide/index.ts'
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

  function namedUnit(user: User, attribute: string): string | undefined {
    if (typeof user !== 'object') return undefined
    return unitAt(user, compilePath(attribute)) ?? anonymousOf(user)
  }

  function send(compiled: CompiledRuleset, { user, event, options, at }: Tracked): void {
    const { value, id, unit: name } = options
    const named = { event, value, id }
    const unitOfUser = (rollout: CompiledRollout): string | undefined =>
      name === undefined ? unitOf(rollout, user, environment) : namedUnit(user, name)
    const found = eventByUnit(named, compiled, { unitOf: unitOfUser, isNamed: name !== undefined })
    for (const item of found) events.add({ ...item, at })
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
