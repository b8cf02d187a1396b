/** A TypeScript type before it is written. `never` is a union of nothing, `unknown` a meeting of nothing. */
export type Type =
  | { readonly kind: 'plain'; readonly text: string }
  | { readonly kind: 'union' | 'meeting'; readonly parts: readonly Type[] }
  | { readonly kind: 'list'; readonly item: Type }
  | { readonly kind: 'tuple'; readonly items: readonly TupleItem[]; readonly rest?: Type }
  | { readonly kind: 'fields'; readonly fields: readonly Field[] }
  | { readonly kind: 'record'; readonly value: Type }

export interface TupleItem {
  readonly type: Type
  readonly optional: boolean
}

export interface Field {
  readonly name: string
  readonly type: Type
  readonly optional: boolean
  readonly description?: string
}

/** Width beyond which the fields of an object go on lines of their own. */
const lineWidth = 100

export const plain = (text: string): Type => ({ kind: 'plain', text })
export const never: Type = { kind: 'union', parts: [] }
export const unknown: Type = { kind: 'meeting', parts: [] }

export const isUnknown = (type: Type): boolean => type.kind === 'meeting' && type.parts.length === 0
const isNever = (type: Type): boolean => type.kind === 'union' && type.parts.length === 0

/** One of the types; nothing is said twice. */
export function union(types: readonly Type[]): Type {
  const parts = distinct(types.flatMap((type) => (type.kind === 'union' ? type.parts : [type])))
  if (parts.some(isUnknown)) return unknown
  return parts.length === 1 ? (parts[0] as Type) : { kind: 'union', parts }
}

/** All of the types at once. */
export function meeting(types: readonly Type[]): Type {
  const parts = distinct(types.flatMap((type) => (type.kind === 'meeting' ? type.parts : [type])))
  if (parts.some(isNever)) return never
  return parts.length === 1 ? (parts[0] as Type) : { kind: 'meeting', parts }
}

function distinct(types: readonly Type[]): readonly Type[] {
  return [...new Map(types.map((type) => [typeText(type), type])).values()]
}

/** A type as it is written; `indent` is that of the line it begins on. */
export function typeText(type: Type, indent = ''): string {
  switch (type.kind) {
    case 'plain':
      return type.text
    case 'union':
      return type.parts.length === 0 ? 'never' : type.parts.map((part) => inside(part, 'union', indent)).join(' | ')
    case 'meeting':
      return type.parts.length === 0 ? 'unknown' : type.parts.map((part) => inside(part, 'meeting', indent)).join(' & ')
    case 'list':
      return `readonly ${inside(type.item, 'list', indent)}[]`
    case 'tuple':
      return tupleText(type, indent)
    case 'fields':
      return fieldsText(type.fields, indent)
    case 'record':
      return `{ readonly [name: string]: ${typeText(type.value, indent)} }`
  }
}

/** A part of another type, in brackets where it would be read otherwise without. */
function inside(part: Type, around: 'union' | 'meeting' | 'list', indent: string): string {
  const text = typeText(part, indent)
  const several = (part.kind === 'union' || part.kind === 'meeting') && part.parts.length > 1
  const bracketed = around === 'list' ? several || part.kind === 'list' || part.kind === 'tuple' : several
  return bracketed ? `(${text})` : text
}

function tupleText({ items, rest }: Type & { readonly kind: 'tuple' }, indent: string): string {
  const texts = items.map(({ type, optional }) => {
    return optional ? `${inside(type, 'list', indent)}?` : typeText(type, indent)
  })
  if (rest !== undefined) texts.push(`...${inside(rest, 'list', indent)}[]`)
  return `readonly [${texts.join(', ')}]`
}

function fieldsText(fields: readonly Field[], indent: string): string {
  if (fields.length === 0) return '{}'
  const deeper = `${indent}  `
  const line = (field: Field, at: string): string =>
    `readonly ${nameText(field.name)}${field.optional ? '?' : ''}: ${typeText(field.type, at)}`
  const short = `{ ${fields.map((field) => line(field, indent)).join('; ')} }`
  const isShort = short.length + indent.length <= lineWidth && !short.includes('\n')
  if (isShort && fields.every(({ description }) => description === undefined)) return short
  const lines = fields.map((field) => `${commentText(field.description, deeper)}${deeper}${line(field, deeper)}`)
  return `{\n${lines.join('\n')}\n${indent}}`
}

/** A comment line before what it describes, or nothing. */
export function commentText(description: string | undefined, indent: string): string {
  const words = (description ?? '').replace(/\s+/g, ' ').trim().replaceAll('*/', '*\\/')
  return words === '' ? '' : `${indent}/** ${words} */\n`
}

/** A text as a literal in single quotes. */
export function quoted(text: string): string {
  const inner = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")
  return `'${inner.replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')}'`
}

const nameText = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : quoted(name))
