import { parseDuration } from '@pipit/shared/clock'
import { userAgentFields, weekdays } from '@pipit/shared/rules'
import { z } from 'zod'
import { isStep } from './check.ts'

/**
 * The rollout file, cohorts and metrics as people write them. These schemas validate and are what the OpenAPI document shows;
 * faults that need more than one field are found in `parse.ts`.
 */

export const keyPattern = /^[a-z0-9][a-z0-9._-]{0,63}$/

const key = (what: string) =>
  z
    .string()
    .regex(keyPattern, `must be 1 to 64 lower-case letters, digits, . _ - and start with a letter or digit`)
    .meta({ description: `Key of the ${what}`, example: 'checkout-v2' })

const name = z.string().min(1).max(64)

const durationFault = 'must be a duration such as 30s, 10m, 2h or 1d, at most a year'

/** A duration text such as `10m`, or a number of milliseconds; milliseconds after parsing. */
export const duration = z
  .union([z.string(), z.number()], { error: durationFault })
  .transform((value, context) => {
    const ms = typeof value === 'number' ? value : parseDuration(value)
    if (ms === undefined || !Number.isFinite(ms) || ms < 0 || ms > 366 * 86_400_000) {
      context.addIssue({ code: 'custom', message: durationFault })
      return z.NEVER
    }
    return Math.round(ms)
  })
  .meta({ description: 'A duration: 30s, 10m, 2h, 1d; or a number of milliseconds', example: '30m' })

// The generator of the OpenAPI document cannot follow a schema that contains itself, so its types are named here.
const json: z.ZodType = z.json().meta({ type: ['string', 'number', 'boolean', 'object', 'array', 'null'] })

const condition = z
  .record(z.string(), z.unknown())
  .meta({ description: 'A condition in MongoDB query form', example: { plan: { $in: ['beta'] } } })

// `validateRules` checks rules, and says more of a fault than a schema can; here is what the OpenAPI document shows.
const rule = z.record(z.string(), z.unknown()).meta({
  description:
    'A rule: what it serves to those for whom all its matchers hold; one at least of header, cookie, cohort, when, time, userAgent',
  example: { name: 'qa', header: 'X-Canary', values: ['true'], serve: 'canary' },
  required: ['name', 'serve'],
  properties: {
    name: { type: 'string', description: 'Unique within the rollout' },
    serve: { description: 'A variant, or a split in percent such as { "canary": 10, "stable": 90 }' },
    header: { type: 'string', description: 'Name of a request header, in any case; not together with cookie' },
    cookie: { type: 'string', description: 'Name of a cookie' },
    values: { type: 'array', items: { type: 'string' }, description: 'Any of these values of the header or cookie' },
    condition: { type: 'object', description: 'Operators on its value, e.g. { "$vgte": "4.2" }; instead of values' },
    cohort: { type: 'string', description: 'Key of a cohort' },
    when: { type: 'object', description: "A condition on the user's attributes" },
    time: {
      type: 'object',
      description: 'Hours of the clock of a zone; over midnight where `to` is before `from`',
      required: ['zone'],
      properties: {
        zone: { type: 'string', description: 'IANA name', example: 'Europe/Amsterdam' },
        days: { type: 'array', items: { type: 'string', enum: [...weekdays] } },
        from: { type: 'string', example: '22:00' },
        to: { type: 'string', example: '06:00' },
      },
    },
    userAgent: {
      type: 'object',
      description: `A condition on ${userAgentFields.join(', ')} of the User-Agent header; server SDKs only`,
    },
  },
})

const stage = z
  .strictObject({
    name,
    weight: z
      .number()
      .min(0)
      .max(100)
      .refine(isStep, 'must be in steps of 0.001')
      .meta({ description: 'Share of the remaining users who get the canary, 0 to 100 in steps of 0.001', example: 5 }),
    cohorts: z.array(z.string()).max(100).optional(),
    hold: duration.optional(),
    maxHold: duration.optional(),
    approval: z.boolean().optional(),
    minUnits: z.number().int().min(0).max(1e9).optional(),
  })
  .meta({ id: 'Stage' })

