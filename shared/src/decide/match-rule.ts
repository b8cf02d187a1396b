import { type Attributes, type CohortIndex, compileCondition, compileValueTest, type Rule } from '../rules/index.ts'
import type { DecideContext, HeadersLike } from './decision.ts'

/** Whether a rule applies to a user in a context. */
export type RuleMatch = (
  attributes: Attributes,
  unit: string | undefined,
  context: DecideContext | undefined,
) => boolean

type HeaderValue = string | readonly string[] | undefined | null

/** Reads a header by its lower-case name, however the caller spelled it. */
function readHeader(headers: HeadersLike, lowerName: string): HeaderValue {
  const get: unknown = Reflect.get(headers, 'get')
  if (typeof get === 'function') return (headers as { get(name: string): string | null }).get(lowerName)
  const record = headers as { readonly [name: string]: string | readonly string[] | undefined }
  if (Object.hasOwn(record, lowerName)) return record[lowerName]
  for (const name of Object.keys(record)) if (name.toLowerCase() === lowerName) return record[name]
  return undefined
}

function valueTest(rule: {
  readonly values?: readonly string[]
  readonly condition?: object
}): ((value: string) => boolean) | undefined {
  if (rule.values !== undefined) {
    const values = new Set(rule.values)
    return (value) => values.has(value)
  }
  if (rule.condition === undefined) return () => true
  return compileValueTest(rule.condition as never, { inCohort: () => false })
}

/** Compiles the matcher of a rule; `undefined` where it uses an operator this version does not know. */
export function compileMatch(rule: Rule, cohorts: CohortIndex): RuleMatch | undefined {
  if ('cohort' in rule) {
    const { cohort } = rule
    return (attributes, unit) => cohorts.has(cohort, unit, attributes)
  }
  if ('when' in rule) {
    const predicate = compileCondition(rule.when, cohorts)
    return predicate && ((attributes) => predicate(attributes))
  }
  const test = valueTest(rule)
  if (test === undefined) return undefined
  if ('header' in rule) {
    const name = rule.header.toLowerCase()
    return (_attributes, _unit, context) => {
      if (context?.headers === undefined || context.headers === null) return false
      const value = readHeader(context.headers, name)
      if (typeof value === 'string') return test(value)
      return Array.isArray(value) && value.some((item) => typeof item === 'string' && test(item))
    }
  }
  const name = rule.cookie
  return (_attributes, _unit, context) => {
    const cookies = context?.cookies
    if (cookies === undefined || cookies === null || !Object.hasOwn(cookies, name)) return false
    const value = cookies[name]
    return typeof value === 'string' && test(value)
  }
}
