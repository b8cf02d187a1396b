/** A user's attributes as plain data; only own properties count, so that `__proto__` and `constructor` name nothing. */
export type Attributes = { readonly [name: string]: unknown }

const isObject = (value: unknown): value is Attributes => typeof value === 'object' && value !== null

function step(current: unknown, name: string): unknown {
  if (Array.isArray(current)) {
    if (/^\d+$/.test(name)) return current[Number(name)]
    // MongoDB: a path through an array means each element's value.
    const found = current.filter((item) => isObject(item) && Object.hasOwn(item, name))
    return found.length === 0 ? undefined : found.flatMap((item: Attributes) => [item[name]])
  }
  return isObject(current) && Object.hasOwn(current, name) ? current[name] : undefined
}

/** Compiles a dotted path; a missing value is `undefined`. */
export function compilePath(path: string): (attributes: Attributes) => unknown {
  const names = path.split('.')
  const [only = ''] = names
  if (names.length === 1) return (attributes) => (Object.hasOwn(attributes, only) ? attributes[only] : undefined)
  return (attributes) => {
    let current: unknown = attributes
    for (const name of names) {
      current = step(current, name)
      if (current === undefined) return undefined
    }
    return current
  }
}
