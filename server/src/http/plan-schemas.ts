import { z } from '@hono/zod-openapi'

const share = (description: string) => z.number().min(0).max(1).optional().meta({ description })

const trafficSchema = z
  .strictObject({
    requestsPerSecond: z.number().min(0).max(1e9).meta({ description: 'Of both arms together', example: 400 }),
    usersPerSecond: z
      .number()
      .min(0)
      .max(1e9)
      .optional()
      .meta({ description: 'Users (units) that come into the comparison per second, each once a stage', example: 20 }),
    errorRate: share('Share of requests that fail'),
    conversionRate: share('Share of users that convert, for every conversion that `metrics` does not name'),
    dispersion: z
      .number()
      .min(1)
      .max(10_000)
      .optional()
      .meta({ description: 'Over-dispersion of requests: 1 where those of one user are independent' }),
    latency: z
      .strictObject({ p50: z.number().positive().max(1e9), p99: z.number().positive().max(1e9) })
      .refine(({ p50, p99 }) => p99 > p50, 'must have a p99 above the p50')
      .optional()
      .meta({ description: 'Quantiles of stable in milliseconds' }),
    metrics: z
      .record(
        z.string(),
        z.strictObject({
          rate: share('For rates and conversions'),
          mean: z.number().min(-1e12).max(1e12).optional(),
          sd: z.number().min(0).max(1e12).optional(),
        }),
      )
      .optional()
      .meta({ description: 'Figures of stable by metric: a rate, or mean and standard deviation per user' }),
  })
  .meta({ id: 'PlanTraffic' })

export const planSchema = z
  .strictObject({
    rollout: z.record(z.string(), z.unknown()).meta({
      description: 'A rollout file as in POST /rollouts, or `{ "key": … }` alone: one of the environment',
      example: { key: 'checkout-v2' },
    }),
    traffic: trafficSchema.optional(),
    effects: z
      .array(
        z.strictObject({
          metric: z.string().min(1).max(64),
          factor: z
            .number()
            .positive()
            .max(1e6)
            .meta({ description: "The canary's figure over stable's; for a success rate, of failures", example: 2 }),
        }),
      )
      .max(50)
      .optional(),
  })
  .meta({ id: 'PlanInput' })

const margin = z.object({ relative: z.number().optional(), absolute: z.number().optional() })
const arms = z.object({ canary: z.number(), stable: z.number() })
const time = z.object({ canary: z.number(), seconds: z.number() }).optional()
const effect = { metric: z.string(), factor: z.number(), name: z.string(), detected: z.number() }
const sentences = z.array(z.string()).readonly()

const stagePlan = z.object({
  stage: z.string(),
  weight: z.number(),
  requests: arms,
  units: arms.optional(),
  metrics: z
    .array(
      z.object({
        metric: z.string(),
        asked: margin.optional(),
        inForce: margin.optional(),
        feasible: z.number().optional(),
        monitorOnly: z.boolean(),
        passedAtHalf: z.number().optional(),
        passedAtEnd: z.number().optional(),
      }),
    )
    .readonly(),
  medianSeconds: z.number().optional(),
  p90Seconds: z.number().optional(),
  passes: z.number(),
  effects: z
    .array(
      z.object({
        ...effect,
        median: time,
        p90: time,
        damage: z.number().optional(),
        waldBound: z.number().optional(),
        fixedSample: z.number().optional(),
      }),
    )
    .readonly(),
  warnings: sentences,
})

export const rolloutPlanSchema = z
  .object({
    traffic: trafficSchema,
    /** Whence the traffic is. */
    source: z.enum(['given', 'measured']),
    stages: z.array(stagePlan).readonly(),
    medianSeconds: z.number().optional(),
    p90Seconds: z.number().optional(),
    passes: z.number(),
    effects: z.array(z.object(effect)).readonly(),
    warnings: sentences,
  })
  .meta({ id: 'RolloutPlan' })
