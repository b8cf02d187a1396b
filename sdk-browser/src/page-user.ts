import type { User } from '@pipit/shared/decide'

/** What is assigned: the first of the paths that the user has, or the anonymous id in place of a missing one. */
export function unitOf(user: User | undefined, paths: string | readonly string[] = 'id'): string | undefined {
  for (const path of [paths, 'anonymousId'].flat()) {
    let value: unknown = typeof user === 'string' ? { id: user } : user
    for (const name of path.split('.')) value = (value as { readonly [name: string]: unknown } | undefined)?.[name]
    // A text that is not empty, or a number as its text.
    if (typeof value === 'string' ? value : Number.isFinite(value)) return `${value}`
  }
  return undefined
}
