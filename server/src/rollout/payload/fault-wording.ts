import type { OutputUnit } from '@cfworker/json-schema'
import type { Issue, JsonValue } from '@pipit/shared/base'
import { nearest } from '@pipit/shared/rules'
import { pathText } from '../wording.ts'
import { target } from './check-schema.ts'
import { isObject, type JsonSchema, typeNames } from './keywords.ts'

type Path = readonly (string | number)[]

/** A payload, the schema it is held to, and its place. */
export interface Where {
  readonly schema: JsonSchema
  readonly payload: JsonValue
  /** Of the payload in the rollout. */
  readonly path: Path
}

/** Units that say no more than the units of the schemas inside, which come after them. */
const wrappers: ReadonlySet<string> = new Set([
  '$ref',
  'allOf',
  'if',
  'properties',
  'patternProperties',
  'additionalProperties',
  'unevaluatedProperties',
  'items',
  'prefixItems',
  'unevaluatedItems',
  'dependentSchemas',
])
/** Units that say all there is to say: what the schemas inside find wrong would only puzzle. */
const wholes: ReadonlySet<string> = new Set([
  'anyOf',
  'oneOf',
  'not',
  'contains',
  'minContains',
  'maxContains',
  'propertyNames',
])

/**
 * What the validator found as issues, each once; no more than `most`, since words and paths may be as long as the schema and the payload. A
 * unit names a keyword, its place in the schema, and the place in the payload.
 */
export function issuesOfUnits(units: readonly OutputUnit[], where: Where, most: number): readonly Issue[] {
  const closed = [...new Set(units.filter(({ keyword }) => wholes.has(keyword)).map(insideOf))]
  const found = new Map<string, Issue>()
  for (const [i, unit] of units.entries()) {
    if (found.size >= most) break
    const { keyword, instanceLocation } = unit
    if (wrappers.has(keyword)) continue
    // Of a schema that is `false` only its wrapper knows the place.
    const teller = keyword === 'false' ? units[i - 1] : unit
    if (teller === undefined || (keyword === 'false' && !wrappers.has(teller.keyword))) continue
    if (closed.some((inside) => teller.keywordLocation.startsWith(inside))) continue
    const place = keyword === 'propertyNames' ? (units[i + 1]?.instanceLocation ?? '#') : instanceLocation
    for (const issue of issuesOf(teller.keyword, { location: teller.keywordLocation, place }, where))
      found.set(`${issue.path} ${issue.message}`, issue)
  }
  return [...found.values()].slice(0, most)
}

const parentOf = (pointer: string): string => pointer.slice(0, Math.max(1, pointer.lastIndexOf('/')))

function insideOf({ keyword, keywordLocation }: OutputUnit): string {
  return keyword === 'minContains' || keyword === 'maxContains'
    ? `${parentOf(keywordLocation)}/contains/`
    : `${keywordLocation}/`
}

function issuesOf(
  keyword: string,
  { location, place }: { readonly location: string; readonly place: string },
  where: Where,
): readonly Issue[] {
  const { path: inside, value } = placeIn(where.payload, tokensOf(place))
  const path = [...where.path, ...inside]
  const holder = holderAt(where.schema, tokensOf(parentOf(location)))
  const operand = holder[keyword]
  if (keyword === 'required') return missing(value, operand as readonly string[], path, 'is missing')
  if (keyword === 'dependentRequired') {
    return Object.entries(operand as { [name: string]: readonly string[] }).flatMap(([name, names]) =>
      isObject(value) && Object.hasOwn(value, name) ? missing(value, names, path, `is missing beside ${name}`) : [],
    )
  }
  return [{ path: pathText(path), message: sentence(keyword, operand, { holder, name: String(inside.at(-1) ?? '') }) }]
}

function missing(value: unknown, names: readonly string[], path: Path, message: string): readonly Issue[] {
  return names
    .filter((name) => !(isObject(value) && Object.hasOwn(value, name)))
    .map((name) => ({ path: pathText([...path, name]), message }))
}

