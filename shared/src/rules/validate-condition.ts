import type { Issue } from '../base/index.ts'
import { fieldOperators, isOperators } from './condition.ts'
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

/** The same for operators (or a plain value) applied to one value, such as a header's. */
export function validateValueTest(value: unknown, path: string): Issue[] {
  const walk: Walk = { issues: [], nodes: 0 }
  checkField(value, path, 0, walk)
  return walk.issues
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
  if (key === '') return add(walk, path, 'names no attribute')
  checkField(expected, path, depth + 1, walk)
}

function checkField(expected: unknown, path: string, depth: number, walk: Walk): void {
  if (!enter(path, depth, walk)) return
  if (expected === undefined || (typeof expected === 'number' && !Number.isFinite(expected)))
    return add(walk, path, 'must be a JSON value')
  if (!isRecord(expected)) return
  const operators = Object.keys(expected).filter((key) => key.startsWith('$'))
  if (operators.length === 0) return
  if (!isOperators(expected)) return add(walk, path, 'mixes operators with plain fields; put the operators alone')
  for (const name of operators) checkOperator(name, expected[name], `${path}.${name}`, depth + 1, walk)
}

const types = ['string', 'number', 'boolean', 'array', 'object', 'null']
const isScalar = (value: unknown): boolean =>
  typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value))

function checkOperator(name: string, operand: unknown, path: string, depth: number, walk: Walk): void {
  if (!fieldOperators.includes(name)) {
    const meant = nearest(name, fieldOperators)
    return add(walk, path, `${name} is no operator${meant === undefined ? '' : `; did you mean ${meant}?`}`)
  }
  switch (name) {
    case '$not':
    case '$size':
      return checkField(operand, path, depth, walk)
    case '$elemMatch':
      return isOperators(operand) ? checkField(operand, path, depth, walk) : checkGroup(operand, path, depth, walk)
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

const isList = (operand: unknown): string | undefined => {
  if (!Array.isArray(operand)) return 'must be a list'
  return operand.length > conditionLimits.listItems
    ? `has more than ${conditionLimits.listItems} items; use a cohort with members`
    : undefined
}
const isPattern =
  (insensitive: boolean) =>
  (operand: unknown): string | undefined =>
    typeof operand === 'string' ? regexFault(operand, insensitive) : 'must be a text'
const isCohort = (operand: unknown): string | undefined =>
  typeof operand === 'string' && operand !== '' ? undefined : 'must be the key of a cohort'
const isVersion = (operand: unknown): string | undefined =>
  typeof operand === 'string' && /^v?\d/.test(operand) ? undefined : 'must be a version such as "2.1.0"'
const isOrdered = (operand: unknown): string | undefined =>
  isScalar(operand) ? undefined : 'must be a number or a text'

/** What an operator asks of its operand. */
const operandChecks: { readonly [name: string]: (operand: unknown) => string | undefined } = {
  ...Object.fromEntries(['$in', '$nin', '$ini', '$nini'].map((name) => [name, isList])),
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
  return operandChecks[name]?.(operand) ?? (operand === undefined ? 'must be a JSON value' : undefined)
}

/** Keys of the cohorts that a condition refers to. */
export function cohortsInCondition(value: unknown): readonly string[] {
  const found = new Set<string>()
  const visit = (node: unknown, depth: number): void => {
    if (typeof node !== 'object' || node === null || depth > 2 * conditionLimits.depth) return
    for (const [key, inner] of Object.entries(node)) {
      if ((key === '$inGroup' || key === '$notInGroup') && typeof inner === 'string') found.add(inner)
      else visit(inner, depth + 1)
    }
  }
  visit(value, 0)
  return [...found]
}
