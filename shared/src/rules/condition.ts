import type { JsonValue } from '../base/index.ts'
import { type Attributes, compilePath } from './attributes.ts'
import type { Condition } from './model.ts'
import { equalsPlain, type Test, valueOperators } from './operators.ts'

/** True for users whose attributes meet the condition. */
export type Predicate = (attributes: Attributes) => boolean

/** What a condition may refer to outside itself. */
export interface ConditionScope {
  /** Whether a value (an id) or the user belongs to the cohort; false for an unknown cohort. */
  readonly inCohort: (cohort: string, value: unknown, attributes: Attributes) => boolean
}

/** Tests a value in the light of the whole user. */
type ScopedTest = (value: unknown, attributes: Attributes) => boolean

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

/** Raised inside compilation for what this version does not know; never leaves this folder. */
class UnknownOperator extends Error {}

const isRecord = (value: unknown): value is { readonly [key: string]: JsonValue } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** An object of operators, as opposed to an object to be equal to. */
export function isOperators(value: unknown): value is { readonly [key: string]: JsonValue } {
  if (!isRecord(value)) return false
  const keys = Object.keys(value)
  return keys.length > 0 && keys.every((key) => key.startsWith('$'))
}

/**
 * Compiles a condition into a closure. `undefined` when it uses an operator this version does not know: the rule is then to be
 * treated as not matching, and counted.
 */
export function compileCondition(condition: Condition, scope: ConditionScope): Predicate | undefined {
  try {
    return compileGroup(condition, scope)
  } catch (error) {
    if (error instanceof UnknownOperator) return undefined
    throw error
  }
}

/** Compiles operators (or a plain value) that are applied to one value, such as a header's. */
export function compileValueTest(expected: JsonValue, scope: ConditionScope): Test | undefined {
  try {
    const test = compileField(expected, scope)
    return (value) => test(value, {})
  } catch (error) {
    if (error instanceof UnknownOperator) return undefined
    throw error
  }
}

function all(predicates: readonly Predicate[]): Predicate {
  const [first, second] = predicates
  if (first === undefined) return () => true
  if (second === undefined) return first
  return (attributes) => predicates.every((predicate) => predicate(attributes))
}

function compileGroup(condition: JsonValue, scope: ConditionScope): Predicate {
  if (!isRecord(condition)) throw new UnknownOperator('a condition that is not an object')
  return all(Object.entries(condition).map(([key, expected]) => compileEntry(key, expected, scope)))
}

function compileList(expected: JsonValue, scope: ConditionScope): readonly Predicate[] {
  if (!Array.isArray(expected)) throw new UnknownOperator('a list of conditions that is not a list')
  return expected.map((item: JsonValue) => compileGroup(item, scope))
}

function compileEntry(key: string, expected: JsonValue, scope: ConditionScope): Predicate {
  switch (key) {
    case '$and':
      return all(compileList(expected, scope))
    case '$or': {
      const any = compileList(expected, scope)
      return any.length === 0 ? () => true : (attributes) => any.some((predicate) => predicate(attributes))
    }
    case '$nor': {
      const any = compileList(expected, scope)
      return (attributes) => !any.some((predicate) => predicate(attributes))
    }
    case '$not': {
      const inner = compileGroup(expected, scope)
      return (attributes) => !inner(attributes)
    }
    default: {
      const read = compilePath(key)
      const test = compileField(expected, scope)
      return (attributes) => test(read(attributes), attributes)
    }
  }
}

function compileField(expected: JsonValue, scope: ConditionScope): ScopedTest {
  if (!isOperators(expected)) return equalsPlain(expected)
  const tests = Object.entries(expected).map(([name, operand]) => compileOperator(name, operand, scope))
  const [first] = tests
  if (tests.length === 1 && first !== undefined) return first
  return (value, attributes) => tests.every((test) => test(value, attributes))
}

function compileOperator(name: string, operand: JsonValue, scope: ConditionScope): ScopedTest {
  if (Object.hasOwn(valueOperators, name)) return (valueOperators[name] as (expected: JsonValue) => Test)(operand)
  switch (name) {
    case '$not': {
      const inner = compileField(operand, scope)
      return (value, attributes) => !inner(value, attributes)
    }
    case '$size': {
      const inner = compileField(operand, scope)
      return (value, attributes) => Array.isArray(value) && inner(value.length, attributes)
    }
    case '$all':
      return compileAll(operand, scope, (value) => value)
    case '$alli':
      return compileAll(operand, scope, (value) => (typeof value === 'string' ? value.toLowerCase() : value))
    case '$elemMatch':
      return compileElemMatch(operand, scope)
    case '$inGroup':
      return (value, attributes) => typeof operand === 'string' && scope.inCohort(operand, value, attributes)
    case '$notInGroup':
      return (value, attributes) => typeof operand === 'string' && !scope.inCohort(operand, value, attributes)
    default:
      throw new UnknownOperator(name)
  }
}

function compileAll(operand: JsonValue, scope: ConditionScope, fold: (value: unknown) => unknown): ScopedTest {
  if (!Array.isArray(operand)) return () => false
  const wanted = operand.map((item: JsonValue) => compileField(fold(item) as JsonValue, scope))
  return (value, attributes) =>
    Array.isArray(value) && wanted.every((test) => value.some((item) => test(fold(item), attributes)))
}

function compileElemMatch(operand: JsonValue, scope: ConditionScope): ScopedTest {
  if (isOperators(operand)) {
    const test = compileField(operand, scope)
    return (value, attributes) => Array.isArray(value) && value.some((item) => test(item, attributes))
  }
  const inner = compileGroup(operand, scope)
  return (value) =>
    Array.isArray(value) && value.some((item) => typeof item === 'object' && item !== null && inner(item as Attributes))
}