const margin = z
  .strictObject({
    relative: z.number().positive().max(1000).optional(),
    absolute: z.number().positive().max(1).optional(),
  })
  .meta({
    id: 'Margin',
    description: 'A ratio to stable, a difference of rates, or both: either suffices to be within',
    example: { relative: 1.5 },
  })

const limit = z
  .strictObject({ above: z.number().optional(), below: z.number().optional() })
  .refine(({ above, below }) => (above === undefined) !== (below === undefined), 'must have either above or below')
  .meta({
    id: 'Limit',
    description:
      'A bound without a comparison: a rate (0 to 1), milliseconds for latencies, the unit of the metric otherwise',
    example: { above: 0.05 },
  })

const guard = z
  .strictObject({
    metric: z.string().min(1).max(64),
    worseThan: margin.optional(),
    never: limit.optional(),
    action: z.enum(['revert', 'pause', 'alert']),
    null: z.enum(['stable', 'margin']).optional(),
    weight: z.number().positive().max(1000).optional(),
  })
  .meta({ id: 'Guard' })

const gate = z
  .strictObject({
    metric: z.string().min(1).max(64),
    noWorseThan: margin.optional(),
    betterThan: z
      .strictObject({ relative: z.number().positive().max(1000) })
      .optional()
      .meta({ description: 'The ratio to stable that the canary must be shown to be better than; 1: better at all' }),
    weight: z.number().positive().max(1000).optional(),
  })
  .meta({ id: 'Gate' })

const event = z.string().min(1).max(128)
const metricFields = {
  key: key('metric'),
  description: z.string().max(2000).optional(),
  better: z
    .enum(['higher', 'lower'])
    .optional()
    .meta({ description: 'Which way is good; higher unless said otherwise' }),
}
const cap = z.number().positive().optional().meta({
  description: 'The most one unit adds in a stage, alike in both arms: keeps a few large values from drowning the rest',
})
const eventSum = z.strictObject({ event, of: z.enum(['value', 'count']) }).meta({ id: 'EventSum' })

const expression = z.string().min(1).max(4000)
const externalQuery = z
  .strictObject({
    prometheus: z.url({ protocol: /^https?$/, error: 'must be an http or https address' }).max(1000),
    canary: expression,
    stable: expression,
    every: duration.optional(),
  })
  .meta({
    id: 'ExternalQuery',
    description:
      'Instant queries of a Prometheus, one number for each arm; without it the figures are sent to /observations',
  })

const metricFault = 'must have kind conversion, sum, count, mean, ratio or external'

/** Schemas of the kinds of metric with changes to the fields that all have. */
function metricKinds<F extends z.ZodRawShape>(fields: F) {
  const windowed = { ...fields, window: duration.optional() }
  return z.discriminatedUnion(
    'kind',
    [
      z.strictObject({ ...windowed, kind: z.literal('conversion'), event }),
      z.strictObject({ ...windowed, kind: z.enum(['sum', 'count', 'mean']), event, cap }),
      z.strictObject({ ...windowed, kind: z.literal('ratio'), numerator: eventSum, denominator: eventSum, cap }),
      z.strictObject({ ...fields, kind: z.literal('external'), query: externalQuery.optional() }),
    ],
    { error: metricFault },
  )
}

export const metricSchema = metricKinds(metricFields).meta({
  id: 'MetricInput',
  example: { key: 'purchase', kind: 'conversion', event: 'purchase' },
})

/** A metric that is named by its address: the key may be left out, the version it replaces may be told. */
export const metricPutSchema = metricKinds({
  ...metricFields,
  key: metricFields.key.optional(),
  version: z.number().int().min(1).optional(),
}).meta({ id: 'MetricPut', description: 'The whole metric: what is left out goes back to its default' })

