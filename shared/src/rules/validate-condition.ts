import type { Issue } from '../base/index.ts'
import { cidrFault } from './cidr.ts'
import { fieldOperators, groupOperators, isOperators } from './condition.ts'
import { parseIsoDate } from './date.ts'
import { nearest } from './nearest.ts'
import { regexFault } from './regex-safety.ts'

/** Bounds of a condition. */
export const conditionLimits = { depth: 16, nodes: 2000, listItems: 10_000 } as const

interface Walk {
  readonly issues: Issue[]
  nodes: number
}

/** Every fault of a condition, with its path from `path`; empty when it compiles and means something. */
export function validateCondition(value: unknown, path: string): Issue[] {
  const walk: Walk = { issues: [], nodes: 0 }
  checkGroup(value, path, 0, walk)
  return walk.issues
}

/** The same for operators applied to one value outside the user, such as a header's: cohorts mean nothing there. */
export function validateValueTest(value: unknown, path: string): Issue[] {
  if (!isOperators(value)) return [{ path, message: 'must be an object of operators such as { "$regex": "^v2" }' }]
  const walk: Walk = { issues: [], nodes: 0 }
  checkField(value, path, 0, walk)
  if (walk.issues.length === 0 && cohortsInCondition(value).length > 0) {
    add(walk, path, 'asks for a cohort, which holds users; write a rule with cohort instead')
  }
  return walk.issues
}

/** A condition on something with these attributes alone, and without cohorts. */
export function validateNamed(value: unknown, path: string, names: readonly string[]): Issue[] {
  const issues = validateCondition(value, path)
  if (issues.length > 0) return issues
  if (cohortsInCondition(value).length > 0) {
    return [{ path, message: 'asks for a cohort, which holds users; give the rule a cohort instead' }]
  }
  const check = (group: object, at: string): void => {
    for (const [key, inner] of Object.entries(group)) {
      const here = `${at}.${key}`
      if (key === '$not') check(inner, here)
      else if (groupOperators.includes(key)) {
        for (const [i, item] of (inner as readonly object[]).entries()) check(item, `${here}[${i}]`)
      } else if (!names.includes(key)) {
        const meant = nearest(key, names)
        const advice = meant === undefined ? `there are ${names.join(', ')}` : `did you mean ${meant}?`
        issues.push({ path: here, message: `is not known; ${advice}` })
      }
    }
  }
  check(value as object, path)
  return issues
}

const isRecord = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function add(walk: Walk, path: string, message: string): void {
  if (walk.issues.length < 100) walk.issues.push({ path, message })
}

/** False when the walk has to stop here. */
function enter(path: string, depth: number, walk: Walk): boolean {
  if (depth > conditionLimits.depth) {
    add(walk, path, `is nested deeper than ${conditionLimits.depth} levels; flatten it or name parts as cohorts`)
    return false
  }
  if (++walk.nodes === conditionLimits.nodes + 1) {
    add(walk, path, `has more than ${conditionLimits.nodes} parts; use a cohort with a list of members instead`)
  }
  return walk.nodes <= conditionLimits.nodes
}

function checkGroup(value: unknown, path: string, depth: number, walk: Walk): void {
  if (!enter(path, depth, walk)) return
  if (!isRecord(value)) return add(walk, path, 'must be an object such as { "plan": "beta" }')
  for (const [key, expected] of Object.entries(value)) checkEntry(key, expected, `${path}.${key}`, depth, walk)
}

function checkEntry(key: string, expected: unknown, path: string, depth: number, walk: Walk): void {
  if (key === '$not') return checkGroup(expected, path, depth + 1, walk)
  if (key === '$and' || key === '$or' || key === '$nor') {
    if (!Array.isArray(expected) || expected.length === 0)
      return add(walk, path, 'must be a list of at least one condition')
    expected.forEach((item, i) => {
      checkGroup(item, `${path}[${i}]`, depth + 1, walk)
    })
    return
  }
  if (key.startsWith('$') && fieldOperators.includes(key)) {
    return add(walk, path, `${key} tests an attribute: write { "attribute": { "${key}": … } }`)
  }
  if (key.startsWith('$') && !isOperators(expected)) {
    const meant = nearest(key, [...groupOperators, ...fieldOperators])
    return add(walk, path, `${key} is no operator${meant === undefined ? '' : `; did you mean ${meant}?`}`)
  }
  if (key.split('.').includes(''))
    return add(walk, path, 'names no attribute; write names with single dots between them')
  checkField(expected, path, depth + 1, walk)
}

function checkField(expected: unknown, path: string, depth: number, walk: Walk): void {
  if (!isOperators(expected)) return checkPlain(expected, path, depth, walk)
  if (!enter(path, depth, walk)) return
  for (const [name, operand] of Object.entries(expected))
    checkOperator(name, operand, `${path}.${name}`, depth + 1, walk)
}

/** A value to be equal to. */
function checkPlain(expected: unknown, path: string, depth: number, walk: Walk): void {
  if (!enter(path, depth, walk)) return
  if (!isJson(expected)) return add(walk, path, 'must be a JSON value')
  if (Array.isArray(expected)) {
    expected.forEach((item, i) => {
      checkPlain(item, `${path}[${i}]`, depth + 1, walk)
    })
  } else if (isRecord(expected)) {
    for (const [key, inner] of Object.entries(expected)) {
      if (key.startsWith('$')) return add(walk, path, 'mixes operators with plain fields; put the operators alone')
      if (isOperators(inner)) {
        return add(
          walk,
          `${path}.${key}`,
          'has operators inside a plain value; write a dotted path: { "a.b": { "$gt": 1 } }',
        )
      }
      checkPlain(inner, `${path}.${key}`, depth + 1, walk)
    }
  }
}

