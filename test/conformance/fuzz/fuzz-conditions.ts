import type { JsonValue } from '@pipit/shared/base'
import { type Condition, regexFault } from '@pipit/shared/rules'
import fc from 'fast-check'

export const texts = fc.constantFrom('free', 'pro', 'beta', 'internal', 'NL', 'DE', '')
export const tags = fc.constantFrom('a', 'b', 'c')
export const numbers = fc.oneof(fc.integer({ min: -2, max: 40 }), fc.constantFrom(0.5, 17.5))

/** Conditions whose meaning on typed attributes is beyond doubt: `model.ts` says it again. */
const textTest: fc.Arbitrary<JsonValue> = fc.oneof(
  texts,
  fc.record({ $eq: texts }),
  fc.record({ $ne: texts }),
  fc.record({ $in: fc.array(texts, { maxLength: 3 }) }),
  fc.record({ $nin: fc.array(texts, { maxLength: 3 }) }),
  fc.record({ $exists: fc.boolean() }),
  fc.record({ $in: fc.array(texts, { maxLength: 3 }), $ne: texts }),
)
const numberTest: fc.Arbitrary<JsonValue> = fc.oneof(
  fc.record({ $gt: numbers }),
  fc.record({ $gte: numbers }),
  fc.record({ $lt: numbers }),
  fc.record({ $lte: numbers }),
  fc.record({ $gte: numbers, $lt: numbers }),
  fc.record({ $not: fc.record({ $gt: numbers }) }),
)
const tagTest: fc.Arbitrary<JsonValue> = fc.oneof(
  tags,
  fc.record({ $ne: tags }),
  fc.record({ $in: fc.array(tags, { maxLength: 2 }) }),
  fc.record({ $nin: fc.array(tags, { maxLength: 2 }) }),
  fc.record({ $all: fc.array(tags, { maxLength: 2 }) }),
  fc.record({ $size: fc.integer({ min: 0, max: 3 }) }),
)
/** Any of the fields may be left out. */
export const some = { requiredKeys: [] as [] }
const fields = fc.record(
  { plan: textTest, country: textTest, age: numberTest, 'app.level': numberTest, tags: tagTest },
  some,
)
export const { plain } = fc.letrec<{ plain: { [key: string]: JsonValue } }>((tie) => ({
  plain: fc.oneof(
    { maxDepth: 2, depthSize: 'small' },
    { weight: 4, arbitrary: fields as fc.Arbitrary<{ [key: string]: JsonValue }> },
    fc.record({ $and: fc.array(tie('plain'), { maxLength: 2 }) }),
    fc.record({ $or: fc.array(tie('plain'), { maxLength: 2 }) }),
    fc.record({ $nor: fc.array(tie('plain'), { maxLength: 2 }) }),
    fc.record({ $not: tie('plain') }),
  ),
}))

/** Any operator on anything. That it answers the same everywhere, and never throws, is all that is asked of it. */
export const operators = [
  ...['$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$in', '$nin', '$exists', '$type', '$size', '$all', '$elemMatch'],
  ...['$veq', '$vne', '$vgt', '$vgte', '$vlt', '$vlte', '$ini', '$nini', '$alli', '$inCidr', '$notInCidr'],
  ...['$inGroup', '$notInGroup', '$not', '$and', '$or', '$nor', '$later'],
]
export const operands = fc.oneof(
  fc.constantFrom<JsonValue[]>(
    '1.2.3',
    'v2',
    '1.2.3-rc.1',
    '10.0.0.0/8',
    '::1',
    '2024-01-31T10:00:00Z',
    '1704067200',
    'insiders',
    'İ',
  ),
  fc.jsonValue({ maxDepth: 2, noUnicodeString: false }) as fc.Arbitrary<JsonValue>,
  numbers,
)
const pattern = fc
  .array(
    fc.constantFrom('a', 'B', '1', '.', '\\d', '\\w', '[a-c]', '[^b]', '(?:a|b)', '*', '+', '?', '{2}', '^', '$', 'é'),
    {
      maxLength: 6,
    },
  )
  .map((parts) => parts.join(''))
  .filter((text) => regexFault(text) === undefined)
const { wild } = fc.letrec<{ wild: JsonValue }>((tie) => ({
  wild: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    operands,
    fc.tuple(fc.constantFrom(...operators), tie('wild')).map(([name, operand]) => ({ [name]: operand })),
    fc
      .tuple(fc.constantFrom(...operators), fc.array(tie('wild'), { maxLength: 2 }))
      .map(([name, list]) => ({ [name]: list })),
    fc.tuple(fc.constantFrom('$regex', '$regexi'), pattern).map(([name, text]) => ({ [name]: text })),
  ),
}))
export const wildCondition: fc.Arbitrary<Condition> = fc
  .tuple(fc.constantFrom('plan', 'age', 'tags', 'app.level', 'junk', 'junk.a', 'tags.0', 'id', '$or', '$not'), wild)
  .map(([name, test]) => ({ [name]: test }))
