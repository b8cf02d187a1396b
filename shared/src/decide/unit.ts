import { type Attributes, compilePath } from '../rules/index.ts'
import type { CompiledRollout } from './compile.ts'
import type { User } from './decision.ts'
import type { DecideEnvironment } from './environment.ts'

/** Reads what is assigned from the attributes; `undefined` stands for the id. */
export type UnitReader = ((attributes: Attributes) => unknown) | undefined

/** Compiles the rollout's `unit`: one path, or several of which the first that a user has counts. */
export function compileUnit(unit: string | readonly string[] | undefined): readonly UnitReader[] | undefined {
  const paths = typeof unit === 'string' ? [unit] : (unit ?? ['id'])
  const plain = paths.length === 1 && paths[0] === 'id'
  return plain ? undefined : paths.map((path) => (path === 'id' ? undefined : compilePath(path)))
}

/** A value as a unit: a text that is not empty, or a number as its text. */
function asUnit(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value
  return (typeof value === 'number' && Number.isFinite(value)) || typeof value === 'bigint' ? String(value) : undefined
}

/** An attribute as a unit; one that throws when it is read is none. */
export function unitAt(user: Exclude<User, string>, read: (attributes: Attributes) => unknown): string | undefined {
  try {
    return asUnit(read(user))
  } catch {
    return undefined
  }
}

const readId = ({ id }: Attributes): unknown => id
const readAnonymousId = ({ anonymousId }: Attributes): unknown => anonymousId

export const idOf = (user: Exclude<User, string>): string | undefined => unitAt(user, readId)
export const anonymousOf = (user: Exclude<User, string>): string | undefined => unitAt(user, readAnonymousId)

/**
 * What is assigned: the id, or the first of the attributes that the rollout names, or the anonymous id in place of a missing one. A
 * text is an id. Reading never throws: an id that does is none.
 */
export function unitOf(
  rollout: CompiledRollout,
  user: User | undefined,
  environment: DecideEnvironment,
): string | undefined {
  if (typeof user === 'string') {
    if (user === '' || (rollout.units !== undefined && !rollout.units.includes(undefined))) return undefined
    return environment.identify === undefined ? user : environment.identify(rollout, user, undefined)
  }
  if (typeof user !== 'object' || user === null) return undefined
  if (rollout.units === undefined && environment.identify === undefined) {
    try {
      const { id } = user
      if (typeof id === 'string' && id !== '') return id
    } catch {
      return anonymousOf(user)
    }
  }
  return unitOfObject(rollout, user, environment)
}

function unitOfObject(
  rollout: CompiledRollout,
  user: Exclude<User, string>,
  environment: DecideEnvironment,
): string | undefined {
  const anonymous = anonymousOf(user)
  const { units } = rollout
  if (units === undefined) return identified(rollout, user, anonymous, environment) ?? anonymous
  for (const read of units) {
    const unit = read === undefined ? identified(rollout, user, anonymous, environment) : unitAt(user, read)
    if (unit !== undefined) return unit
  }
  return anonymous
}

function identified(
  rollout: CompiledRollout,
  user: Exclude<User, string>,
  anonymous: string | undefined,
  environment: DecideEnvironment,
): string | undefined {
  const id = idOf(user)
  return id === undefined || environment.identify === undefined ? id : environment.identify(rollout, id, anonymous)
}

/** The user as a person, whatever the rollout assigns: the id, else the anonymous id, else the unit. A holdback is of people. */
export function personOf(
  rollout: CompiledRollout,
  user: User | undefined,
  unit: string | undefined,
  environment: DecideEnvironment,
): string | undefined {
  if (rollout.units === undefined) return unit
  if (typeof user === 'string') return user === '' ? unit : (environment.identify?.(rollout, user, undefined) ?? user)
  if (typeof user !== 'object' || user === null) return unit
  const anonymous = anonymousOf(user)
  return identified(rollout, user, anonymous, environment) ?? anonymous ?? unit
}
