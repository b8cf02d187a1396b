import type { JsonValue } from '@pipit/shared/base'
import { nearest, regexFault } from '@pipit/shared/rules'

/** A JSON Schema of draft 2020-12 that is a mapping, as people write it for the payloads of a rollout. */
export type JsonSchema = { readonly [keyword: string]: JsonValue }

/** Keywords whose value is a schema, a list of schemas, and schemas by name. */
const schemaKeywords: ReadonlySet<string> = new Set([
  'not',
  'if',
  'then',
  'else',
  'items',
  'contains',
  'additionalProperties',
  'propertyNames',
  'unevaluatedItems',
  'unevaluatedProperties',
])
const schemaListKeywords: ReadonlySet<string> = new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems'])
const schemaMapKeywords: ReadonlySet<string> = new Set(['properties', 'patternProperties', 'dependentSchemas', '$defs'])

/** The kinds of value that `type` may name, in the words of the faults. */
export const typeNames: { readonly [type: string]: string } = {
  string: 'a string',
  number: 'a number',
  integer: 'a whole number',
  boolean: 'true or false',
  null: 'null',
  array: 'a list',
  object: 'an object',
}

/** Formats that are checked. Each takes time in proportion to the text; a format that is not here is refused, not passed over. */
export const formats: readonly string[] = [
  'date',
  'time',
  'date-time',
  'duration',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'uri',
  'uri-reference',
  'uuid',
]

type Check = (value: unknown) => string | undefined

export const isObject = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isText: Check = (value) => (typeof value === 'string' ? undefined : 'must be a string')
const isBoolean: Check = (value) => (typeof value === 'boolean' ? undefined : 'must be true or false')
const isNumber: Check = (value) => (typeof value === 'number' ? undefined : 'must be a number')
const isCount: Check = (value) =>
  Number.isSafeInteger(value) && Number(value) >= 0 ? undefined : 'must be a whole number, 0 or more'
const isAnything: Check = () => undefined
const isTextList: Check = (value) =>
  Array.isArray(value) && value.every((item) => typeof item === 'string') && new Set(value).size === value.length
    ? undefined
    : 'must be a list of strings, each once'

const isType: Check = (value) => {
  const names: unknown = typeof value === 'string' ? [value] : value
  if (isTextList(names) !== undefined || (names as string[]).length === 0)
    return 'must be the name of a type or a list of them'
  const known = Object.keys(typeNames)
  const unknown = (names as string[]).find((name) => !known.includes(name))
  return unknown === undefined ? undefined : `names no type: "${unknown}"; there are ${known.join(', ')}`
}

const isFormat: Check = (value) => {
  if (typeof value !== 'string') return 'must be a string'
  if (formats.includes(value)) return undefined
  return `is "${value}", which is not checked here; there are ${formats.join(', ')}`
}

/** A pattern that can neither hang nor mean something else in the Unicode mode that JSON Schema asks for. */
export function patternFault(value: unknown): string | undefined {
  if (typeof value !== 'string') return 'must be a regular expression'
  const fault = regexFault(value)
  if (fault !== undefined) return fault
  try {
    new RegExp(value, 'u')
    return undefined
  } catch {
    return 'is not a regular expression in Unicode mode; escape only what needs it'
  }
}

const valueChecks: { readonly [keyword: string]: Check } = {
  type: isType,
  enum: (value) => (Array.isArray(value) && value.length > 0 ? undefined : 'must be a list of at least one value'),
  const: isAnything,
  format: isFormat,
  pattern: patternFault,
  required: isTextList,
  dependentRequired: (value) =>
    isObject(value) && Object.values(value).every((names) => isTextList(names) === undefined)
      ? undefined
      : 'must be lists of strings by name',
  uniqueItems: isBoolean,
  multipleOf: (value) => (typeof value === 'number' && value > 0 ? undefined : 'must be a number above 0'),
  ...Object.fromEntries(['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'].map((name) => [name, isNumber])),
  ...Object.fromEntries(
    ['Length', 'Items', 'Properties', 'Contains'].flatMap((what) => [
      [`min${what}`, isCount],
      [`max${what}`, isCount],
    ]),
  ),
  $schema: (value) =>
    typeof value === 'string' && /^https:\/\/json-schema\.org\/draft\/2020-12\/schema#?$/.test(value)
      ? undefined
      : 'must be https://json-schema.org/draft/2020-12/schema, the one draft that is known here',
  $ref: (value) =>
    typeof value === 'string' && /^#(?:\/|$)/.test(value)
      ? undefined
      : 'must point into this schema, such as #/$defs/color; nothing is fetched from elsewhere',
  title: isText,
  description: isText,
  $comment: isText,
  default: isAnything,
  examples: (value) => (Array.isArray(value) ? undefined : 'must be a list'),
  deprecated: isBoolean,
  readOnly: isBoolean,
  writeOnly: isBoolean,
}

