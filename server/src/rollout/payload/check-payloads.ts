import { type OutputUnit, Validator } from '@cfworker/json-schema'
import type { Issue, JsonValue } from '@pipit/shared/base'
import { regexWork, type Variant } from '@pipit/shared/rules'
import { pathText } from '../wording.ts'
import { checkSchema, countValues, everywhere, partsOf } from './check-schema.ts'
import { issuesOfUnits, type Where } from './fault-wording.ts'
import { holdsSchemas, isObject, type JsonSchema } from './keywords.ts'

/** Of all payloads of a rollout together. */
const payloadLimits = {
  /** Parts of the schema times values of the payload. */
  comparisons: 250_000,
  /** Parts of the schema times characters of the payload, and the other way round: of a fault the validator writes both down. */
  characters: 20_000_000,
  /** Steps of the schema's patterns on the payload's texts: below a tenth of a second on the worst that were tried. */
  patternSteps: 50_000_000,
  /** Faults that are told of one payload. */
  faults: 20,
} as const

interface Checked {
  readonly payloadSchema?: JsonSchema
  readonly variants: readonly Variant[]
}

/**
 * Faults of the payload schema and of the payloads by it. `stable` may go without a payload: it is what there was before. Every other
 * variant needs one where there is a schema.
 */
export function checkPayloads({ payloadSchema, variants }: Checked): readonly Issue[] {
  if (payloadSchema === undefined) return []
  const faults = checkSchema(payloadSchema, ['payloadSchema'])
  if (faults.length > 0) return faults
  const validator = validatorOf(payloadSchema)
  const bound = boundOf(payloadSchema)
  return variants.flatMap(({ name, payload }, i) => {
    const path = ['variants', i, 'payload']
    if (payload !== undefined) {
      const tooMuch = bound(payload)
      if (tooMuch !== undefined) return [{ path: pathText(path), message: tooMuch }]
      return payloadFaults(validator, { schema: payloadSchema, payload, path })
    }
    if (name === 'stable') return []
    const message = 'is missing; where there is a payloadSchema every variant but stable has a payload'
    return [{ path: pathText(path), message }]
  })
}

/** The validator writes into the schema it is given, so it gets its own. */
function validatorOf(schema: JsonSchema): Validator {
  return new Validator(JSON.parse(JSON.stringify(schema)) as object, '2020-12', false)
}

function payloadFaults(validator: Validator, where: Where): readonly Issue[] {
  const { payload, path } = where
  let units: readonly OutputUnit[]
  try {
    units = validator.validate(payload).errors
  } catch (error) {
    // So many faults that they do not fit into one call, or a name with half a character.
    if (!(error instanceof RangeError || error instanceof URIError)) throw error
    const message =
      error instanceof URIError
        ? 'has a field whose name is no Unicode text'
        : 'does not meet payloadSchema in very many places'
    return [{ path: pathText(path), message }]
  }
  const { faults } = payloadLimits
  const issues = issuesOfUnits(units, where, faults + 1)
  if (issues.length <= faults) return issues
  return [...issues.slice(0, faults), { path: pathText(path), message: 'has more faults by payloadSchema than these' }]
}

/** Says why a payload is not checked at all, if with those before it that would take too long. */
function boundOf(schema: JsonSchema): (payload: JsonValue) => string | undefined {
  const parts = partsOf(schema)
  const uniques = everywhere(schema, (keyword, value) => (keyword === 'uniqueItems' && value === true ? [keyword] : []))
  const patterns = tally(
    everywhere(schema, (keyword, value) => {
      if (keyword === 'patternProperties' && isObject(value)) return Object.keys(value)
      return keyword === 'pattern' ? [String(value)] : []
    }),
  )
  const operands = everywhere(schema, (keyword, value) => (holdsSchemas(keyword) ? [] : [JSON.stringify(value).length]))
  const inSchema = operands.reduce((sum, length) => sum + length, 0)
  let comparisons = 0
  let characters = 0
  let steps = 0
  return (payload) => {
    const values = countValues(payload)
    const { length: inPayload } = JSON.stringify(payload)
    characters += parts * inPayload + values * inSchema
    if (characters > payloadLimits.characters)
      return `has ${values} values and ${inPayload} characters, with the payloads before it too many to check by a schema of ${parts} parts that name ${inSchema} characters; make either smaller`
    comparisons += parts * values + (uniques.length === 0 ? 0 : uniques.length * pairsIn(payload))
    if (comparisons > payloadLimits.comparisons) {
      const unique = uniques.length > 0 ? ' with uniqueItems' : ''
      return `has ${values} values, with the payloads before it too many to check by a schema of ${parts} parts${unique}; make either smaller`
    }
    const lengths = tally(textsIn(payload).map((text) => 2 ** Math.ceil(Math.log2(Math.max(1, text.length)))))
    for (const [pattern, places] of patterns) {
      for (const [length, texts] of lengths) {
        steps += places * texts * regexWork(pattern, length)
        if (steps > payloadLimits.patternSteps)
          return 'has texts that are too long or too many for the patterns of payloadSchema; start the patterns with ^, or shorten the texts'
      }
    }
    return undefined
  }
}

/** How often each is there. */
function tally<T>(items: readonly T[]): ReadonlyMap<T, number> {
  const counts = new Map<T, number>()
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1)
  return counts
}

/** Comparisons of entries of lists with each other, by their sizes. */
function pairsIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const own = Array.isArray(value) ? value.length * countValues(value) : 0
  return Object.values(value).reduce<number>((sum, item) => sum + pairsIn(item), own)
}

/** Texts that a pattern may be held against: values, and names of fields. */
function textsIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  const names = Array.isArray(value) ? [] : Object.keys(value)
  return [...names, ...Object.values(value).flatMap(textsIn)]
}