const isJson = (value: unknown): boolean =>
  value === null || ['string', 'boolean', 'object'].includes(typeof value) || Number.isFinite(value)

const types = ['string', 'number', 'boolean', 'array', 'object', 'null']
const isScalar = (value: unknown): boolean =>
  typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value))

function checkOperator(name: string, operand: unknown, path: string, depth: number, walk: Walk): void {
  if (!fieldOperators.includes(name)) {
    const meant = nearest(name, fieldOperators)
    return add(walk, path, `${name} is no operator${meant === undefined ? '' : `; did you mean ${meant}?`}`)
  }
  switch (name) {
    case '$eq':
    case '$ne':
      return checkPlain(operand, path, depth, walk)
    case '$not':
      return checkField(operand, path, depth, walk)
    case '$size':
      if (isOperators(operand) || (Number.isSafeInteger(operand) && Number(operand) >= 0))
        return checkField(operand, path, depth, walk)
      return add(walk, path, 'must be a whole number, or operators on one such as { "$gt": 2 }')
    case '$in':
    case '$nin':
    case '$ini':
    case '$nini':
      return checkList(operand, path, depth, walk)
    case '$elemMatch':
      return isOperators(operand) ? checkField(operand, path, depth, walk) : checkGroup(operand, path, depth, walk)
    case '$inCidr':
    case '$notInCidr':
      return checkCidrs(operand, path, walk)
    case '$all':
    case '$alli':
      return checkAll(operand, path, depth, walk)
    default: {
      const fault = operandFault(name, operand)
      if (fault !== undefined) add(walk, path, fault)
    }
  }
}

function checkAll(operand: unknown, path: string, depth: number, walk: Walk): void {
  if (!Array.isArray(operand)) return add(walk, path, 'must be a list')
  operand.forEach((item, i) => {
    checkField(item, `${path}[${i}]`, depth, walk)
  })
}

function checkCidrs(operand: unknown, path: string, walk: Walk): void {
  const check = (range: unknown, at: string): void => {
    const fault = cidrFault(range)
    if (fault !== undefined) add(walk, at, fault)
  }
  if (!Array.isArray(operand)) return check(operand, path)
  if (operand.length === 0) return add(walk, path, 'must hold at least one range of addresses')
  if (operand.length > conditionLimits.listItems) return addLength(operand, path, 'merge ranges', walk)
  operand.forEach((range, i) => {
    check(range, `${path}[${i}]`)
  })
}

function addLength(items: readonly unknown[], path: string, advice: string, walk: Walk): void {
  add(walk, path, `has ${items.length} items, more than ${conditionLimits.listItems}; ${advice}`)
}

function checkList(operand: unknown, path: string, depth: number, walk: Walk): void {
  if (!Array.isArray(operand)) return add(walk, path, 'must be a list')
  if (operand.length > conditionLimits.listItems) return addLength(operand, path, 'use a cohort with members', walk)
  operand.forEach((item, i) => {
    // Texts and numbers, of which a list may have thousands, are not parts of their own.
    if (!isScalar(item)) checkPlain(item, `${path}[${i}]`, depth, walk)
  })
}

const isPattern =
  (insensitive: boolean) =>
  (operand: unknown): string | undefined =>
    typeof operand === 'string' ? regexFault(operand, insensitive) : 'must be a text'
const isCohort = (operand: unknown): string | undefined =>
  typeof operand === 'string' && operand !== '' ? undefined : 'must be the key of a cohort'
const version = /^v?\d+(?:[.-]\d+)*(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/
const isVersion = (operand: unknown): string | undefined =>
  typeof operand === 'string' && operand.length <= 128 && version.test(operand)
    ? undefined
    : 'must be a version such as "2.1.0", "2.1" or "2.1.0-rc.1"'
function isOrdered(operand: unknown): string | undefined {
  if (!isScalar(operand)) return 'must be a number, a text or a date'
  const looksLikeDate = typeof operand === 'string' && /^\d{4}-\d\d-\d\d(?:[T ].*)?$/i.test(operand)
  return looksLikeDate && parseIsoDate(operand) === undefined
    ? 'is no date that exists; write such as "2026-03-01" or "2026-03-01T09:30:00+01:00"'
    : undefined
}

/** What an operator asks of its operand. */
const operandChecks: { readonly [name: string]: (operand: unknown) => string | undefined } = {
  ...Object.fromEntries(['$gt', '$gte', '$lt', '$lte'].map((name) => [name, isOrdered])),
  ...Object.fromEntries(['$veq', '$vne', '$vgt', '$vgte', '$vlt', '$vlte'].map((name) => [name, isVersion])),
  $exists: (operand) => (typeof operand === 'boolean' ? undefined : 'must be true or false'),
  $type: (operand) => (types.includes(operand as string) ? undefined : `must be one of ${types.join(', ')}`),
  $regex: isPattern(false),
  $regexi: isPattern(true),
  $inGroup: isCohort,
  $notInGroup: isCohort,
}

function operandFault(name: string, operand: unknown): string | undefined {
  return operandChecks[name]?.(operand)
}

/** Keys of the cohorts that a condition refers to. */
export function cohortsInCondition(value: unknown): readonly string[] {
  const found = new Set<string>()
  const visit = (node: unknown, depth: number): void => {
    if (typeof node !== 'object' || node === null || depth > 4 * conditionLimits.depth) return
    for (const [key, inner] of Object.entries(node)) {
      if ((key === '$inGroup' || key === '$notInGroup') && typeof inner === 'string') found.add(inner)
      else visit(inner, depth + 1)
    }
  }
  visit(value, 0)
  return [...found]
}
