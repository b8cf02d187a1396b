import { createRoute, z } from '@hono/zod-openapi'
import type { AppDeps } from '../context.ts'
import { HttpProblem, invalid } from '../problem.ts'
import { answers, type Guards, keyParam, newRoutes, query, tellFaults } from '../routing.ts'

const observation = z
  .strictObject({
    metric: z
      .string()
      .min(1)
      .max(64)
      .meta({ description: 'Key of an external metric that a guard or gate of the rollout names' }),
    variant: z.string().min(1).max(64).meta({ example: 'canary' }),
    value: z.number().min(-1e15).max(1e15),
  })
  .meta({ id: 'Observation' })
const body = z
  .strictObject({ observations: z.array(observation).min(1).max(1000) })
  .meta({ id: 'Observations', description: 'All are taken, or none' })
const taken = z.object({ taken: z.number().int() })

/** Figures that somebody else measures, for external metrics. */
export function observationRoutes(deps: AppDeps, guards: Guards) {
  const observe = createRoute({
    method: 'post',
    path: '/rollouts/{key}/observations',
    summary: 'Tells figures of external metrics, as of now',
    middleware: guards.write('operator', { required: true }),
    request: {
      params: keyParam,
      query: query({}),
      body: { required: true, content: { 'application/json': { schema: body } } },
    },
    responses: answers(taken, 'How many were taken'),
  })
  return newRoutes().openapi(
    observe,
    async (c) => {
      const { observations } = c.req.valid('json')
      const { key } = c.req.valid('param')
      const fault = await deps.ingest.observe(c.get('environment').name, key, observations)
      if (fault === undefined) return c.json({ taken: observations.length }, 200)
      throw fault.code === 'invalid' ? invalid(fault.issues) : new HttpProblem(fault.code, fault.message)
    },
    tellFaults(observe),
  )
}
