import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseRollout, toFile } from '../index.ts'

const file = (payloadSchema: unknown, canary: unknown, stable?: unknown): object => ({
  key: 'checkout-v2',
  variants: [
    { name: 'stable', ...(stable === undefined ? {} : { payload: stable }) },
    { name: 'canary', ...(canary === undefined ? {} : { payload: canary }) },
  ],
  payloadSchema,
  stages: [{ name: 'all', weight: 100 }],
})

/** What is told of a rollout with this schema and payload of its canary: path and message, or nothing. */
function faults(payloadSchema: unknown, canary: unknown, stable?: unknown): string[] {
  const parsed = parseRollout(file(payloadSchema, canary, stable))
  return parsed.ok ? [] : parsed.issues.map(({ path, message }) => `${path}: ${message}`)
}

/** Of a schema alone, said without its place. */
const schemaFaults = (schema: unknown): string[] =>
  faults(schema, {}).map((fault) => fault.replace(/^payloadSchema\.?/, ''))

/** Of a payload alone. */
const payloadFaults = (schema: unknown, payload: unknown): string[] =>
  faults(schema, payload).map((fault) => fault.replace(/^variants\[1\]\.payload\.?/, ''))

const color = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  properties: { color: { enum: ['red', 'blue'] }, size: { type: 'integer', minimum: 1 } },
  required: ['color'],
  additionalProperties: false,
}

