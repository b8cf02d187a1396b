import { type Rule, weekdays } from '@pipit/shared/rules'
import fc from 'fast-check'
import { operands, operators, plain, some, wildCondition } from './fuzz-conditions.ts'

export const cohortKeys = ['insiders', 'listed', 'both'] as const

export const share = fc.oneof(
  fc.constantFrom(0, 10, 50, 90, 100),
  fc.integer({ min: 0, max: 100_000 }).map((ppm) => ppm / 1000),
)
const serve = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('canary', 'stable', 'bold', 'unheard-of') },
  fc.record({ canary: share, stable: share }),
  fc.record({ canary: share, bold: share }, some),
)
const headerName = fc.constantFrom('x-canary', 'X-Canary', 'accept', 'constructor')
export const headerValue = fc.constantFrom('true', 'v2', '')
/** A rule without its name, by which it is told whether the model knows its meaning. */
const knownRule = fc.oneof(
  fc.record({ serve, when: plain }),
  fc.record({ serve, cohort: fc.constantFrom(...cohortKeys, 'missing', 'toString') }),
  fc.record(
    { serve, header: headerName, values: fc.array(headerValue, { maxLength: 2 }) },
    { requiredKeys: ['serve', 'header'] },
  ),
  fc.record(
    { serve, cookie: fc.constantFrom('beta', 'constructor'), values: fc.array(headerValue, { maxLength: 2 }) },
    { requiredKeys: ['serve', 'cookie'] },
  ),
  fc.record({ serve, cohort: fc.constantFrom(...cohortKeys), when: plain }),
  fc.record({ serve, when: plain, later: fc.constant(true) }),
)
const wildRule = fc.oneof(
  { weight: 6, arbitrary: fc.record({ serve, when: wildCondition }) },
  fc.record({
    serve,
    header: headerName,
    condition: fc.tuple(fc.constantFrom(...operators), operands).map(([name, value]) => ({ [name]: value })),
  }),
  fc.record({
    serve,
    time: fc.record(
      {
        zone: fc.constantFrom('Europe/Amsterdam', 'America/New_York', 'Asia/Kathmandu', 'UTC', 'Nowhere/None'),
        days: fc.subarray([...weekdays], { minLength: 1 }),
        from: fc.constantFrom('00:00', '08:30', '22:00'),
        to: fc.constantFrom('06:00', '17:15'),
      },
      { requiredKeys: ['zone', 'from'] },
    ),
  }),
)
export const isWild = (rule: Rule): boolean => rule.name.startsWith('wild')
export const rules = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: knownRule.map((rule) => ({ kind: 'known', rule })) },
      { weight: 1, arbitrary: wildRule.map((rule) => ({ kind: 'wild', rule })) },
    ),
    {
      maxLength: 4,
    },
  )
  .map((list) => list.map(({ kind, rule }, i) => ({ name: `${kind} ${i}`, ...rule }) as Rule))
