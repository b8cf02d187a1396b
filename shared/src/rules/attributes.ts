/** A user's attributes as plain data; only own properties count, so that `__proto__` and `constructor` name nothing. */
export type Attributes = { readonly [name: string]: unknown }

/** What a path through an array leads to: the values of all its elements, each of which may meet a condition. */
export class Fanned {
  readonly values: readonly unknown[]
  constructor(values: readonly unknown[]) {
    this.values = values
  }
}

const isObject = (value: unknown): value is Attributes => typeof value === 'object' && value !== null
const isIndex = (name: string): boolean => /^\d+$/.test(name)

function follow(start: unknown, names: readonly string[], from: number): unknown {
  let current = start
  for (let i = from; i < names.length; i++) {
    const name = names[i] as string
    if (Array.isArray(current) && !isIndex(name)) return fan(current, names, i)
    if (!isObject(current) || !Object.hasOwn(current, name)) return undefined
    current = current[name]
  }
  return current
}

function fan(elements: readonly unknown[], names: readonly string[], at: number): unknown {
  const values: unknown[] = []
  for (const element of elements) {
    if (!isObject(element) || Array.isArray(element)) continue
    const found = follow(element, names, at)
    if (found instanceof Fanned) for (const value of found.values) values.push(value)
    else if (found !== undefined) values.push(found)
  }
  return values.length === 0 ? undefined : new Fanned(values)
}

/**
 * Compiles a dotted path. A missing value is `undefined`; a name that is a number is an index of an array; any other name behind an
 * array means each of its elements, as in MongoDB, and gives a `Fanned`.
 */
export function compilePath(path: string): (attributes: Attributes) => unknown {
  const names = path.split('.')
  const [only = ''] = names
  if (names.length === 1) return (attributes) => (Object.hasOwn(attributes, only) ? attributes[only] : undefined)
  return (attributes) => follow(attributes, names, 0)
}
