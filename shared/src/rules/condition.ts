import type { JsonValue } from '../base/index.ts'
import { type Attributes, compilePath, Fanned } from './attributes.ts'
import { type Cohort, isMember } from './cohort.ts'
import type { Condition } from './model.ts'
import { equalsPlain, fold, type Test, Uncompilable, valueOperators } from './operators.ts'

/** True for users whose attributes meet the condition. Never throws: attributes that cannot be read do not match. */
export type Predicate = (attributes: Attributes) => boolean

/** What a condition may refer to outside itself. */
export interface ConditionScope {
  /** Undefined for a cohort that does not exist: nobody is in it. */
  readonly cohort: (key: string) => Cohort | undefined
}

/** Tests a value of a user; inside `$elemMatch` the value is an element, and the user still the user. */
type Scoped<T> = (value: T, user: Attributes) => boolean

export const fieldOperators: readonly string[] = [
  ...Object.keys(valueOperators),
  '$not',
  '$size',
  '$all',
  '$alli',
  '$elemMatch',
  '$inGroup',
  '$notInGroup',
]
export const groupOperators: readonly string[] = ['$and', '$or', '$nor', '$not']

/** Nesting that compilation follows; validation stops long before. */
const depthLimit = 64

const isRecord = (value: unknown): value is { readonly [key: string]: JsonValue } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** An object of operators, as opposed to an object to be equal to. */
export function isOperators(value: unknown): value is { readonly [key: string]: JsonValue } {
  if (!isRecord(value)) return false
  const keys = Object.keys(value)
  return keys.length > 0 && keys.every((key) => key.startsWith('$'))
}

/**
 * Compiles a condition into a closure. `undefined` when it holds something this version makes no sense of, above all an operator it
 * does not know, or a cohort whose condition does: the rule is then to be treated as not matching, and counted.
 */
export function compileCondition(condition: Condition, scope: ConditionScope): Predicate | undefined {
  return guarded(() => {
    const test = compileGroup(condition, scope, 0)
    return (attributes: Attributes) => test(attributes, attributes)
  })
}

/** Compiles operators that are applied to one value outside the user, such as a header's. There are no cohorts for it. */
export function compileValueTest(expected: JsonValue): Test | undefined {
  const scope: ConditionScope = {
    cohort() {
      throw new Uncompilable('a cohort of a header')
    },
  }
  return guarded(() => {
    const test = compileField(expected, scope, 0)
    return (value: unknown) => test(value, {})
  })
}

function guarded<T>(compile: () => (value: T) => boolean): ((value: T) => boolean) | undefined {
  try {
    const test = compile()
    return (value) => {
      try {
        return test(value)
      } catch {
        // A getter or a proxy that throws: nothing is known about this value.
        return false
      }
    }
  } catch {
    return undefined
  }
}

function all<T>(tests: readonly Scoped<T>[]): Scoped<T> {
  const [first, second, third] = tests
  if (first === undefined) return () => true
  if (second === undefined) return first
  if (third === undefined) return (value, user) => first(value, user) && second(value, user)
  return (value, user) => {
    for (const test of tests) if (!test(value, user)) return false
    return true
  }
}

const any =
  <T>(tests: readonly Scoped<T>[]): Scoped<T> =>
  (value, user) => {
    for (const test of tests) if (test(value, user)) return true
    return false
  }

const not =
  <T>(test: Scoped<T>): Scoped<T> =>
  (value, user) =>
    !test(value, user)

/** The value as it is, or any of those that a path through an array leads to. */
const whole =
  (test: Scoped<unknown>): Scoped<unknown> =>
  (value, user) => {
    if (!(value instanceof Fanned)) return test(value, user)
    for (const one of value.values) if (test(one, user)) return true
    return false
  }

function compileGroup(condition: JsonValue, scope: ConditionScope, depth: number): Scoped<Attributes> {
  if (!isRecord(condition) || depth > depthLimit) throw new Uncompilable('a condition that is none, or too deep')
  return all(Object.entries(condition).map(([key, expected]) => compileEntry(key, expected, scope, depth + 1)))
}

