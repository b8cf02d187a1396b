import { createRoute, z } from '@hono/zod-openapi'
import { compileRuleset, type ExplainedDecision, explain, type TraceStep, type User } from '@pipit/shared/decide'
import type { AppDeps } from '../context.ts'
import { answers, type Guards, keyParam, moment, newRoutes, query, tellFaults } from '../routing.ts'
import { findRollout } from './rollouts.ts'

const header = z.union([z.string().max(8192), z.array(z.string().max(8192)).max(20)], {
  error: 'must be a string, or a list of them where the header comes more than once',
})

const decideBody = z
  .strictObject({
    user: z
      .union([z.string().min(1).max(256), z.record(z.string(), z.json())], {
        error: 'must be an id, or an object with id, anonymousId and attributes',
      })
      .meta({
        type: ['string', 'object'],
        description: 'An id, or { id, anonymousId, …attributes }, as the application gives it to the SDK',
      }),
    headers: z.record(z.string(), header).optional(),
    cookies: z.record(z.string(), z.string()).optional(),
    at: moment.optional().meta({ description: 'For rules by the time of day; now when absent' }),
  })
  .meta({
    id: 'DecideInput',
    example: { user: { id: 'user-1', country: 'NL' }, headers: { 'X-Canary': 'true' } },
  })

// The document cannot follow a schema that contains itself, so a group's comparisons are not described further.
const comparison = z.object({
  path: z.string(),
  operator: z.string(),
  expected: z.any(),
  actual: z.any(),
  holds: z.boolean(),
  of: z.array(z.any()).readonly().optional(),
})

const stepSchema = z
  .object({
    step: z.string(),
    decided: z.boolean().meta({ description: 'This step decided; it is the last one' }),
    text: z.string().meta({ description: 'The step in words' }),
    name: z.string().optional(),
    unit: z.string().optional(),
    bucket: z.number().optional().meta({ description: 'Where the unit falls: 0 to 99 999' }),
    from: z.number().optional(),
    to: z.number().optional().meta({ description: 'In percent: the buckets from `from` up to, not with, `to`' }),
    comparisons: z.array(comparison).readonly().optional(),
  })
  .meta({ id: 'DecisionStep' })

const explainedSchema = z
  .object({
    rollout: z.string(),
    variant: z.string(),
    payload: z.any(),
    reason: z.string(),
    rule: z.string().optional(),
    stage: z.string().optional(),
    epoch: z.number(),
    version: z.number().meta({ description: 'Of the ruleset' }),
    randomised: z.boolean(),
    unit: z.string().optional(),
    trace: z.array(stepSchema).readonly(),
  })
  .meta({ id: 'ExplainedDecision' })

/** What any user would get, and why: the decision that an SDK with the newest ruleset makes. */
export function decideRoutes(deps: AppDeps, guards: Guards) {
  const decide = createRoute({
    method: 'post',
    path: '/rollouts/{key}/decide',
    summary: 'What a user would get, and why; exposes nobody',
    middleware: guards.ask('viewer', { required: true }),
    request: {
      params: keyParam,
      query: query({}),
      body: { required: true, content: { 'application/json': { schema: decideBody } } },
    },
    responses: answers(explainedSchema, 'The decision, with every step that led to it'),
  })
  /** Compiled rulesets by environment; what has not changed is taken over. */
  const compiled = new Map<string, ReturnType<typeof compileRuleset>>()

  async function compiledOf(environment: string): Promise<ReturnType<typeof compileRuleset>> {
    const { ruleset } = await deps.hub.edition(environment)
    const before = compiled.get(environment)
    if (before?.ruleset === ruleset) return before
    const next = compileRuleset(ruleset, before)
    compiled.set(environment, next)
    return next
  }

  return newRoutes().openapi(
    decide,
    async (c) => {
      const { key } = c.req.valid('param')
      const { environment } = await findRollout(deps, c, key)
      const { user, at, ...context } = c.req.valid('json')
      const { userAgent } = deps
      const here = { userAgent, random: Math.random, now: () => at ?? deps.clock.now() }
      const { slice: _slice, ...explained } = explain(await compiledOf(environment), key, user as User, context, here)
      return c.json(shown(explained), 200)
    },
    tellFaults(decide),
  )
}

/** JSON has no `undefined`: what a user does not have is null. */
function shown(explained: ExplainedDecision): z.infer<typeof explainedSchema> {
  const nulled = (comparison: Comparison): object => ({
    ...comparison,
    expected: comparison.expected ?? null,
    actual: comparison.actual ?? null,
    ...(comparison.of === undefined ? {} : { of: comparison.of.map(nulled) }),
  })
  const trace = explained.trace.map((step) => ({
    ...step,
    ...(step.comparisons === undefined ? {} : { comparisons: step.comparisons.map(nulled) }),
  }))
  const whole: unknown = { ...explained, payload: explained.payload ?? null, trace }
  return whole as z.infer<typeof explainedSchema>
}

type Comparison = NonNullable<TraceStep['comparisons']>[number]
