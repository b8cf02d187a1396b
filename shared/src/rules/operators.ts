import type { JsonValue } from '../base/index.ts'
import { versionKey } from './version.ts'

/** Tests one attribute value. */
export type Test = (value: unknown) => boolean

/** Longest attribute text a regular expression is tried on; a longer one does not match. */
export const regexInputLimit = 512

/** Missing and null are the same to conditions. */
const isAbsent = (value: unknown): boolean => value === undefined || value === null

/** True when the value, or any element of it when it is an array, passes. */
const anyOf =
  (test: Test): Test =>
  (value) =>
    Array.isArray(value) ? value.some(test) : test(value)

/** Structural equality of JSON values; the order of keys does not matter. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const keysA = Object.keys(a)
  if (keysA.length !== Object.keys(b).length) return false
  return keysA.every((key) => Object.hasOwn(b, key) && sameJson(Reflect.get(a, key), Reflect.get(b, key)))
}

/** Equality of a plain value in a condition: `{ plan: "beta" }`. Numbers and texts meet (`10` is `"10"`). */
export function equalsPlain(expected: JsonValue): Test {
  if (expected === null) return isAbsent
  if (typeof expected === 'string')
    return anyOf((value) => !isAbsent(value) && typeof value !== 'object' && String(value) === expected)
  if (typeof expected === 'number') {
    return anyOf(
      (value) =>
        (typeof value === 'number' || (typeof value === 'string' && value.trim() !== '')) && Number(value) === expected,
    )
  }
  if (typeof expected === 'boolean') return (value) => !isAbsent(value) && Boolean(value) === expected
  return (value) => sameJson(value, expected)
}

const strict = (expected: JsonValue): Test =>
  typeof expected === 'object' && expected !== null
    ? (value) => sameJson(value, expected)
    : anyOf((value) => (expected === null ? isAbsent(value) : value === expected))

type Ordered = string | number

/** A missing value orders as zero, as in the outside cases. */
const orderable = (value: unknown): Ordered | undefined => {
  if (isAbsent(value)) return 0
  if (typeof value === 'string' || typeof value === 'number') return value
  if (typeof value === 'boolean') return Number(value)
  return undefined
}

const compare = (expected: JsonValue, holds: (a: Ordered, b: Ordered) => boolean): Test => {
  const right = orderable(expected)
  return anyOf((value) => {
    const left = orderable(value)
    return left !== undefined && right !== undefined && holds(left, right)
  })
}

const compareVersion = (expected: JsonValue, holds: (a: string, b: string) => boolean): Test => {
  const right = versionKey(expected)
  return anyOf((value) => holds(versionKey(value), right))
}

const fold = (value: unknown): unknown => (typeof value === 'string' ? value.toLowerCase() : value)

function member(expected: JsonValue, folded: boolean): Test | undefined {
  if (!Array.isArray(expected)) return undefined
  const set = new Set<unknown>(folded ? expected.map(fold) : expected)
  return anyOf((value) => set.has(isAbsent(value) ? null : folded ? fold(value) : value))
}

const never: Test = () => false
const not =
  (test: Test): Test =>
  (value) =>
    !test(value)

function regex(expected: JsonValue, flags: string): Test {
  if (typeof expected !== 'string') return never
  try {
    const pattern = new RegExp(expected, flags)
    return anyOf((value) => {
      const text = typeof value === 'number' ? String(value) : value
      return typeof text === 'string' && text.length <= regexInputLimit && pattern.test(text)
    })
  } catch {
    return never
  }
}

function typeOf(value: unknown): string {
  if (isAbsent(value)) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}

/** The operators that look at nothing but the value, by name. Those that need more are in `condition.ts`. */
export const valueOperators: { readonly [name: string]: (expected: JsonValue) => Test } = {
  $eq: strict,
  $ne: (expected) => not(strict(expected)),
  $gt: (expected) => compare(expected, (a, b) => a > b),
  $gte: (expected) => compare(expected, (a, b) => a >= b),
  $lt: (expected) => compare(expected, (a, b) => a < b),
  $lte: (expected) => compare(expected, (a, b) => a <= b),
  $in: (expected) => member(expected, false) ?? never,
  $nin: (expected) => {
    const test = member(expected, false)
    return test === undefined ? never : not(test)
  },
  $ini: (expected) => member(expected, true) ?? never,
  $nini: (expected) => {
    const test = member(expected, true)
    return test === undefined ? never : not(test)
  },
  $exists: (expected) => (expected ? not(isAbsent) : isAbsent),
  $type: (expected) => (value) => typeOf(value) === expected,
  $regex: (expected) => regex(expected, ''),
  $regexi: (expected) => regex(expected, 'i'),
  $veq: (expected) => compareVersion(expected, (a, b) => a === b),
  $vne: (expected) => not(compareVersion(expected, (a, b) => a === b)),
  $vgt: (expected) => compareVersion(expected, (a, b) => a > b),
  $vgte: (expected) => compareVersion(expected, (a, b) => a >= b),
  $vlt: (expected) => compareVersion(expected, (a, b) => a < b),
  $vlte: (expected) => compareVersion(expected, (a, b) => a <= b),
}
