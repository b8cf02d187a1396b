/** What `pipit types` writes compiles, and every payload that the server takes is of the type that is declared for it. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { declarations } from '@pipit/server/cli'
import { parseRollout, type RolloutDefinition } from '@pipit/server/rollout'
import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
mkdirSync(join(root, '.tmp'), { recursive: true })
const folder = mkdtempSync(join(root, '.tmp', 'declarations-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const word = fc.constantFrom('a', 'b', 'c', 'content-type', "it's", '1', 'new', 'ünï', 'a"\\\n', '\ud800')
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<unknown>('a', 'b', '', "it's", 'a"\\\n', '\u2028*/', 1, 0, -2.5, 1e21, true, false, null),
    fc.array(tie('any'), { maxLength: 3 }),
    fc.dictionary(word, tie('any'), { maxKeys: 3, noNullPrototype: true }),
  ),
})).any

const optional = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(model, { requiredKeys: [] })
const schemaArbitrary = fc.letrec((tie) => {
  const inner = tie('schema')
  const some = fc.array(inner, { minLength: 1, maxLength: 3 })
  return {
    schema: fc.oneof(
      { maxDepth: 4 },
      fc.boolean(),
      fc.constant({ $ref: '#/$defs/one' }),
      optional({
        type: fc.constantFrom<unknown>(
          'string',
          'number',
          'integer',
          'boolean',
          ['string', 'null'],
          ['object', 'array'],
        ),
        enum: fc.array(value, { minLength: 1, maxLength: 3 }),
        description: fc.constantFrom('a field', '*/ export type Injected = 1 /*'),
      }),
      fc.record({ const: value }),
      fc.record(
        {
          type: fc.constant('object'),
          properties: fc.dictionary(word, inner, { maxKeys: 3, noNullPrototype: true }),
          // At least one: of a type with optional fields alone TypeScript takes no value that has none of them.
          required: fc.uniqueArray(word, { minLength: 1, maxLength: 2 }),
          additionalProperties: inner,
        },
        { requiredKeys: ['type', 'required'] },
      ),
      optional({ type: fc.constant('object'), additionalProperties: inner }),
      fc.record(
        { type: fc.constant('array'), items: inner, prefixItems: some, minItems: fc.nat(2) },
        { requiredKeys: ['type'] },
      ),
      optional({
        allOf: some,
        anyOf: some,
        oneOf: some,
        not: inner,
        type: fc.constantFrom('object', 'array', 'string'),
      }),
    ),
  }
}).schema

/** A rollout with as many of the payloads as its schema takes, as the server would have it. */
const rolloutArbitrary = fc
  .record({
    schema: fc.option(schemaArbitrary, { nil: undefined }),
    one: fc.oneof(value, fc.constant({ type: 'number' })),
    payloads: fc.array(value, { minLength: 1, maxLength: 6 }),
    description: fc.constantFrom('', 'why *', 'two\nlines */'),
  })
  .map(({ schema, one, payloads, description }): RolloutDefinition | undefined => {
    const payloadSchema =
      typeof schema === 'object' && schema !== null && JSON.stringify(schema).includes('#/$defs/one')
        ? { ...schema, $defs: { one: typeof one === 'object' && one !== null && 'type' in one ? one : { const: one } } }
        : schema
    const rollout = {
      key: 'k',
      description,
      ...(payloadSchema === undefined ? {} : { payloadSchema }),
      stages: [{ name: 'all', weight: 100 }],
    }
    const arms = payloads.map((payload, i) => ({ name: `arm ${i}'`, payload }))
    const taken = arms.filter((arm) => parseRollout({ ...rollout, variants: [{ name: 'stable' }, arm] }).ok)
    const parsed = parseRollout({ ...rollout, variants: [{ name: 'stable' }, ...taken] })
    return parsed.ok ? parsed.definition : undefined
  })

function compile(rollouts: readonly RolloutDefinition[]): string {
  writeFileSync(join(folder, 'rollouts.d.ts'), declarations('production', rollouts))
  const uses = rollouts.flatMap(({ key, variants }) =>
    variants.flatMap(({ payload }, i) =>
      payload === undefined
        ? []
        : [
            `const ${key}_${i} = [${JSON.stringify(payload)}] as const`,
            `export const ${key}_${i}_typed: Exclude<Rollouts['${key}']['payload'], undefined> = ${key}_${i}[0]`,
          ],
    ),
  )
  writeFileSync(join(folder, 'uses.ts'), ["import type { Rollouts } from './rollouts.d.ts'", ...uses].join('\n'))
  const compilerOptions = {
    target: 'es2023',
    lib: ['es2023'],
    types: [],
    module: 'nodenext',
    strict: true,
    noEmit: true,
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['uses.ts', 'rollouts.d.ts'] }))
  const { stdout } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder, '--pretty', 'false'], {
    encoding: 'utf8',
  })
  const lines = stdout.split('\n').filter((line) => /error TS/.test(line))
  return lines.join('\n')
}

it('declares types that compile, and that every payload taken by the server has', () => {
  const seed = Math.floor(Math.random() * 2 ** 31)
  const found = fc.sample(rolloutArbitrary, { numRuns: 3000, seed })
  const rollouts = found.flatMap((rollout, i) => (rollout === undefined ? [] : [{ ...rollout, key: `k${i}` }]))
  expect(compile(rollouts), `seed ${seed}`).toBe('')
  // The test says something only where schemas and payloads came together.
  const met = rollouts.filter(({ payloadSchema }) => payloadSchema !== undefined)
  expect(met.flatMap(({ variants }) => variants.slice(1)).length).toBeGreaterThan(100)
})