const checkAction = z.enum(['revert', 'pause', 'hold', 'alert']).optional()
const checks = z
  .strictObject({
    sampleRatio: checkAction,
    missingReports: checkAction,
    bothArms: checkAction,
    tooFewUnits: checkAction,
    staleEvidence: checkAction,
    noData: checkAction,
    sharedIncident: checkAction,
  })
  .meta({ id: 'Checks', description: 'What each check on the evidence does when it fails' })

const variant = z
  .strictObject({ name, share: z.number().positive().max(1e6).optional(), payload: json.optional() })
  .meta({ id: 'Variant' })

const payloadSchema = z
  .record(z.string(), json, { error: 'must be an object with the keywords of a JSON Schema' })
  .meta({
    description:
      'JSON Schema (draft 2020-12) that every payload meets; with it every variant but stable has a payload. `$ref` stays inside, patterns are those of conditions',
    example: {
      type: 'object',
      properties: { color: { type: 'string' } },
      required: ['color'],
      additionalProperties: false,
    },
  })

const analysis = z
  .strictObject({
    tick: duration.optional(),
    alpha: z.number().min(0.0001).max(0.2).optional(),
    warmup: duration.optional(),
    armNoise: z.number().min(0).max(1).optional(),
    maxMargin: z.number().min(1.01).max(100).optional(),
  })
  .meta({ id: 'AnalysisSettings' })

const path = z.string().min(1).max(128)
const percent = z.number().min(0).max(100).refine(isStep, 'must be in steps of 0.001')

const unit = z.union([path, z.array(path).min(1).max(4)]).meta({
  description:
    'The attribute that is assigned, a dotted path, or up to four of which the first that a user has counts; id when absent',
  example: ['account.id', 'id'],
})

const assign = z.enum(['unit', 'request']).meta({
  description:
    'request: each request is dealt out by itself, and nobody stays in an arm; not for metrics that count units',
})

const prerequisites = z
  .array(z.strictObject({ rollout: key('rollout'), variant: name.optional() }))
  .max(10)
  .meta({
    description: 'Only for those who have this variant (any but stable where none is named) of each of these rollouts',
    example: [{ rollout: 'checkout-v2', variant: 'canary' }],
  })

const layer = z.strictObject({ name: key('layer'), from: percent, to: percent }).meta({
  description:
    'Only for this part of a layer, in percent: rollouts in other parts of the same layer never meet the same unit',
  example: { name: 'search', from: 0, to: 50 },
})

export const rolloutSchema = z
  .strictObject({
    key: key('rollout'),
    description: z.string().max(2000).optional(),
    unit: unit.optional(),
    assign: assign.optional(),
    prerequisites: prerequisites.optional(),
    layer: layer.optional(),
    variants: z.array(variant).min(2).max(20).optional(),
    payloadSchema: payloadSchema.optional(),
    rules: z.array(rule).max(100).optional(),
    stages: z.array(stage).min(1, 'must have at least one stage').max(50),
    guards: z.array(guard).max(20).optional(),
    gates: z.array(gate).max(20).optional(),
    metrics: z.array(metricSchema).max(20).optional(),
    revertTo: z.enum(['zero', 'previous-stage']).optional(),
    onInconclusive: z.enum(['pause', 'advance', 'revert']).optional(),
    breaker: z.boolean().optional(),
    deadman: duration.optional(),
    unitSample: z.number().gt(0).max(1).optional(),
    browser: z.boolean().optional().meta({
      description:
        'Pages with a web key are told of it: phase, weight, salt, arms and payloads, and what was decided for their own user; never its rules, cohorts or overrides',
    }),
    slices: z.array(z.string().min(1).max(64)).max(4).optional(),
    checks: checks.optional(),
    analysis: analysis.optional(),
  })
  .meta({ id: 'RolloutInput' })

export const cohortSchema = z
  .strictObject({
    key: key('cohort'),
    description: z.string().max(2000).optional(),
    when: condition.optional(),
    members: z.array(z.string().min(1).max(256)).max(1_000_000).optional(),
  })
  .meta({ id: 'CohortInput', example: { key: 'beta', when: { plan: 'beta' } } })

export type RolloutInput = z.infer<typeof rolloutSchema>
