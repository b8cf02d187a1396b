import type { JsonValue } from '../base/index.ts'
import type { Cohort, Condition, ConditionScope, Rule } from '../rules/index.ts'

/** Of a rule that asks no more than that one attribute be one of a few texts. */
export interface SimpleTexts {
  readonly attribute: string
  readonly texts: readonly string[]
}

/** More texts are looked up faster than they are compared. */
const longestList = 8

const isText = (value: JsonValue): value is string => typeof value === 'string'

/** The texts that an attribute may be: of `"NL"`, `{ "$eq": "NL" }`, `{ "$in": ["NL", "BE"] }`. */
function textsOf(expected: JsonValue | undefined): readonly string[] | undefined {
  if (typeof expected === 'string') return [expected]
  if (typeof expected !== 'object' || expected === null || Array.isArray(expected)) return undefined
  const [[operator, operand] = ['', null], ...others] = Object.entries(expected as Condition)
  if (others.length > 0) return undefined
  if (operator === '$eq' && typeof operand === 'string') return [operand]
  return operator === '$in' && Array.isArray(operand) && operand.every(isText) ? operand : undefined
}

const matchersOf = ({ name, serve, ...matchers }: Rule): Partial<Record<string, JsonValue>> => matchers as never

/** The cohort of a rule that asks for nothing else. */
export function soleCohort(rule: Rule, scope: ConditionScope): Cohort | undefined {
  const { cohort, ...others } = matchersOf(rule)
  return typeof cohort === 'string' && Object.keys(others).length === 0 ? scope.cohort(cohort) : undefined
}

/**
 * What decides a simple rule for almost everybody without a call: a user whose attribute is another text, or none, does not match.
 * Names that every object has are left out, so that reading the attribute finds nothing of the prototype's.
 */
export function simpleTexts(rule: Rule): SimpleTexts | undefined {
  const { when, ...rest } = matchersOf(rule)
  if (when === undefined || Object.keys(rest).length > 0) return undefined
  const [[attribute, expected] = ['', null], ...others] = Object.entries(when as Condition)
  if (others.length > 0 || /[.$]/.test(attribute) || attribute in Object.prototype) return undefined
  const texts = textsOf(expected)
  return texts === undefined || texts.length > longestList ? undefined : { attribute, texts }
}
