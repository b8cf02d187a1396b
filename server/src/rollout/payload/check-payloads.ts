import { type OutputUnit, Validator } from '@cfworker/json-schema'
import type { Issue, JsonValue } from '@pipit/shared/base'
import { regexWork, type Variant } from '@pipit/shared/rules'
import { pathText } from '../wording.ts'
import { checkSchema, countValues, everywhere, partsOf } from './check-schema.ts'
import { issuesOfUnits } from './fault-wording.ts'
import { isObject, type JsonSchema } from './keywords.ts'

export const payloadLimits = {
  /** Parts of the schema times values of the payload. */
  comparisons: 250_000,
  /** Steps of the schema's patterns on the payload's texts: some hundred milliseconds. */
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
  return variants.flatMap(({ name, payload }, i) => {
    const path = ['variants', i, 'payload']
    if (payload !== undefined) return payloadFaults(validator, payloadSchema, payload, path)
    if (name === 'stable') return []
    const message = 'is missing; where there is a payloadSchema every variant but stable has a payload'
    return [{ path: pathText(path), message }]
  })
}

/** The validator writes into the schema it is given, so it gets its own. */
function validatorOf(schema: JsonSchema): Validator {
  return new Validator(JSON.parse(JSON.stringify(schema)) as object, '2020-12', false)
}

function payloadFaults(
  validator: Validator,
  schema: JsonSchema,
  payload: JsonValue,
  path: readonly (string | number)[],
): readonly Issue[] {
  const tooMuch = boundFault(schema, payload)
  if (tooMuch !== undefined) return [{ path: pathText(path), message: tooMuch }]
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
  const issues = issuesOfUnits(units, { schema, payload, path })
  if (issues.length <= payloadLimits.faults) return issues
  const more = `has ${issues.length - payloadLimits.faults} more faults by payloadSchema`
  return [...issues.slice(0, payloadLimits.faults), { path: pathText(path), message: more }]
}

/** Why a payload is not checked at all: it would take too long. */
function boundFault(schema: JsonSchema, payload: JsonValue): string | undefined {
  const values = countValues(payload)
  const parts = partsOf(schema)
  const unique = everywhere(schema, (keyword, value) => (keyword === 'uniqueItems' && value === true ? [keyword] : []))
  const comparisons = parts * values + (unique.length === 0 ? 0 : unique.length * pairsIn(payload))
  if (comparisons > payloadLimits.comparisons) {
    return `has ${values} values, too many to check by a schema of ${parts} parts${unique.length > 0 ? ' with uniqueItems' : ''}; make either smaller`
  }
  const patterns = everywhere(schema, (keyword, value) => {
    if (keyword === 'patternProperties' && isObject(value)) return Object.keys(value)
    return keyword === 'pattern' ? [String(value)] : []
  })
  const lengths = textLengths(payload)
  let steps = 0
  for (const pattern of patterns) for (const [length, count] of lengths) steps += count * regexWork(pattern, length)
  if (steps <= payloadLimits.patternSteps) return undefined
  return `has texts of up to ${Math.max(...lengths.keys())} characters, too long or too many for the patterns of payloadSchema; start the patterns with ^, or shorten the texts`
}

/** Comparisons of entries of lists with each other, by their sizes. */
function pairsIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const own = Array.isArray(value) ? value.length * countValues(value) : 0
  return Object.values(value).reduce<number>((sum, item) => sum + pairsIn(item), own)
}

/** How many texts (values and names of fields) there are of each length, lengths rounded up to powers of two. */
function textLengths(payload: JsonValue): ReadonlyMap<number, number> {
  const counts = new Map<number, number>()
  function add(text: string): void {
    const length = 2 ** Math.ceil(Math.log2(Math.max(1, text.length)))
    counts.set(length, (counts.get(length) ?? 0) + 1)
  }
  function look(value: unknown): void {
    if (typeof value === 'string') add(value)
    if (typeof value !== 'object' || value === null) return
    for (const [name, item] of Object.entries(value)) {
      if (!Array.isArray(value)) add(name)
      look(item)
    }
  }
  look(payload)
  return counts
}
