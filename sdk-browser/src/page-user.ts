import type { User } from '@pipit/shared/decide'

type Attributes = { readonly [name: string]: unknown }

/** A value as a unit: a text that is not empty, or a number as its text. */
function asUnit(value: unknown): string | undefined {
  const type = typeof value
  const text = type === 'string' || type === 'bigint' || Number.isFinite(value) ? String(value) : ''
  return text === '' ? undefined : text
}

/** What a dotted path leads to, by own properties; whatever throws when it is read is nothing. */
export function valueAt(user: User | undefined, path: string): unknown {
  try {
    if (typeof user === 'string') return path === 'id' ? user : undefined
    // As in Node, the id itself may be inherited: users are often objects of a class.
    if (path === 'id' || path === 'anonymousId') return user?.[path]
    let value: unknown = user
    for (const name of path.split('.')) {
      if (typeof value !== 'object' || !Object.prototype.propertyIsEnumerable.call(value, name)) return undefined
      value = (value as Attributes)[name]
    }
    return value
  } catch {
    return undefined
  }
}

/** What is assigned: the first of the paths that the user has, or the anonymous id in place of a missing one. */
export function unitOf(paths: string | readonly string[], user: User | undefined): string | undefined {
  for (const path of [paths, 'anonymousId'].flat()) {
    const unit = asUnit(valueAt(user, path))
    if (unit !== undefined) return unit
  }
  return undefined
}