describe('payloads with a schema', () => {
  it('are taken where they meet it, and the schema stays with the rollout', () => {
    const parsed = parseRollout(file(color, { color: 'red', size: 3 }, { color: 'blue' }))
    expect(parsed).toMatchObject({ ok: true, definition: { payloadSchema: color } })
    if (parsed.ok) expect(parseRollout(toFile(parsed.definition))).toEqual(parsed)
  })

  it('are told where and how they do not', () => {
    expect(faults(color, { color: 'green', size: 0.5, colour: 'red' }, 7)).toEqual([
      'variants[0].payload: must be an object',
      'variants[1].payload.color: must be "red" or "blue"',
      'variants[1].payload.size: must be a whole number',
      'variants[1].payload.size: must be at least 1',
      'variants[1].payload.colour: is not known here; did you mean color?',
    ])
    expect(faults(color, {})).toEqual(['variants[1].payload.color: is missing'])
  })

  it('are needed of every variant but stable', () => {
    expect(faults(color, undefined)).toEqual([
      'variants[1].payload: is missing; where there is a payloadSchema every variant but stable has a payload',
    ])
    expect(parseRollout({ key: 'x', payloadSchema: color, stages: [{ name: 'all', weight: 100 }] })).toMatchObject({
      ok: false,
      issues: [{ path: 'variants[1].payload' }],
    })
    expect(faults(color, { color: 'red' })).toEqual([])
  })

  it('leave schema and payload as they were given', () => {
    const schema = { $defs: { c: { type: 'string' } }, properties: { a: { $ref: '#/$defs/c' } } }
    const parsed = parseRollout(Object.freeze(file(Object.freeze(schema), { a: 'x' })))
    expect(parsed).toMatchObject({ ok: true })
    expect(Reflect.ownKeys(schema)).toEqual(['$defs', 'properties'])
    if (parsed.ok) expect(Reflect.ownKeys(parsed.definition.payloadSchema ?? {})).toEqual(['$defs', 'properties'])
  })

  it.each<[string, object, unknown, string[]]>([
    ['types', { type: ['string', 'null'] }, 1, [': must be a string or null']],
    ['constants', { const: { a: 1 } }, { a: 2 }, [': must be {"a":1}']],
    ['bounds', { exclusiveMinimum: 1, exclusiveMaximum: 1 }, 1, [': must be more than 1', ': must be less than 1']],
    ['maxima', { maximum: 2 }, 3, [': must be at most 2']],
    ['multiples', { multipleOf: 0.1 }, 0.25, [': must be a multiple of 0.1']],
    ['lengths', { minLength: 1 }, '', [': must have at least 1 character']],
    ['long texts', { maxLength: 2 }, 'abc', [': must have at most 2 characters']],
    ['patterns', { pattern: '^#[0-9a-f]{6}$' }, 'red', [': must match the pattern ^#[0-9a-f]{6}$']],
    ['formats', { format: 'date' }, '2026-02-30', [': must be written as the format "date" has it']],
    ['lists', { items: { type: 'number' } }, [1, 'b', true], ['[1]: must be a number', '[2]: must be a number']],
    ['tuples', { prefixItems: [{ type: 'string' }], items: false }, ['a', 'b'], ['[1]: is one entry too many']],
    ['counts', { minItems: 2, uniqueItems: true }, ['a'], [': must have at least 2 entries']],
    ['repetitions', { uniqueItems: true }, [{ a: 1 }, { a: 1 }], [': must not have an entry twice']],
    ['fields', { maxProperties: 1 }, { a: 1, b: 2 }, [': must have at most 1 field']],
    ['names', { propertyNames: { pattern: '^[a-z]+$' } }, { A: 1 }, ['A: is no name that a field may have here']],
    ['forbidden names', { propertyNames: false }, { A: 1 }, ['A: is no name that a field may have here']],
    ['patterned fields', { patternProperties: { '^n_': { type: 'number' } } }, { n_a: 'x' }, ['n_a: must be a number']],
    ['other fields', { additionalProperties: { type: 'number' } }, { a: 'x' }, ['a: must be a number']],
    ['dependent fields', { dependentRequired: { a: ['b'] } }, { a: 1 }, ['b: is missing beside a']],
    ['forbidden fields', { properties: { a: false } }, { a: 1 }, ['a: is not allowed here']],
    [
      'unevaluated fields',
      { allOf: [{ properties: { a: true } }], unevaluatedProperties: false },
      { a: 1, b: 2 },
      ['b: is not known here'],
    ],
    [
      'alternatives',
      { anyOf: [{ type: 'string' }, { properties: { a: { type: 'number' } }, type: 'object' }] },
      { a: 'x' },
      [': must meet at least one of the 2 schemas of anyOf'],
    ],
    ['one of', { oneOf: [{}, true] }, 1, [': must meet exactly one of the 2 schemas of oneOf']],
    ['exclusions', { not: { type: 'string' } }, 'x', [': must not meet the schema of not']],
    ['contents', { contains: { type: 'number' } }, ['a'], [': must have an entry that meets the schema of contains']],
    [
      'several contents',
      { contains: { type: 'number' }, minContains: 2 },
      [1, 'a'],
      [': must have at least 2 entries that meet the schema of contains'],
    ],
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
    ['conditions', { if: { type: 'string' }, then: { minLength: 2 } }, 'a', [': must have at least 2 characters']],
    [
      'references',
      { $defs: { 'a b/c~d%': { type: 'number' } }, properties: { x: { $ref: '#/$defs/a%20b~1c~0d%25' } } },
      { x: 'a' },
      ['x: must be a number'],
    ],
    [
      'references through references',
      { $defs: { a: { properties: { n: { $ref: '#/$defs/b' } } }, b: { minimum: 3 } }, items: { $ref: '#/$defs/a' } },
      [{ n: 1 }],
      ['[0].n: must be at least 3'],
    ],
    [
      'awkward names',
      { properties: { 'a/b~#é%': { type: 'string' } } },
      { 'a/b~#é%': 1 },
      ['a/b~#é%: must be a string'],
    ],
    ['everything', { not: {} }, 1, [': must not meet the schema of not']],
  ])('hold to %s', (_what, schema, payload, expected) => {
    expect(payloadFaults(schema, payload)).toEqual(expected)
  })

  it('do not exhaust the server, whatever they are', () => {
    const many = Array.from({ length: 5000 }, (_, i) => i)
    const unique = { uniqueItems: true }
    expect(payloadFaults(unique, many)).toEqual([
      expect.stringContaining('too many to check by a schema of 2 parts with uniqueItems'),
    ])
    expect(payloadFaults(unique, many.slice(0, 100))).toEqual([])
    const wide = { anyOf: Array.from({ length: 500 }, (_, i) => ({ const: i })) }
    expect(payloadFaults({ items: wide }, many)).toEqual([expect.stringContaining('a schema of')])
    const long = 'a'.repeat(50_000)
    expect(payloadFaults({ pattern: '^[a-z]+$' }, long)).toEqual([])
    expect(payloadFaults({ pattern: '[a-z]+!' }, long)).toEqual([expect.stringContaining('start the patterns with ^')])
    const numbers = { items: { type: 'number', minimum: 0, enum: many.slice(0, 30) }, default: many.slice(0, 10) }
    const thirty = Array.from({ length: 3000 }, () => 7)
    expect(faults(numbers, thirty)).toEqual([])
    expect(faults(numbers, thirty, thirty)).toEqual([
      expect.stringMatching(/^variants\[1\]\.payload: has 3001 values, with the payloads before it too many/),
    ])
    const wrong = { items: { type: 'string', minimum: 0, maximum: -1, multipleOf: 1.5 } }
    expect(payloadFaults(wrong, many)).toHaveLength(21)
    expect(payloadFaults({ additionalProperties: { type: 'string' } }, { '\ud800': 1 })).toHaveLength(1)
  })
})

