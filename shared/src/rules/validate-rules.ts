import type { Issue } from '../base/index.ts'
import { ruleFields, ruleMatchers, userAgentFields } from './model.ts'
import { nearest } from './nearest.ts'
import { cohortsInCondition, validateCondition, validateNamed, validateValueTest } from './validate-condition.ts'
import { validateTimeWindow } from './validate-time-window.ts'

/** What rules may refer to. `cohorts` undefined: not known here, so not checked. */
export interface RuleScope {
  readonly variants: readonly string[]
  readonly cohorts: readonly string[] | undefined
}

type Fields = { readonly [key: string]: unknown }

const isRecord = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Values that one rule may list; a longer list is a cohort's business. */
const valuesLimit = 1000

const isName = (value: unknown): value is string => typeof value === 'string' && value.length > 0 && value.length <= 128

/** Every fault of a list of rules, with its path. */
export function validateRules(rules: unknown, scope: RuleScope, path: string): Issue[] {
  if (!Array.isArray(rules)) return [{ path, message: 'must be a list of rules' }]
  const issues: Issue[] = []
  const names = new Set<string>()
  rules.forEach((rule: unknown, i) => {
    const at = `${path}[${i}]`
    if (!isRecord(rule)) {
      issues.push({
        path: at,
        message: 'must be an object such as { "name": "qa", "header": "X-Canary", "serve": "canary" }',
      })
      return
    }
    issues.push(...ruleIssues(rule, scope, at))
    if (typeof rule.name === 'string' && names.has(rule.name)) {
      issues.push({
        path: `${at}.name`,
        message: `"${rule.name}" is the name of an earlier rule; names are unique within a rollout`,
      })
    }
    if (typeof rule.name === 'string') names.add(rule.name)
  })
  return issues
}

function ruleIssues(rule: Fields, scope: RuleScope, path: string): Issue[] {
  const issues: Issue[] = []
  for (const field of Object.keys(rule)) {
    if (ruleFields.includes(field)) continue
    const meant = nearest(field, ruleFields)
    issues.push({
      path: `${path}.${field}`,
      message: `is not known${meant === undefined ? '' : `; did you mean ${meant}?`}`,
    })
  }
  if (!isName(rule.name)) issues.push({ path: `${path}.name`, message: 'must be a text of 1 to 128 characters' })
  if (ruleMatchers.every((matcher) => rule[matcher] === undefined)) {
    issues.push({ path, message: `must have at least one of ${ruleMatchers.join(', ')}` })
  }
  issues.push(...requestIssues(rule, path))
  if (rule.cohort !== undefined) issues.push(...cohortIssues(rule.cohort, scope, `${path}.cohort`))
  if (rule.when !== undefined) issues.push(...whenIssues(rule.when, scope, `${path}.when`))
  if (rule.time !== undefined) issues.push(...validateTimeWindow(rule.time, `${path}.time`))
  if (rule.userAgent !== undefined) issues.push(...validateNamed(rule.userAgent, `${path}.userAgent`, userAgentFields))
  issues.push(...serveIssues(rule.serve, scope, `${path}.serve`))
  return issues
}

/** Faults of what a rule asks of a header or a cookie. */
function requestIssues(rule: Fields, path: string): Issue[] {
  const issues: Issue[] = []
  if (rule.header !== undefined && rule.cookie !== undefined) {
    issues.push({ path, message: 'has both header and cookie, and values belong to one; make it two rules' })
  }
  if (rule.header === undefined && rule.cookie === undefined) {
    for (const field of ['values', 'condition'] as const) {
      if (rule[field] === undefined) continue
      issues.push({ path: `${path}.${field}`, message: 'goes with header or cookie, and the rule has neither' })
    }
    return issues
  }
  for (const matcher of ['header', 'cookie'] as const) {
    const name = rule[matcher]
    // RFC 9110, section 5.6.2: names of headers and cookies are tokens; another name could never be met.
    if (name === undefined || (isName(name) && /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name))) continue
    issues.push({ path: `${path}.${matcher}`, message: `must be the name of a ${matcher}: letters, digits and -_.` })
  }
  if (rule.values !== undefined && rule.condition !== undefined) {
    issues.push({ path, message: 'has both values and condition; keep one' })
  }
  if (rule.values !== undefined && !areValues(rule.values)) {
    issues.push({ path: `${path}.values`, message: `must be a list of 1 to ${valuesLimit} texts` })
  }
  if (rule.condition !== undefined) issues.push(...validateValueTest(rule.condition, `${path}.condition`))
  return issues
}

const areValues = (values: unknown): boolean =>
  Array.isArray(values) &&
  values.length > 0 &&
  values.length <= valuesLimit &&
  values.every((value) => typeof value === 'string')

function whenIssues(when: unknown, scope: RuleScope, path: string): Issue[] {
  const issues = validateCondition(when, path)
  return issues.length > 0 ? issues : cohortsInCondition(when).flatMap((cohort) => cohortIssues(cohort, scope, path))
}

function cohortIssues(cohort: unknown, scope: RuleScope, path: string): Issue[] {
  if (!isName(cohort)) return [{ path, message: 'must be the key of a cohort' }]
  if (scope.cohorts === undefined || scope.cohorts.includes(cohort)) return []
  const meant = nearest(cohort, scope.cohorts)
  return [
    {
      path,
      message: `there is no cohort "${cohort}"${meant === undefined ? '; create it first' : `; did you mean "${meant}"?`}`,
    },
  ]
}

function serveIssues(serve: unknown, scope: RuleScope, path: string): Issue[] {
  const known = (variant: string): boolean => scope.variants.includes(variant)
  const wrong = (variant: string, at: string): Issue => ({
    path: at,
    message: `"${variant}" is no variant of this rollout; it has ${scope.variants.join(', ')}`,
  })
  if (typeof serve === 'string') return known(serve) ? [] : [wrong(serve, path)]
  if (!isRecord(serve) || Object.keys(serve).length === 0) {
    return [{ path, message: 'must be a variant, or a split in percent such as { "canary": 10, "stable": 90 }' }]
  }
  const issues = Object.keys(serve)
    .filter((variant) => !known(variant))
    .map((variant) => wrong(variant, `${path}.${variant}`))
  let thousandths = 0
  for (const [variant, share] of Object.entries(serve)) {
    const steps = typeof share === 'number' ? share * 1000 : Number.NaN
    if (!(steps >= 0 && steps <= 100_000) || Math.abs(steps - Math.round(steps)) > 1e-6) {
      issues.push({ path: `${path}.${variant}`, message: 'must be a share from 0 to 100 in steps of 0.001' })
    } else thousandths += Math.round(steps)
  }
  if (issues.length === 0 && thousandths !== 100_000) {
    issues.push({ path, message: `the shares add up to ${thousandths / 1000}, not to 100` })
  }
  return issues
}
