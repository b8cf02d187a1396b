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

/** Of a condition that asks no more than that one attribute be one of a few texts. Names that every object has are left out. */
function simpleCondition(condition: Condition): SimpleTexts | undefined {
  const [[attribute, expected] = ['', null], ...others] = Object.entries(condition)
  if (others.length > 0 || /[.$]/.test(attribute) || attribute in Object.prototype) return undefined
  const texts = textsOf(expected)
  return texts === undefined || texts.length > longestList ? undefined : { attribute, texts }
}

/**
 * What decides a simple rule without a call: of a condition, or of a cohort that is one. `undefined` where the rule asks for more, such as
 * listed members.
 */
export function simpleTexts(rule: Rule, scope: ConditionScope): SimpleTexts | undefined {
  const { when, ...rest } = matchersOf(rule)
  if (when !== undefined) return Object.keys(rest).length > 0 ? undefined : simpleCondition(when as Condition)
  const cohort = soleCohort(rule, scope)
  if (cohort === undefined || (cohort.members?.count ?? 0) > 0) return undefined
  const { when: condition } = cohort.source
  return condition === undefined || !cohort.understood ? undefined : simpleCondition(condition)
}
