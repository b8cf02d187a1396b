import type { User } from '@pipit/shared/decide'

type Attributes = { readonly [name: string]: unknown }

/** What a dotted path leads to; whatever throws when it is read is nothing. Only own properties count, except for the two ids. */
export function valueAt(user: User | undefined, path: string): unknown {
  try {
    let value: unknown = typeof user === 'string' ? { id: user } : user
    // Users are often objects of a class: as in Node, the ids may be inherited.
    if (/^(id|anonymousId)$/.test(path)) return (value as Attributes)[path]
    for (const name of path.split('.')) {
      value =
        typeof value === 'object' && Object.keys(value as Attributes).includes(name)
          ? (value as Attributes)[name]
          : undefined
    }
    return value
  } catch {
    return undefined
  }
}

/** What is assigned: the first of the paths that the user has, or the anonymous id in place of a missing one. */
export function unitOf(user: User | undefined, paths: string | readonly string[] = 'id'): string | undefined {
  for (const path of [paths, 'anonymousId'].flat()) {
    const value = valueAt(user, path)
    // A text that is not empty, or a number as its text.
    if (value === 0 || (value && (/^(s|b.*t)/.test(typeof value) || Number.isFinite(value)))) return `${value}`
  }
  return undefined
}
