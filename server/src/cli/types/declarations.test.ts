import type { JsonValue } from '@pipit/shared/base'
import { describe, expect, it } from 'vitest'
import { declarations } from './declarations.ts'
import { schemaType } from './schema-type.ts'
import { typeText } from './type-text.ts'
import { shapeOf } from './value-type.ts'

const arms = (...payloads: (JsonValue | undefined)[]) => [
  { name: 'stable' },
  ...payloads.map((payload, i) => ({ name: `arm-${i}`, ...(payload === undefined ? {} : { payload }) })),
]

describe('the declarations of an environment', () => {
  it('name keys, variants and payloads, in the order of the keys', () => {
    const search = { key: 'search', variants: arms({ top: 5, tags: ['a'] }, { top: 7 }) }
    const checkout = {
      key: 'checkout-v2',
      description: 'The new\ncheckout */ page',
      variants: [{ name: 'stable' }, { name: 'canary', payload: { color: 'red' } }],
      payloadSchema: {
        type: 'object',
        properties: { color: { enum: ['red', 'blue'], description: 'of the button' }, size: { type: 'integer' } },
        required: ['color'],
        additionalProperties: false,
      },
    }
    const none = { key: '1', variants: arms(undefined) }
    const expected = `/**
 * The rollouts of staging: their keys, variants and payloads, for \`createClient<Rollouts>\` of Pipit's SDKs.
 * Made by \`pipit types --environment staging -o <this file>\`; run it again where rollouts change, edits are lost.
 */
export interface Rollouts {
  readonly '1': {
    readonly variant: 'stable' | 'arm-0'
    readonly payload: undefined
  }
  /** The new checkout *\\/ page */
  readonly 'checkout-v2': {
    readonly variant: 'stable' | 'canary'
    readonly payload: {
      /** of the button */
      readonly color: 'red' | 'blue'
      readonly size?: number
    } | undefined
  }
  readonly 'search': {
    readonly variant: 'stable' | 'arm-0' | 'arm-1'
    readonly payload: { readonly top: number; readonly tags?: readonly string[] } | undefined
  }
}
`
    expect(declarations('staging', [search, checkout, none])).toBe(expected)
    expect(declarations('staging', [none, checkout, search])).toBe(expected)
  })

  it('are empty where there is no rollout', () => {
    expect(declarations('production', [])).toContain('export interface Rollouts {\n}\n')
  })

  it('write awkward names as texts', () => {
    const variants = [
      { name: "it's" },
      { name: 'a"b\\c\n\u2028\ud800', payload: { "it's": 1, ok_1: 2, '': 3, 'a-b': 4 } },
    ]
    const text = declarations('production', [{ key: 'k', variants }])
    expect(text).toContain(String.raw`readonly variant: 'it\'s' | 'a"b\\c\n\u2028\ud800'`)
    expect(text).toContain(
      `{ readonly 'it\\'s': number; readonly ok_1: number; readonly '': number; readonly 'a-b': number }`,
    )
  })
})

describe('the type of payloads without a schema', () => {
  it.each<[readonly JsonValue[], string]>([
    [['a', 'b'], 'string'],
    [[1, true, null], 'number | boolean | null'],
    [[['a', 1], []], 'readonly (string | number)[]'],
    [[[]], 'readonly unknown[]'],
    [[[['a']]], 'readonly (readonly string[])[]'],
    [[{}], '{ readonly [name: string]: unknown }'],
    [[{ a: 1 }, { a: 'x', b: [] }], '{ readonly a: number | string; readonly b?: readonly unknown[] }'],
    [[{ a: { b: 1 } }, { a: { c: 1 } }], '{ readonly a: { readonly b?: number; readonly c?: number } }'],
    [[], 'never'],
  ])('of %j is %s', (values, expected) => {
    expect(typeText(shapeOf(values))).toBe(expected)
  })
})

describe('the type of a schema', () => {
  const object = { type: 'object' }
  it.each<[Parameters<typeof schemaType>[0], string]>([
    [{}, 'unknown'],
    [{ properties: { a: { type: 'string' } } }, 'unknown'],
    [{ type: 'integer', minimum: 1 }, 'number'],
    [{ type: ['string', 'null'], maxLength: 3 }, 'string | null'],
    [{ const: 'a' }, "'a'"],
    [{ enum: ['a', 1, null, true] }, "'a' | 1 | null | true"],
    [{ type: 'string', enum: ['a', 1] }, "'a'"],
    [{ const: { a: [1, {}] } }, '{ readonly a: readonly [1, { readonly [name: string]: never }] }'],
    [object, '{ readonly [name: string]: unknown }'],
    [{ ...object, additionalProperties: { type: 'number' } }, '{ readonly [name: string]: number }'],
    [{ ...object, additionalProperties: false }, '{ readonly [name: string]: never }'],
    [
      { ...object, additionalProperties: false, patternProperties: { '^n': {} } },
      '{ readonly [name: string]: unknown }',
    ],
    [{ ...object, properties: { a: true, b: false } }, '{ readonly a?: unknown; readonly b?: never }'],
    [
      { ...object, properties: { a: { type: 'string' } }, required: ['a', 'b'] },
      '{ readonly a: string; readonly b: unknown }',
    ],
    [{ type: 'array' }, 'readonly unknown[]'],
    [{ type: 'array', items: { type: ['string', 'number'] } }, 'readonly (string | number)[]'],
    [
      { type: 'array', prefixItems: [{ type: 'string' }, { const: 1 }], items: false, minItems: 1 },
      'readonly [string, 1?]',
    ],
    [{ type: 'array', prefixItems: [{}], items: { type: 'string' } }, 'readonly [unknown?, ...string[]]'],
    [{ anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] }, 'string | readonly string[]'],
    [{ anyOf: [{ type: 'string' }, { minimum: 1 }] }, 'unknown'],
    [{ ...object, allOf: [{ properties: { a: { type: 'string' } } }] }, '{ readonly a?: string }'],
    [
      { ...object, properties: { a: { const: 1 } }, oneOf: [{ required: ['b'] }, { required: ['c'] }] },
      '{ readonly a?: 1 } & ({ readonly b: unknown } | { readonly c: unknown })',
    ],
    [{ ...object, not: { required: ['a'] }, if: {}, else: false }, '{ readonly [name: string]: unknown }'],
    [{ $defs: { c: { enum: ['x', 'y'] } }, type: 'array', items: { $ref: '#/$defs/c' } }, "readonly ('x' | 'y')[]"],
    [{ type: 'string', allOf: [{ type: 'number' }] }, 'never'],
    [{ allOf: [{ type: 'string' }, { type: 'number' }] }, 'string & number'],
    [{ allOf: [{ type: ['string', 'number'] }, { type: ['number', 'null'] }] }, '(string | number) & (number | null)'],
  ])('%j is %s', (schema, expected) => {
    expect(typeText(schemaType(schema))).toBe(expected)
  })
})