describe('a payload schema', () => {
  it.each<[string, unknown, string]>([
    ['is a mapping', true, ': must be an object'],
    [
      'is of one draft',
      { $schema: 'http://json-schema.org/draft-07/schema#' },
      '$schema: must be https://json-schema.org',
    ],
    ['names types that there are', { properties: { a: { type: 'text' } } }, 'properties.a.type: names no type: "text"'],
    [
      'has no misspelt keyword',
      { requird: ['a'] },
      'requird: is no keyword that is known here; did you mean required?',
    ],
    ['has no keyword of another draft', { definitions: {} }, 'definitions: is $defs in draft 2020-12'],
    ['has no tuple of another draft', { items: [{}] }, 'items: must be one schema; a list of schemas is prefixItems'],
    ['points nowhere outside', { $ref: 'https://example.com/a.json' }, '$ref: must point into this schema'],
    ['points nowhere by file', { $ref: 'other.json#/a' }, '$ref: must point into this schema'],
    ['points to what is there', { $ref: '#/$defs/a' }, '$ref: there is no schema at #/$defs/a'],
    ['points to schemas', { $ref: '#/enum/0', enum: [{}] }, '$ref: there is no schema at #/enum/0'],
    ['does not lead back to itself', { $ref: '#' }, '$ref: leads back to itself by #'],
    ['has no names of its own', { $id: 'https://example.com/a' }, '$id: is not supported'],
    ['has no patterns that hang', { properties: { a: { pattern: '^(a+)+$' } } }, 'properties.a.pattern: '],
    ['has no names that hang', { patternProperties: { '(a+)+b': {} } }, 'patternProperties.(a+)+b: '],
    ['has patterns of Unicode mode', { pattern: '\\-' }, 'pattern: is not a regular expression in Unicode mode'],
    ['has formats that are checked', { format: 'url' }, 'format: is "url", which is not checked here'],
    ['has lists where lists belong', { required: 'a' }, 'required: must be a list of strings'],
    ['has counts where counts belong', { minLength: -1 }, 'minLength: must be a whole number, 0 or more'],
    ['has schemas where schemas belong', { anyOf: [1] }, 'anyOf[0]: must be a schema: an object, true or false'],
    ['has at least one alternative', { oneOf: [] }, 'oneOf: must be a list of at least one schema'],
  ])('%s', (_what, schema, expected) => {
    expect(schemaFaults(schema)[0]).toContain(expected)
  })

  it('finds a circle over several references, and none where two ways lead to one place', () => {
    const circle = { $defs: { a: { items: { $ref: '#/$defs/b' } }, b: { not: { $ref: '#/$defs/a' } } } }
    expect(schemaFaults(circle)).toEqual([expect.stringMatching(/^\$defs\.a\.items\.\$ref.*leads back to itself/)])
    const shared = {
      $defs: { a: { type: 'object' } },
      properties: { x: { $ref: '#/$defs/a' }, y: { $ref: '#/$defs/a' } },
    }
    expect(schemaFaults(shared)).toEqual([])
  })

  it('does not grow without end by its references', () => {
    const $defs = Object.fromEntries(
      Array.from({ length: 30 }, (_, i) => [
        `d${i}`,
        { allOf: [{ $ref: `#/$defs/d${i + 1}` }, { $ref: `#/$defs/d${i + 1}` }] },
      ]),
    )
    const bomb = { $defs: { ...$defs, d30: { type: 'object' } }, $ref: '#/$defs/d0' }
    expect(schemaFaults(bomb)).toEqual([expect.stringContaining('parts with every $ref written out')])
  })

  it('is not held against a payload where the faults alone would fill the memory', () => {
    const tooMuch = [
      expect.stringMatching(/^: has \d+ values and \d+ characters, with the payloads before it too many/),
    ]
    const numbers = Array.from({ length: 20_000 }, (_, i) => i)
    expect(payloadFaults({ items: { const: 'x'.repeat(60_000) } }, numbers)).toEqual(tooMuch)
    const $defs = { a: { const: 'x'.repeat(30_000) } }
    const refs = Array.from({ length: 1000 }, () => ({ $ref: '#/$defs/a' }))
    expect(payloadFaults({ $defs, items: { allOf: refs } }, numbers.slice(0, 40))).toEqual(tooMuch)
    const closed = Array.from({ length: 1300 }, () => ({ additionalProperties: false }))
    expect(payloadFaults({ allOf: closed }, { ['é'.repeat(200_000)]: 1 })).toEqual(tooMuch)
  })

  it('puts no more faults into words than it tells', () => {
    const fields = (n: number, name: string) =>
      Object.fromEntries(Array.from({ length: n }, (_, i) => [`${name.repeat(60)}${i}`, true]))
    const before = process.cpuUsage().user
    const faulty = payloadFaults({ properties: fields(100, 'x'), additionalProperties: false }, fields(1000, 'y'))
    expect(faulty).toHaveLength(21)
    expect(faulty[20]).toBe(': has more faults by payloadSchema than these')
    // Seconds, where a name that was meant is sought for each of a thousand.
    expect((process.cpuUsage().user - before) / 1e6).toBeLessThan(1.5)
  })

  it('finds what a reference points to without a search', () => {
    const names = Array.from({ length: 2000 }, (_, i) => `d${i.toString(36)}`)
    const many = {
      $defs: Object.fromEntries(names.map((name) => [name, {}])),
      allOf: names.slice(-1200).map((name) => ({ $ref: `#/$defs/${name}` })),
    }
    const before = process.cpuUsage().user
    expect(schemaFaults(many)).toEqual([])
    // Seconds, where each reference goes through all definitions.
    expect((process.cpuUsage().user - before) / 1e6).toBeLessThan(1.5)
    const tuple = { prefixItems: [{}, { not: { $ref: '#/prefixItems/0' } }] }
    expect(schemaFaults(tuple)).toEqual([])
    for (const place of ['prefixItems/01', 'prefixItems/length', 'prefixItems/2', '$defs/toString', '$defs', 'not/not'])
      expect(schemaFaults({ ...tuple, $defs: {}, contains: { $ref: `#/${place}` } })).toEqual([
        `contains.$ref: there is no schema at #/${place}`,
      ])
  })

  it('never throws and never changes, whatever it is', () => {
    const word = fc.constantFrom(
      'type',
      'items',
      'properties',
      '$ref',
      '$defs',
      'anyOf',
      'pattern',
      'enum',
      'contains',
      'not',
      'a',
    )
    const leaf = fc.constantFrom<unknown>('string', 'array', '#/$defs/a', '#', '^a+$', 1, true, false, null, [], {})
    const { schema } = fc.letrec((tie) => ({
      schema: fc.dictionary(
        word,
        fc.oneof({ depthSize: 'small' }, leaf, tie('schema'), fc.array(tie('schema'), { maxLength: 3 })),
        { maxKeys: 4 },
      ),
    }))
    fc.assert(
      fc.property(schema, fc.jsonValue(), (candidate, payload) => {
        const before = JSON.stringify(candidate)
        const told = faults(candidate, payload)
        expect(JSON.stringify(candidate)).toBe(before)
        expect(told.every((fault) => /^(payloadSchema|variants\[1\]\.payload)/.test(fault))).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })
})
