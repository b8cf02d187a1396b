import type { Issue } from '@pipit/shared/base'
import { pathText } from '../wording.ts'
import {
  holdsSchemas,
  isObject,
  isSchemaKeyword,
  type JsonSchema,
  keywordFault,
  patternFault,
  schemaFault,
  schemaNamed,
  schemasIn,
} from './keywords.ts'

export const schemaLimits = {
  /** Characters of the schema as JSON. */
  characters: 65_536,
  /** Keywords and values of it, with what `$ref` points to counted at each place. */
  parts: 4000,
} as const

/** A path as in `pathText`. */
type Path = readonly (string | number)[]

/**
 * Every fault of a payload schema with its path. What has none can be validated against in bounded time: no schema leads back to
 * itself, nothing lies outside, patterns cannot hang, and unknown keywords do not pass for rules that hold.
 */
export function checkSchema(schema: unknown, path: Path): readonly Issue[] {
  const fault = isObject(schema)
    ? undefined
    : 'must be a JSON Schema: an object with keywords such as type and properties'
  if (fault !== undefined) return [{ path: pathText(path), message: fault }]
  const { length } = JSON.stringify(schema)
  if (length > schemaLimits.characters) {
    return [{ path: pathText(path), message: `has ${length} characters; at most ${schemaLimits.characters} are taken` }]
  }
  const issues = [...faultsOf(schema, path)]
  if (issues.length > 0) return issues
  const root = schema as JsonSchema
  const references = referenceFaults(root, root, path)
  if (references.length > 0) return references
  const parts = weigh(root, path)
  if (typeof parts !== 'number') return [parts]
  if (parts <= schemaLimits.parts) return []
  const message = `has ${parts} parts with every $ref written out; at most ${schemaLimits.parts} are taken, so say less`
  return [{ path: pathText(path), message }]
}

function* faultsOf(schema: unknown, path: Path): Generator<Issue> {
  const fault = schemaFault(schema)
  if (fault !== undefined) yield { path: pathText(path), message: fault }
  if (!isObject(schema)) return
  for (const [keyword, value] of Object.entries(schema)) {
    const at = [...path, keyword]
    const message = keywordFault(keyword, value)
    if (message !== undefined) {
      yield { path: pathText(at), message }
      continue
    }
    for (const { path: rest, schema: inner } of schemasIn(keyword, value)) {
      if (!isText(rest[0])) {
        yield { path: pathText(at), message: 'has a name that is no Unicode text' }
        continue
      }
      const wrong = keyword === 'patternProperties' ? patternFault(rest[0]) : undefined
      if (wrong === undefined) yield* faultsOf(inner, [...at, ...rest])
      else yield { path: pathText([...at, ...rest]), message: wrong }
    }
  }
}

/** Half a character (a lone surrogate) cannot be part of a pointer. */
function isText(part: string | number | undefined): boolean {
  try {
    encodeURIComponent(part ?? '')
    return true
  } catch {
    return false
  }
}

function referenceFaults(root: JsonSchema, schema: unknown, path: Path): Issue[] {
  if (!isObject(schema)) return []
  const { $ref } = schema
  const own =
    typeof $ref !== 'string' || target(root, $ref) !== undefined
      ? []
      : [{ path: pathText([...path, '$ref']), message: `there is no schema at ${$ref}` }]
  const inner = Object.entries(schema).flatMap(([keyword, value]) =>
    schemasIn(keyword, value).flatMap(({ path: rest, schema: deeper }) =>
      referenceFaults(root, deeper, [...path, keyword, ...rest]),
    ),
  )
  return [...own, ...inner]
}

/** The schema that `#/…` points to, or undefined where there is none: a JSON pointer (RFC 6901) in a fragment. */
export function target(root: JsonSchema, reference: string): unknown {
  let tokens: string[]
  try {
    tokens = decodeURIComponent(reference.slice(1)).split('/').slice(1)
  } catch {
    return undefined
  }
  let schema: unknown = root
  const names = tokens.map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
  while (names.length > 0) {
    if (!isObject(schema)) return undefined
    const keyword = names.shift() ?? ''
    const value = schema[keyword]
    schema = isSchemaKeyword(keyword) ? value : schemaNamed(keyword, value, names.shift())
  }
  return schema
}

/** How much there is to check with every `$ref` written out, or the `$ref` that leads back to where it stands. */
function weigh(root: JsonSchema, path: Path): number | Issue {
  const known = new Map<object, number>()
  const open = new Set<object>()
  let circle: Issue | undefined

  function weightOf(schema: unknown, at: Path): number {
    if (!isObject(schema)) return 1
    const before = known.get(schema)
    if (before !== undefined) return before
    open.add(schema)
    let weight = 1
    for (const [keyword, value] of Object.entries(schema)) weight += weightIn(keyword, value, [...at, keyword])
    open.delete(schema)
    known.set(schema, weight)
    return weight
  }

  function weightIn(keyword: string, value: unknown, at: Path): number {
    // Definitions weigh where they are used; only a circle among them has to be found.
    const inner = schemasIn(keyword, value).map(({ path: rest, schema }) => weightOf(schema, [...at, ...rest]))
    if (keyword === '$defs') return 0
    if (holdsSchemas(keyword)) return inner.reduce((sum, weight) => sum + weight, 1)
    if (keyword !== '$ref') return countValues(value)
    const referred = target(root, String(value))
    if (!isObject(referred)) return 1
    if (!open.has(referred)) return weightOf(referred, at)
    circle ??= {
      path: pathText(at),
      message: `leads back to itself by ${String(value)}; write out as many levels as payloads have`,
    }
    return 1
  }

  const weight = weightOf(root, path)
  return circle ?? weight
}

/** The parts of a schema without faults, as `schemaLimits` bounds them. */
export function partsOf(root: JsonSchema): number {
  const parts = weigh(root, [])
  return typeof parts === 'number' ? parts : Number.POSITIVE_INFINITY
}

/** A value and all values in it. */
export function countValues(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1
  return Object.values(value).reduce<number>((sum, item) => sum + countValues(item), 1)
}

/** The keyword's values all over the schema, once for each place where a `$ref` brings them in. For schemas without faults. */
export function everywhere<T>(
  root: JsonSchema,
  wanted: (keyword: string, value: unknown) => readonly T[],
): readonly T[] {
  const found: T[] = []
  function look(schema: unknown): void {
    if (!isObject(schema)) return
    for (const [keyword, value] of Object.entries(schema)) {
      found.push(...wanted(keyword, value))
      if (keyword === '$ref') look(target(root, String(value)))
      else if (keyword !== '$defs') for (const { schema: inner } of schemasIn(keyword, value)) look(inner)
    }
  }
  look(root)
  return found
}
