import type { JsonValue } from '@pipit/shared/base'
import { type JsonSchema, schemaAt } from '../../rollout/index.ts'
import { isUnknown, meeting, never, plain, type Type, union, unknown } from './type-text.ts'
import { literalType } from './value-type.ts'

type Kind = 'string' | 'number' | 'boolean' | 'null' | 'array' | 'object'
const everyKind: readonly Kind[] = ['string', 'number', 'boolean', 'null', 'array', 'object']

/** The keywords that a type is made of, in a schema that the server has taken. */
interface Schema {
  readonly type?: string | readonly string[]
  readonly const?: JsonValue
  readonly enum?: readonly JsonValue[]
  readonly properties?: { readonly [name: string]: JsonValue }
  readonly required?: readonly string[]
  readonly additionalProperties?: JsonValue
  readonly patternProperties?: JsonValue
  readonly items?: JsonValue
  readonly prefixItems?: readonly JsonValue[]
  readonly minItems?: number
  readonly allOf?: readonly JsonValue[]
  readonly anyOf?: readonly JsonValue[]
  readonly oneOf?: readonly JsonValue[]
  readonly description?: string
  readonly $ref?: string
}

interface Scope {
  readonly root: JsonSchema
  /** The kinds of value that the schemas around leave possible. */
  readonly kinds: readonly Kind[]
}

/**
 * The TypeScript type of the values that meet a payload schema, never narrower than they are: what TypeScript cannot say (bounds, patterns,
 * formats, `not`, `if`) is left out, and where no `type` is named there is nothing to tell, since JSON Schema then lets every other kind
 * of value pass. `schema` is one that the server has taken.
 */
export function schemaType(schema: JsonSchema): Type {
  return typeOf(schema, { root: schema, kinds: everyKind })
}

/** `unknown` where the schema tells no more than the kinds of the scope. */
function typeOf(schema: JsonValue, around: Scope): Type {
  if (schema === false) return never
  if (typeof schema !== 'object' || schema === null) return unknown
  const node = schema as Schema
  const kinds = around.kinds.filter((kind) => kindsOf(node).includes(kind))
  if (kinds.length === 0) return never
  const scope = { root: around.root, kinds }
  const type = meeting([
    own(node, scope),
    ...(node.$ref === undefined ? [] : [typeOf(schemaAt(around.root, node.$ref) as JsonValue, scope)]),
    ...(node.allOf ?? []).map((part) => typeOf(part, scope)),
    ...[node.anyOf, node.oneOf].flatMap((parts) =>
      parts === undefined ? [] : [union(parts.map((part) => typeOf(part, scope)))],
    ),
  ])
  return isUnknown(type) && kinds.length < around.kinds.length ? ofKinds({}, scope) : type
}

function kindsOf({ type }: Schema): readonly Kind[] {
  if (type === undefined) return everyKind
  return [type].flat().map((name) => (name === 'integer' ? 'number' : name)) as Kind[]
}

function kindOf(value: JsonValue): Kind {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : (typeof value as Kind)
}

/** What the keywords of the schema itself tell, apart from those that hold schemas for the same value. */
function own(node: Schema, scope: Scope): Type {
  const values = Object.hasOwn(node, 'const') ? [node.const as JsonValue] : node.enum
  if (values !== undefined) return union(values.filter((value) => scope.kinds.includes(kindOf(value))).map(literalType))
  if (scope.kinds.length === everyKind.length) return unknown
  const tells = scope.kinds.some((kind) => {
    if (kind === 'array') return !isUnknown(itemOf(node, scope.root)) || node.prefixItems !== undefined
    return kind === 'object' && (namesOf(node).length > 0 || !isUnknown(otherFields(node, scope.root)))
  })
  return tells ? ofKinds(node, scope) : unknown
}

function ofKinds(node: Schema, { root, kinds }: Scope): Type {
  return union(
    kinds.map((kind) => {
      if (kind === 'array') return arrayType(node, root)
      return kind === 'object' ? objectType(node, root) : plain(kind)
    }),
  )
}

const itemOf = ({ items }: Schema, root: JsonSchema): Type =>
  items === undefined ? unknown : typeOf(items, { root, kinds: everyKind })

function arrayType(node: Schema, root: JsonSchema): Type {
  const item = itemOf(node, root)
  if (node.prefixItems === undefined) return { kind: 'list', item }
  const items = node.prefixItems.map((schema, i) => ({
    type: typeOf(schema, { root, kinds: everyKind }),
    optional: i >= (node.minItems ?? 0),
  }))
  return { kind: 'tuple', items, ...(node.items === false ? {} : { rest: item }) }
}

const namesOf = ({ properties = {}, required = [] }: Schema): readonly string[] => [
  ...new Set([...Object.keys(properties), ...required]),
]

function objectType(node: Schema, root: JsonSchema): Type {
  const names = namesOf(node)
  const others = otherFields(node, root)
  if (names.length === 0) return { kind: 'record', value: others }
  const fields = names.map((name) => {
    const schema = Object.hasOwn(node.properties ?? {}, name) ? node.properties?.[name] : undefined
    return {
      name,
      type: schema === undefined ? others : typeOf(schema, { root, kinds: everyKind }),
      optional: node.required?.includes(name) !== true,
      ...descriptionOf(schema),
    }
  })
  return { kind: 'fields', fields }
}

/** The type of a field that is not among the properties. */
function otherFields({ additionalProperties, patternProperties }: Schema, root: JsonSchema): Type {
  return additionalProperties === undefined || patternProperties !== undefined
    ? unknown
    : typeOf(additionalProperties, { root, kinds: everyKind })
}

function descriptionOf(schema: JsonValue | undefined): Pick<Schema, 'description'> {
  if (typeof schema !== 'object' || schema === null) return {}
  const { description } = schema as Schema
  return description === undefined ? {} : { description }
}
