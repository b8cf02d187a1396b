import type { JsonValue } from '../base/index.ts'
import { type Attributes, compilePath, Fanned } from './attributes.ts'
import { type ConditionScope, compileCondition, groupOperators, isOperators } from './condition.ts'
import type { Condition } from './model.ts'

/** What was compared with what. */
export interface Comparison {
  /** The attribute, a dotted path; empty for a group of conditions. */
  readonly path: string
  readonly operator: string
  readonly expected: JsonValue | undefined
  /** What the user has there. */
  readonly actual: unknown
  readonly holds: boolean
  /** Of a group: what is in it. */
  readonly of?: readonly Comparison[]
}

const isRecord = (value: unknown): value is { readonly [key: string]: JsonValue } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Every comparison that a condition makes with a user, in its order, whether or not one before it has settled the matter. */
export function explainCondition(
  condition: Condition,
  scope: ConditionScope,
  attributes: Attributes,
): readonly Comparison[] {
  return Object.entries(condition).flatMap(([key, expected]) =>
    groupOperators.includes(key)
      ? [explainGroup(key, expected, scope, attributes)]
      : explainField(key, expected, scope, attributes),
  )
}

const holdsFor = (condition: Condition, scope: ConditionScope, attributes: Attributes): boolean =>
  compileCondition(condition, scope)?.(attributes) === true

function explainGroup(
  operator: string,
  expected: JsonValue,
  scope: ConditionScope,
  attributes: Attributes,
): Comparison {
  const parts = Array.isArray(expected) ? expected : [expected]
  const of = parts.flatMap((part) => (isRecord(part) ? explainCondition(part, scope, attributes) : []))
  const holds = holdsFor({ [operator]: expected }, scope, attributes)
  return { path: '', operator, expected: undefined, actual: undefined, holds, of }
}

function explainField(
  path: string,
  expected: JsonValue,
  scope: ConditionScope,
  attributes: Attributes,
): readonly Comparison[] {
  const actual = readSafely(path, attributes)
  if (!isOperators(expected)) {
    return [{ path, operator: 'is', expected, actual, holds: holdsFor({ [path]: expected }, scope, attributes) }]
  }
  return Object.entries(expected).map(([operator, operand]) => ({
    path,
    operator,
    expected: operand,
    actual,
    holds: holdsFor({ [path]: { [operator]: operand } }, scope, attributes),
  }))
}

function readSafely(path: string, attributes: Attributes): unknown {
  try {
    const value = compilePath(path)(attributes)
    return value instanceof Fanned ? value.values : value
  } catch {
    return undefined
  }
}
