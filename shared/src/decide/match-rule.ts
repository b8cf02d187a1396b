import {
  type Attributes,
  type Condition,
  type ConditionScope,
  compileCondition,
  compileTimeWindow,
  compileValueTest,
  isMember,
  type Rule,
  ruleFields,
  type TimeWindow,
} from '../rules/index.ts'
import type { DecideContext, HeadersLike } from './decision.ts'
import type { DecideEnvironment } from './environment.ts'

/** Whether a rule applies to a user in a context. */
export type RuleMatch = (
  attributes: Attributes,
  unit: string | undefined,
  context: DecideContext | undefined,
  environment: DecideEnvironment | undefined,
) => boolean

type ValueTest = (value: unknown) => boolean

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

/** Reads a header by its lower-case name, however the caller spelled it. */
export function readHeader(headers: HeadersLike | undefined, lowerName: string): unknown {
  if (!isObject(headers)) return undefined
  const get: unknown = Reflect.get(headers, 'get')
  if (typeof get === 'function') return (headers as { get(name: string): string | null }).get(lowerName)
  const record = headers as { readonly [name: string]: unknown }
  if (Object.hasOwn(record, lowerName)) return record[lowerName]
  for (const name in record) {
    if (name.length === lowerName.length && name.toLowerCase() === lowerName && Object.hasOwn(record, name))
      return record[name]
  }
  return undefined
}

function valueTest(rule: Rule): ValueTest | undefined {
  if (rule.values !== undefined) {
    const values = new Set<unknown>(rule.values)
    return (value) => values.has(value)
  }
  if (rule.condition === undefined) return () => true
  return compileValueTest(rule.condition)
}

function matchHeader(name: string, test: ValueTest): RuleMatch {
  return (_attributes, _unit, context) => {
    const value = readHeader(context?.headers, name)
    if (typeof value === 'string') return test(value)
    if (!Array.isArray(value)) return false
    for (const item of value) if (typeof item === 'string' && test(item)) return true
    return false
  }
}

export function readCookie(cookies: DecideContext['cookies'], name: string): unknown {
  return isObject(cookies) && Object.hasOwn(cookies, name) ? cookies[name] : undefined
}

function matchCookie(name: string, test: ValueTest): RuleMatch {
  return (_attributes, _unit, context) => {
    const value = readCookie(context?.cookies, name)
    return typeof value === 'string' && test(value)
  }
}

/** Headers and cookies that throw when they are read do not match, nor does a clock. */
const guarded =
  (match: RuleMatch): RuleMatch =>
  (attributes, unit, context, environment) => {
    try {
      return match(attributes, unit, context, environment)
    } catch {
      return false
    }
  }

function matchCohort(key: string, scope: ConditionScope): RuleMatch {
  const cohort = scope.cohort(key)
  return cohort === undefined ? () => false : (attributes, unit) => isMember(cohort, unit, attributes)
}

/** Rules on what is not a user: there are no cohorts of it. */
const noCohorts: ConditionScope = { cohort: () => undefined }

/** The header's text; the first of several. */
export function userAgentText(headers: HeadersLike | undefined): unknown {
  const value = readHeader(headers, 'user-agent')
  return Array.isArray(value) ? value[0] : value
}

/** Where user agents are not read, and without the header, nothing is known of the program and nothing matches. */
function matchUserAgent(condition: Condition): RuleMatch | undefined {
  const test = compileCondition(condition, noCohorts)
  return (
    test &&
    guarded((_attributes, _unit, context, environment) => {
      const read = environment?.userAgent
      if (read === undefined) return false
      const text = userAgentText(context?.headers)
      const agent = typeof text === 'string' ? read(text) : undefined
      return agent !== undefined && test(agent)
    })
  )
}

/** Where the time is not known it is no time of day. */
function matchTime(window: TimeWindow): RuleMatch | undefined {
  const holds = compileTimeWindow(window)
  return (
    holds &&
    guarded((_attributes, _unit, _context, environment) => {
      const now = environment?.now
      return now !== undefined && holds(now())
    })
  )
}

/** The matchers of a rule, the cheapest first; `undefined` in place of one that is not understood. */
function matchesOf(rule: Rule, scope: ConditionScope): readonly (RuleMatch | undefined)[] {
  const matches: (RuleMatch | undefined)[] = []
  const { header, cookie, cohort, when, time, userAgent } = rule
  if (cohort !== undefined) matches.push(matchCohort(cohort, scope))
  if (when !== undefined) matches.push(compileCondition(when, scope))
  if (time !== undefined) matches.push(matchTime(time))
  const test = valueTest(rule)
  if (header !== undefined) matches.push(test && guarded(matchHeader(header.toLowerCase(), test)))
  if (cookie !== undefined) matches.push(test && guarded(matchCookie(cookie, test)))
  if (userAgent !== undefined) matches.push(matchUserAgent(userAgent))
  return matches
}

/** Compiles the matchers of a rule into one; `undefined` where it has none, or asks for something this version does not know. */
export function compileMatch(rule: Rule, scope: ConditionScope): RuleMatch | undefined {
  // What is not known may be what keeps people out.
  if (!Object.keys(rule).every((field) => ruleFields.includes(field))) return undefined
  const matches = matchesOf(rule, scope)
  const [first, second] = matches
  if (first === undefined || !matches.every((match) => match !== undefined)) return undefined
  if (matches.length === 1) return first
  if (matches.length === 2 && second !== undefined) {
    return (attributes, unit, context, environment) =>
      first(attributes, unit, context, environment) && second(attributes, unit, context, environment)
  }
  return (attributes, unit, context, environment) => {
    for (const match of matches) if (!match(attributes, unit, context, environment)) return false
    return true
  }
}
