import type { JsonValue } from '@pipit/shared/base'
import { never, plain, quoted, type Type, union, unknown } from './type-text.ts'

const isMapping = (value: JsonValue): value is { readonly [name: string]: JsonValue } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Exactly this value. */
export function literalType(value: JsonValue): Type {
  if (typeof value === 'string') return plain(quoted(value))
  if (Array.isArray(value)) {
    return { kind: 'tuple', items: value.map((item: JsonValue) => ({ type: literalType(item), optional: false })) }
  }
  if (!isMapping(value)) return plain(JSON.stringify(value))
  const fields = Object.entries(value).map(([name, item]) => ({ name, type: literalType(item), optional: false }))
  return fields.length === 0 ? { kind: 'record', value: never } : { kind: 'fields', fields }
}

/**
 * What some values look like: literals are widened, lists are of what all their entries look like, and objects are merged, so that a
 * field that only some of them have is an optional one.
 */
export function shapeOf(values: readonly JsonValue[]): Type {
  const mappings = values.filter(isMapping)
  const lists = values.filter((value) => Array.isArray(value)) as (readonly JsonValue[])[]
  const plains = values.filter((value) => typeof value !== 'object' || value === null)
  return union([
    ...plains.map((value) => plain(value === null ? 'null' : typeof value)),
    ...(lists.length === 0 ? [] : [listShape(lists.flat())]),
    ...(mappings.length === 0 ? [] : [mappingShape(mappings)]),
  ])
}

function listShape(items: readonly JsonValue[]): Type {
  return { kind: 'list', item: items.length === 0 ? unknown : shapeOf(items) }
}

function mappingShape(mappings: readonly { readonly [name: string]: JsonValue }[]): Type {
  const names = [...new Set(mappings.flatMap(Object.keys))]
  if (names.length === 0) return { kind: 'record', value: unknown }
  const fields = names.map((name) => {
    const having = mappings.filter((mapping) => Object.hasOwn(mapping, name))
    const found = having.map((mapping) => mapping[name] as JsonValue)
    return { name, type: shapeOf(found), optional: having.length < mappings.length }
  })
  return { kind: 'fields', fields }
}
