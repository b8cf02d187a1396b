import type { Issue } from '@pipit/shared/base'
import { nearest } from '@pipit/shared/rules'
import { z } from 'zod'

/** Nothing that people write is nested deeper; what is would exhaust the stack of a recursive schema. */
const maxDepth = 64

/** `value` by `schema`, or every fault with its path and what to do about it. Never throws, whatever the value. */
export function parseBy<S extends z.ZodType>(
  schema: S,
  value: unknown,
): { readonly ok: true; readonly data: z.output<S> } | { readonly ok: false; readonly issues: readonly Issue[] } {
  if (isTooDeep(value))
    return { ok: false, issues: [{ path: '', message: `is nested deeper than ${maxDepth} levels` }] }
  const parsed = schema.safeParse(value, { error: wording })
  return parsed.success ? { ok: true, data: parsed.data } : { ok: false, issues: issuesOf(parsed.error, schema) }
}

/** `stages.2.weight` of a library as people write it: `stages[2].weight`. */
export function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, part) =>
      typeof part === 'number' ? `${text}[${part}]` : text === '' ? String(part) : `${text}.${String(part)}`,
    '',
  )
}

/** Faults of a schema as issues; an unknown field is told with the known one of its object that is nearest. */
export function issuesOf(error: z.ZodError, schema: z.ZodType): readonly Issue[] {
  return error.issues.flatMap((issue) => {
    const path = pathText(issue.path)
    if (issue.code !== 'unrecognized_keys') return [{ path, message: issue.message }]
    const known = fieldsAt(schema, issue.path)
    return issue.keys.map((field) => {
      const meant = nearest(field, known)
      const instead = meant === undefined ? `; there are ${known.join(', ')}` : `; did you mean ${meant}?`
      return { path: path === '' ? field : `${path}.${field}`, message: `is not known here${instead}` }
    })
  })
}

function isTooDeep(value: unknown): boolean {
  let level: unknown[] = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > maxDepth) return true
    level = level.flatMap((item) => (typeof item === 'object' && item !== null ? Object.values(item) : []))
  }
  return false
}

function fieldsAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at = unwrapped(schema)
  for (const part of path) {
    at = at.flatMap((each) => {
      if (each instanceof z.ZodArray) return unwrapped(each.element)
      return each instanceof z.ZodObject ? unwrapped(each.shape[String(part)]) : []
    })
  }
  return [...new Set(at.flatMap((each) => (each instanceof z.ZodObject ? Object.keys(each.shape) : [])))]
}

/** What a schema is, or may be. */
function unwrapped(schema: unknown): readonly unknown[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) return unwrapped(schema.unwrap())
  return schema instanceof z.ZodUnion ? schema.options.flatMap(unwrapped) : [schema]
}

/** Messages for people, where a schema has none of its own. */
function wording(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined
        ? `is missing; it must be ${article(issue.expected)}`
        : `must be ${article(issue.expected)}`
    case 'invalid_value':
      return `must be ${issue.values.map((value) => JSON.stringify(value)).join(' or ')}`
    case 'too_small':
      return `must ${amount(issue.origin, issue.inclusive === false ? 'more than' : 'at least', Number(issue.minimum))}`
    case 'too_big':
      return `must ${amount(issue.origin, issue.inclusive === false ? 'less than' : 'at most', Number(issue.maximum))}`
    default:
      return undefined
  }
}

function amount(origin: string, bound: string, limit: number): string {
  if (origin === 'string') return `have ${bound} ${limit} ${limit === 1 ? 'character' : 'characters'}`
  if (origin === 'array') return `have ${bound} ${limit} ${limit === 1 ? 'entry' : 'entries'}`
  return `be ${bound} ${limit}`
}

function article(type: string): string {
  if (type === 'array') return 'a list'
  if (type === 'int') return 'a whole number'
  if (type === 'record') return 'an object'
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`
}
