/** The attributes and conditions of `model.ts`. */
import type { JsonValue } from '@pipit/shared/base'
import type { User } from '@pipit/shared/decide'
import type { Condition } from '@pipit/shared/rules'

const attributesOf = (user: User | undefined): { readonly [name: string]: unknown } =>
  typeof user === 'string' ? { id: user } : typeof user === 'object' && user !== null ? user : {}

export function read(user: User | undefined, path: string): unknown {
  let value: unknown = attributesOf(user)
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as { [name: string]: unknown })[name]
  }
  return value
}

const compare: { readonly [operator: string]: (a: number, b: number) => boolean } = {
  $gt: (a, b) => a > b,
  $gte: (a, b) => a >= b,
  $lt: (a, b) => a < b,
  $lte: (a, b) => a <= b,
}

/** The operators of `fuzz-case.ts` that are not wild, on texts, numbers and lists of texts. */
function holds(operator: string, operand: JsonValue, value: unknown): boolean {
  const values: readonly unknown[] = Array.isArray(value) ? value : [value]
  const list = operand as readonly unknown[]
  switch (operator) {
    case '$eq':
      return values.includes(operand)
    case '$ne':
      return !values.includes(operand)
    case '$in':
      return values.some((one) => list.includes(one))
    case '$nin':
      return !values.some((one) => list.includes(one))
    case '$exists':
      return (value !== undefined) === operand
    case '$size':
      return Array.isArray(value) && value.length === operand
    case '$all':
      return Array.isArray(value) && list.every((one) => value.includes(one))
    case '$not':
      return !meets(operand, value)
    default:
      // A missing number orders as zero.
      return compare[operator]?.((value ?? 0) as number, operand as number) ?? false
  }
}

const meets = (test: JsonValue, value: unknown): boolean =>
  typeof test === 'object' && test !== null
    ? Object.entries(test).every(([operator, operand]) => holds(operator, operand as JsonValue, value))
    : holds('$eq', test, value)

export function met(condition: Condition, user: User | undefined): boolean {
  return Object.entries(condition).every(([name, test]) => {
    const conditions = test as unknown as readonly Condition[]
    switch (name) {
      case '$and':
        return conditions.every((one) => met(one, user))
      case '$or':
        return conditions.length === 0 || conditions.some((one) => met(one, user))
      case '$nor':
        return !conditions.some((one) => met(one, user))
      case '$not':
        return !met(test as Condition, user)
      default:
        return meets(test, read(user, name))
    }
  })
}
