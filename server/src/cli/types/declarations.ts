import type { JsonValue } from '@pipit/shared/base'
import type { JsonSchema } from '../../rollout/index.ts'
import { schemaType } from './schema-type.ts'
import { commentText, plain, quoted, type Type, typeText, union } from './type-text.ts'
import { shapeOf } from './value-type.ts'

/** A rollout as `GET /rollouts/{key}` shows its definition, as far as declarations need it. */
export interface DeclaredRollout {
  readonly key: string
  readonly description?: string
  readonly variants: readonly { readonly name: string; readonly payload?: JsonValue }[]
  readonly payloadSchema?: JsonSchema
}

/**
 * The declaration file of an environment's rollouts. The same rollouts, in whatever order, give the same text. A payload may always be
 * `undefined`: it is while there is no ruleset, and for a rollout that is gone.
 */
export function declarations(environment: string, rollouts: readonly DeclaredRollout[]): string {
  const sorted = rollouts.toSorted((a, b) => (a.key < b.key ? -1 : 1))
  return [
    '/**',
    ` * The rollouts of ${environment}: their keys, variants and payloads, for \`createClient<Rollouts>\` of Pipit's SDKs.`,
    ` * Made by \`pipit types --environment ${environment} -o <this file>\`; run it again where rollouts change, edits are lost.`,
    ' */',
    'export interface Rollouts {',
    ...sorted.map(declaration),
    '}',
    '',
  ].join('\n')
}

function declaration({ key, description, variants, payloadSchema }: DeclaredRollout): string {
  const names = variants.map(({ name }) => quoted(name)).join(' | ')
  return [
    `${commentText(description, '  ')}  readonly ${quoted(key)}: {`,
    `    readonly variant: ${names}`,
    `    readonly payload: ${typeText(payloadType(variants, payloadSchema), '    ')}`,
    '  }',
  ].join('\n')
}

function payloadType(variants: DeclaredRollout['variants'], schema: JsonSchema | undefined): Type {
  const payloads = variants.flatMap(({ payload }) => (payload === undefined ? [] : [payload]))
  return union([schema === undefined ? shapeOf(payloads) : schemaType(schema), plain('undefined')])
}