function sentence(
  keyword: string,
  operand: unknown,
  { holder, name }: { readonly holder: { readonly [keyword: string]: unknown }; readonly name: string },
): string {
  const say = sentences[keyword]
  if (say !== undefined) return say(operand)
  if (keyword === 'additionalProperties' || keyword === 'unevaluatedProperties') return unknownField(name, holder)
  if (keyword === 'items' || keyword === 'unevaluatedItems') return 'is one entry too many'
  return 'is not allowed here'
}

function unknownField(name: string, { properties }: { readonly [keyword: string]: unknown }): string {
  const known = isObject(properties) ? Object.keys(properties) : []
  const meant = nearest(name, known)
  if (meant !== undefined) return `is not known here; did you mean ${meant}?`
  return known.length === 0 ? 'is not known here' : `is not known here; there are ${known.join(', ')}`
}

const either = (words: readonly string[]): string => words.join(' or ')
const json = (value: unknown): string => JSON.stringify(value)
const count = (operand: unknown, one: string, many: string): string => `${operand} ${operand === 1 ? one : many}`
const size = (bound: string, one: string, many: string) => (operand: unknown) =>
  `must have at ${bound} ${count(operand, one, many)}`

const sentences: { readonly [keyword: string]: (operand: unknown) => string } = {
  type: (operand) => `must be ${either([operand].flat().map((type) => typeNames[String(type)] ?? String(type)))}`,
  const: (operand) => `must be ${json(operand)}`,
  enum: (operand) => `must be ${either((operand as unknown[]).map(json))}`,
  minimum: (operand) => `must be at least ${operand}`,
  maximum: (operand) => `must be at most ${operand}`,
  exclusiveMinimum: (operand) => `must be more than ${operand}`,
  exclusiveMaximum: (operand) => `must be less than ${operand}`,
  multipleOf: (operand) => `must be a multiple of ${operand}`,
  minLength: size('least', 'character', 'characters'),
  maxLength: size('most', 'character', 'characters'),
  minItems: size('least', 'entry', 'entries'),
  maxItems: size('most', 'entry', 'entries'),
  minProperties: size('least', 'field', 'fields'),
  maxProperties: size('most', 'field', 'fields'),
  pattern: (operand) => `must match the pattern ${operand}`,
  format: (operand) => `must be written as the format "${operand}" has it`,
  uniqueItems: () => 'must not have an entry twice',
  anyOf: (operand) => `must meet at least one of the ${(operand as unknown[]).length} schemas of anyOf`,
  oneOf: (operand) => `must meet exactly one of the ${(operand as unknown[]).length} schemas of oneOf`,
  not: () => 'must not meet the schema of not',
  contains: () => 'must have an entry that meets the schema of contains',
  minContains: (operand) => `must have at least ${operand} entries that meet the schema of contains`,
  maxContains: (operand) => `must have at most ${operand} entries that meet the schema of contains`,
  propertyNames: () => 'is no name that a field may have here',
}

/** Names of a JSON pointer as the validator writes it: `#/a~1b/0`, as in a URI. */
function tokensOf(pointer: string): string[] {
  return decodeURIComponent(pointer)
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function placeIn(payload: JsonValue, tokens: readonly string[]): { readonly path: Path; readonly value: unknown } {
  const path: (string | number)[] = []
  let value: unknown = payload
  for (const token of tokens) {
    path.push(Array.isArray(value) ? Number(token) : token)
    value = typeof value === 'object' && value !== null ? (value as { [name: string]: unknown })[token] : undefined
  }
  return { path, value }
}

/** The schema at a place that may lead over `$ref`; empty where it is none with keywords. */
function holderAt(root: JsonSchema, tokens: readonly string[]): { readonly [keyword: string]: unknown } {
  let at: unknown = root
  for (const token of tokens) {
    if (typeof at !== 'object' || at === null) return {}
    const next: unknown = (at as { [name: string]: unknown })[token]
    at = token === '$ref' && typeof next === 'string' ? target(root, next) : next
  }
  return isObject(at) ? at : {}
}
