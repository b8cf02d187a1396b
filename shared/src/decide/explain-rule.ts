import type { JsonValue } from '../base/index.ts'
import { type Comparison, explainCondition, type Rule } from '../rules/index.ts'
import type { CompiledRule } from './compile.ts'
import { type Asked, membership } from './explain-asked.ts'
import { compileMatch, readCookie, readHeader, userAgentText } from './match-rule.ts'

/** What each matcher of a rule compared; all must hold. */
export function explainMatchers(asked: Asked, { name }: CompiledRule): readonly Comparison[] {
  const rule = asked.rollout.source.rules?.find((source) => source.name === name)
  if (rule === undefined) return []
  return [...ofUser(asked, rule), ...ofRequest(asked, rule)]
}

/** Whether a part of the rule holds by itself. */
function holds({ ruleset, attributes, unit, context, environment }: Asked, part: Partial<Rule>): boolean {
  const match = compileMatch({ name: '', serve: 'stable', ...part }, ruleset.cohorts)
  return match?.(attributes, unit, context, environment) === true
}

function ofUser(asked: Asked, { cohort, when }: Rule): readonly Comparison[] {
  const { ruleset, attributes, unit } = asked
  const comparisons: Comparison[] = []
  if (cohort !== undefined) {
    const found = ruleset.cohorts.cohort(cohort)
    const of = found?.source.when === undefined ? [] : explainCondition(found.source.when, ruleset.cohorts, attributes)
    const actual = membership(found, unit, attributes)
    comparisons.push({
      path: 'cohort',
      operator: 'is',
      expected: cohort,
      actual,
      holds: actual !== 'not in it',
      of,
    })
  }
  if (when !== undefined) comparisons.push(...explainCondition(when, ruleset.cohorts, attributes))
  return comparisons
}

function ofRequest(asked: Asked, rule: Rule): readonly Comparison[] {
  const { context, environment } = asked
  const { header, cookie, values, condition, time, userAgent } = rule
  const comparisons: Comparison[] = []
  const add = (path: string, operator: string, expected: unknown, actual: unknown, part: Partial<Rule>): void => {
    comparisons.push({ path, operator, expected: expected as JsonValue | undefined, actual, holds: holds(asked, part) })
  }
  const test = { ...(values && { values }), ...(condition && { condition }) }
  const operator = values !== undefined ? '$in' : condition !== undefined ? 'meets' : '$exists'
  const expected = values ?? condition ?? true
  if (header !== undefined) {
    add(
      `header ${header}`,
      operator,
      expected,
      safely(() => readHeader(context?.headers, header.toLowerCase())),
      { header, ...test },
    )
  }
  if (cookie !== undefined) {
    add(
      `cookie ${cookie}`,
      operator,
      expected,
      safely(() => readCookie(context?.cookies, cookie)),
      { cookie, ...test },
    )
  }
  if (time !== undefined) {
    const now = safely(() => environment.now?.())
    add('time', 'is', time, typeof now === 'number' ? new Date(now).toISOString() : 'not known here', { time })
  }
  if (userAgent !== undefined) {
    const text = safely(() => userAgentText(context?.headers))
    const read = environment.userAgent
    const actual =
      read === undefined ? 'not read here' : typeof text === 'string' ? safely(() => read(text)) : undefined
    add('user agent', 'meets', userAgent, actual, { userAgent })
  }
  return comparisons
}

function safely(read: () => unknown): unknown {
  try {
    return read()
  } catch {
    return undefined
  }
}
