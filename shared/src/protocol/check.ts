/**
 * Small checks for data from the wire. Each throws a `Fault` with the path; `parse.ts` turns it into an error message. Nothing
 * here trusts a prototype: records are read by own keys only.
 */
export class Fault extends Error {
  readonly path: string
  constructor(path: string, message: string) {
    super(message)
    this.path = path
  }
}

export type JsonRecord = { readonly [key: string]: unknown }

const named = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`)

export function record(value: unknown, path: string): JsonRecord {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Fault(path, 'must be an object')
  return value as JsonRecord
}

/** An own property; `undefined` when absent. */
export function own(source: JsonRecord, key: string): unknown {
  return Object.hasOwn(source, key) ? source[key] : undefined
}

export function list(source: JsonRecord, key: string, path: string, limit: number): readonly unknown[] | undefined {
  const value = own(source, key)
  if (value === undefined) return undefined
  const at = named(path, key)
  if (!Array.isArray(value)) throw new Fault(at, 'must be a list')
  if (value.length > limit) throw new Fault(at, `has ${value.length} items; at most ${limit} are taken at once`)
  return value
}

export function text(source: JsonRecord, key: string, path: string, limit = 128, shortest = 1): string {
  const value = own(source, key)
  if (typeof value !== 'string') throw new Fault(named(path, key), 'must be a text')
  if (value.length < shortest || value.length > limit) {
    throw new Fault(named(path, key), `must have ${shortest} to ${limit} characters; it has ${value.length}`)
  }
  return value
}

export function optionalText(source: JsonRecord, key: string, path: string, limit = 128): string | undefined {
  return own(source, key) === undefined ? undefined : text(source, key, path, limit)
}

export function count(source: JsonRecord, key: string, path: string, least = 0): number {
  const value = own(source, key)
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least) {
    throw new Fault(named(path, key), `must be a whole number of at least ${least}`)
  }
  return value
}

export function optionalCount(source: JsonRecord, key: string, path: string): number | undefined {
  return own(source, key) === undefined ? undefined : count(source, key, path)
}

export function finite(source: JsonRecord, key: string, path: string, low: number, high: number): number {
  const value = own(source, key)
  if (typeof value !== 'number' || !(value >= low && value <= high)) {
    throw new Fault(named(path, key), `must be a number from ${low} to ${high}`)
  }
  return value
}

export function flag(source: JsonRecord, key: string, path: string): boolean {
  const value = own(source, key)
  if (typeof value !== 'boolean') throw new Fault(named(path, key), 'must be true or false')
  return value
}

export function unitHex(value: unknown, path: string): string {
  if (typeof value !== 'string' || !/^[0-9a-f]{16}$/.test(value))
    throw new Fault(path, 'must be a unit hash: 16 hex digits')
  return value
}

export { named }
