import type { JsonValue } from '../base/index.ts'
import { Fanned } from './attributes.ts'
import { compileCidrs } from './cidr.ts'
import { epochMs, parseIsoDate, timeOf } from './date.ts'
import { versionKey } from './version.ts'

/** Tests one attribute value. */
export type Test = (value: unknown) => boolean

/** Longest attribute text a regular expression is tried on; a longer one does not match. */
export const regexInputLimit = 512

/** Raised inside compilation for what this version cannot make sense of; never leaves this folder. */
export class Uncompilable extends Error {}

/** Missing and null are the same to conditions. */
const isAbsent = (value: unknown): boolean => value === undefined || value === null

function some(values: readonly unknown[], test: Test): boolean {
  for (const value of values) if (test(value)) return true
  return false
}

/** The value as it is, or any of those that a path through an array leads to. */
const whole =
  (test: Test): Test =>
  (value) =>
    value instanceof Fanned ? some(value.values, test) : test(value)

/** The value, or any element of it when it is an array. */
function each(test: Test): Test {
  const element: Test = (value) => (Array.isArray(value) ? some(value, test) : test(value))
  return (value) => {
    if (typeof value !== 'object') return test(value)
    return value instanceof Fanned ? some(value.values, element) : element(value)
  }
}

/** Structural equality of JSON values; the order of keys does not matter. As deep as the shallower of both. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const keysA = Object.keys(a)
  if (keysA.length !== Object.keys(b).length) return false
  return keysA.every((key) => Object.hasOwn(b, key) && sameJson(Reflect.get(a, key), Reflect.get(b, key)))
}

/** Equality to a list or an object: the whole value, or an element of it. */
function same(expected: JsonValue): Test {
  const equals: Test = (value) => sameJson(value, expected)
  return whole((value) => equals(value) || (Array.isArray(value) && some(value, equals)))
}

/** Equality of a plain value in a condition: `{ plan: "beta" }`. Numbers and texts meet (`10` is `"10"`). */
export function equalsPlain(expected: JsonValue): Test {
  if (expected === null) return each(isAbsent)
  switch (typeof expected) {
    case 'string':
      return each((value) => value === expected || (isScalar(value) && String(value) === expected))
    case 'number':
      return each(
        (value) =>
          value === expected || (typeof value === 'string' && value.trim() !== '' && Number(value) === expected),
      )
    case 'boolean':
      return each((value) => !isAbsent(value) && Boolean(value) === expected)
    default:
      return same(expected)
  }
}

const isScalar = (value: unknown): boolean =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint'

function strict(expected: JsonValue): Test {
  if (expected === null) return each(isAbsent)
  return typeof expected === 'object' ? same(expected) : each((value) => value === expected)
}

type Ordered = string | number | bigint

/** A missing value orders as zero, as in the outside cases. */
function orderable(value: unknown): Ordered | undefined {
  if (isAbsent(value)) return 0
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') return value
  return typeof value === 'boolean' ? Number(value) : undefined
}

/** An operand that is a date compares times; any other compares as the language does, a `Date` as the epoch number it is. */
const compare =
  (holds: (a: Ordered, b: Ordered) => boolean) =>
  (expected: JsonValue): Test => {
    const right = orderable(expected)
    if (right === undefined) throw new Uncompilable('an order against a list or an object')
    const date = typeof expected === 'string' ? parseIsoDate(expected) : undefined
    if (date !== undefined) {
      return each((value) => {
        const time = timeOf(value)
        return time !== undefined && holds(time, date)
      })
    }
    const epoch = typeof right === 'number' ? epochMs(right) : undefined
    return each((value) => {
      const left = orderable(value)
      if (left !== undefined) return holds(left, right)
      return epoch !== undefined && value instanceof Date && holds(value.getTime(), epoch)
    })
  }

const compareVersion =
  (holds: (a: string, b: string) => boolean) =>
  (expected: JsonValue): Test => {
    const right = versionKey(expected)
    return each((value) => holds(versionKey(value), right))
  }

export const fold = (value: unknown): unknown => (typeof value === 'string' ? value.toLowerCase() : value)

function member(expected: JsonValue, folded: boolean): Test {
  if (!Array.isArray(expected)) throw new Uncompilable('a list that is none')
  const set = new Set<unknown>(folded ? expected.map(fold) : expected)
  const structures = expected.filter((item) => typeof item === 'object' && item !== null).map(same)
  const listed = each((value) => set.has(isAbsent(value) ? null : folded ? fold(value) : value))
  if (structures.length === 0) return listed
  return (value) => listed(value) || structures.some((test) => test(value))
}

const not =
  (test: Test): Test =>
  (value) =>
    !test(value)

function regex(expected: JsonValue, flags: string): Test {
  if (typeof expected !== 'string') throw new Uncompilable('a pattern that is no text')
  const pattern = compilePattern(expected, flags)
  return each((value) => {
    if (!isScalar(value)) return false
    const text = typeof value === 'string' ? value : String(value)
    return text.length <= regexInputLimit && pattern.test(text)
  })
}

function compilePattern(source: string, flags: string): RegExp {
  try {
    return new RegExp(source, flags)
  } catch {
    throw new Uncompilable('a pattern that is none')
  }
}

function typeOf(value: unknown): string {
  if (isAbsent(value)) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}

/** One range of addresses, or a list of them. */
function inCidr(expected: JsonValue): Test {
  const contains = compileCidrs(Array.isArray(expected) ? expected : [expected])
  if (contains === undefined) throw new Uncompilable('a range of addresses that is none')
  return each((value) => typeof value === 'string' && contains(value))
}

const isPresent = whole((value) => !isAbsent(value))

/** The operators that look at nothing but the value, by name. Those that need more are in `condition.ts`. */
export const valueOperators: { readonly [name: string]: (expected: JsonValue) => Test } = {
  $eq: strict,
  $ne: (expected) => not(strict(expected)),
  $gt: compare((a, b) => a > b),
  $gte: compare((a, b) => a >= b),
  $lt: compare((a, b) => a < b),
  $lte: compare((a, b) => a <= b),
  $in: (expected) => member(expected, false),
  $nin: (expected) => not(member(expected, false)),
  $ini: (expected) => member(expected, true),
  $nini: (expected) => not(member(expected, true)),
  $exists: (expected) => (expected ? isPresent : not(isPresent)),
  $type: (expected) => whole((value) => typeOf(value) === expected),
  $regex: (expected) => regex(expected, ''),
  $regexi: (expected) => regex(expected, 'i'),
  $inCidr: inCidr,
  $notInCidr: (expected) => not(inCidr(expected)),
  $veq: compareVersion((a, b) => a === b),
  $vne: (expected) => not(compareVersion((a, b) => a === b)(expected)),
  $vgt: compareVersion((a, b) => a > b),
  $vgte: compareVersion((a, b) => a >= b),
  $vlt: compareVersion((a, b) => a < b),
  $vlte: compareVersion((a, b) => a <= b),
}