/** Keywords of other drafts, or of this one and not taken here, with what to write instead. */
const elsewhere: { readonly [keyword: string]: string } = {
  definitions: 'is $defs in draft 2020-12',
  dependencies: 'is dependentRequired or dependentSchemas in draft 2020-12',
  additionalItems: 'is items beside prefixItems in draft 2020-12',
  id: 'is not supported; point to parts of the schema by #/$defs/…',
  $id: 'is not supported; point to parts of the schema by #/$defs/…',
  $anchor: 'is not supported; point to parts of the schema by #/$defs/…',
  $dynamicRef: 'is not supported; use $ref',
  $dynamicAnchor: 'is not supported; point to parts of the schema by #/$defs/…',
  $recursiveRef: 'is not supported; use $ref',
  $vocabulary: 'is not supported; leave it out',
  nullable: 'is no keyword of JSON Schema; add "null" to type',
}

/** What is wrong with a keyword or its value, apart from what lies deeper in it; undefined where nothing is. */
export function keywordFault(keyword: string, value: unknown): string | undefined {
  if (schemaKeywords.has(keyword)) {
    if (keyword === 'items' && Array.isArray(value)) return 'must be one schema; a list of schemas is prefixItems'
    return schemaFault(value)
  }
  if (schemaListKeywords.has(keyword))
    return Array.isArray(value) && value.length > 0 ? undefined : 'must be a list of at least one schema'
  if (schemaMapKeywords.has(keyword)) return isObject(value) ? undefined : 'must be schemas by name'
  const check = Object.hasOwn(valueChecks, keyword) ? valueChecks[keyword] : undefined
  if (check !== undefined) return check(value)
  if (Object.hasOwn(elsewhere, keyword)) return elsewhere[keyword]
  const known = [...schemaKeywords, ...schemaListKeywords, ...schemaMapKeywords, ...Object.keys(valueChecks)]
  const meant = nearest(keyword, known)
  return `is no keyword that is known here${meant === undefined ? '' : `; did you mean ${meant}?`}`
}

export const schemaFault: Check = (value) =>
  isObject(value) || typeof value === 'boolean' ? undefined : 'must be a schema: an object, true or false'

/** Whether the value of a keyword is, or holds, schemas. */
export const holdsSchemas = (keyword: string): boolean =>
  schemaKeywords.has(keyword) || schemaListKeywords.has(keyword) || schemaMapKeywords.has(keyword)

/** Whether the value of a keyword is one schema. */
export const isSchemaKeyword = (keyword: string): boolean => schemaKeywords.has(keyword)

/** The schema of this name, or at this place, in the value of a keyword that holds several; undefined where there is none. */
export function schemaNamed(keyword: string, value: unknown, name: string | undefined): unknown {
  if (name === undefined) return undefined
  if (schemaListKeywords.has(keyword) && Array.isArray(value))
    return /^(?:0|[1-9]\d{0,9})$/.test(name) ? value[Number(name)] : undefined
  return schemaMapKeywords.has(keyword) && isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
}

/** The schemas directly inside the value of a keyword, each with the rest of its path; none where the value is of the wrong kind. */
export function schemasIn(
  keyword: string,
  value: unknown,
): readonly { readonly path: readonly (string | number)[]; readonly schema: unknown }[] {
  if (schemaKeywords.has(keyword)) return [{ path: [], schema: value }]
  if (schemaListKeywords.has(keyword) && Array.isArray(value))
    return value.map((schema: unknown, i) => ({ path: [i], schema }))
  if (schemaMapKeywords.has(keyword) && isObject(value))
    return Object.entries(value).map(([name, schema]) => ({ path: [name], schema }))
  return []
}