function compileGroups(expected: JsonValue, scope: ConditionScope, depth: number): readonly Scoped<Attributes>[] {
  if (!Array.isArray(expected)) throw new Uncompilable('a list of conditions that is none')
  return expected.map((item: JsonValue) => compileGroup(item, scope, depth))
}

function compileEntry(key: string, expected: JsonValue, scope: ConditionScope, depth: number): Scoped<Attributes> {
  switch (key) {
    case '$and':
      return all(compileGroups(expected, scope, depth))
    case '$or': {
      const tests = compileGroups(expected, scope, depth)
      return tests.length === 0 ? () => true : any(tests)
    }
    case '$nor':
      return not(any(compileGroups(expected, scope, depth)))
    case '$not':
      return not(compileGroup(expected, scope, depth))
    default: {
      // An attribute may be called $groups, but a list behind such a name belongs to an operator of a later version.
      if (key.startsWith('$') && Array.isArray(expected)) throw new Uncompilable(key)
      const read = compilePath(key)
      const test = compileField(expected, scope, depth)
      return (subject, user) => test(read(subject), user)
    }
  }
}

function compileField(expected: JsonValue, scope: ConditionScope, depth: number): Scoped<unknown> {
  if (depth > depthLimit) throw new Uncompilable('a condition that is too deep')
  if (!isOperators(expected)) return equalsPlain(expected)
  return all(Object.entries(expected).map(([name, operand]) => compileOperator(name, operand, scope, depth + 1)))
}

function compileOperator(name: string, operand: JsonValue, scope: ConditionScope, depth: number): Scoped<unknown> {
  if (Object.hasOwn(valueOperators, name)) return (valueOperators[name] as (expected: JsonValue) => Test)(operand)
  switch (name) {
    case '$not':
      return not(compileField(operand, scope, depth))
    case '$size': {
      const size = compileField(operand, scope, depth)
      return whole((value, user) => Array.isArray(value) && size(value.length, user))
    }
    case '$all':
      return compileAll(operand, scope, depth, (value) => value)
    case '$alli':
      return compileAll(operand, scope, depth, fold)
    case '$elemMatch':
      return compileElemMatch(operand, scope, depth)
    case '$inGroup':
      return compileInGroup(operand, scope)
    case '$notInGroup':
      return not(compileInGroup(operand, scope))
    default:
      throw new Uncompilable(name)
  }
}

/** Whether the test holds for an element. */
const has =
  (test: Scoped<unknown>): Scoped<unknown> =>
  (value, user) => {
    if (!Array.isArray(value)) return false
    for (const element of value) if (test(element, user)) return true
    return false
  }

function compileAll(
  operand: JsonValue,
  scope: ConditionScope,
  depth: number,
  folded: (value: unknown) => unknown,
): Scoped<unknown> {
  if (!Array.isArray(operand)) throw new Uncompilable('a list that is none')
  const wanted = operand.map((item: JsonValue) => {
    const test = compileField(folded(item) as JsonValue, scope, depth)
    return has((element, user) => test(folded(element), user))
  })
  const everyOne = all(wanted)
  return whole((value, user) => Array.isArray(value) && everyOne(value, user))
}

function compileElemMatch(operand: JsonValue, scope: ConditionScope, depth: number): Scoped<unknown> {
  if (isOperators(operand)) return whole(has(compileField(operand, scope, depth)))
  const test = compileGroup(operand, scope, depth)
  return whole(
    has((element, user) => typeof element === 'object' && element !== null && test(element as Attributes, user)),
  )
}

function compileInGroup(operand: JsonValue, scope: ConditionScope): Scoped<unknown> {
  if (typeof operand !== 'string') throw new Uncompilable('a cohort without a key')
  const cohort = scope.cohort(operand)
  if (cohort === undefined) return () => false
  // What is not understood would turn into "not in it", and a rule that keeps people out would let them in.
  if (!cohort.understood) throw new Uncompilable(`cohort ${operand}`)
  const one: Scoped<unknown> = (value, user) => isMember(cohort, value, user)
  const any = has(one)
  return whole((value, user) => (Array.isArray(value) ? any(value, user) : one(value, user)))
}
