import { createRoute } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { type PlanTraffic, planRollout } from '../../analysis/planner/index.ts'
import { comparedMetrics, type KnownNames, parseRollout, type RolloutDefinition } from '../../rollout/index.ts'
import type { AppDeps, AppEnv } from '../context.ts'
import { measuredTraffic } from '../measured-traffic.ts'
import { planSchema, rolloutPlanSchema } from '../plan-schemas.ts'
import { invalid } from '../problem.ts'
import { answers, type Guards, newRoutes, query, tellFaults } from '../routing.ts'
import { findRollout, knownNames } from './rollouts.ts'

interface Planned {
  readonly definition: RolloutDefinition
  readonly measured: PlanTraffic | undefined
}

/** What a rollout can be expected to show, before it starts. Changes nothing. */
export function planRoutes(deps: AppDeps, guards: Guards) {
  const plan = createRoute({
    method: 'post',
    path: '/plan',
    summary: 'What a rollout can show at a traffic: margins, time to advance, time to find harm',
    middleware: guards.ask('viewer', { yaml: true, required: true }),
    request: {
      query: query({}),
      body: {
        required: true,
        content: { 'application/json': { schema: planSchema }, 'application/yaml': { schema: planSchema } },
      },
    },
    responses: answers(rolloutPlanSchema, 'The plan, stage by stage'),
  })

  async function existing(c: Context<AppEnv>, key: string, measure: boolean): Promise<Planned> {
    const record = await findRollout(deps, c, key)
    const measured = measure ? await measuredTraffic(deps.storage.evidence, record, deps.clock.now()) : undefined
    const { metrics } = await knownNames(deps, record.environment)
    return { definition: complete(record.definition, metrics), measured }
  }

  async function written(c: Context<AppEnv>, file: object): Promise<Planned> {
    const known = await knownNames(deps, c.get('environment').name)
    const parsed = parseRollout(file, known)
    if (!parsed.ok) {
      throw invalid(
        parsed.issues.map(({ path, message }) => ({ path: path === '' ? 'rollout' : `rollout.${path}`, message })),
      )
    }
    return { definition: complete(parsed.definition, known.metrics), measured: undefined }
  }

  return newRoutes().openapi(
    plan,
    async (c) => {
      const { rollout, traffic: given, effects } = c.req.valid('json')
      const { key } = rollout
      const alone = typeof key === 'string' && Object.keys(rollout).length === 1
      const { definition, measured } = alone ? await existing(c, key, given === undefined) : await written(c, rollout)
      const traffic = (given as PlanTraffic | undefined) ?? measured
      if (traffic === undefined) throw invalid([{ path: 'traffic', message: missingTraffic(alone) }])
      const source = given === undefined ? ('measured' as const) : ('given' as const)
      return c.json({ traffic, source, ...planRollout(definition, traffic, effects) }, 200)
    },
    tellFaults(plan),
  )
}

/** With the environment's metrics that it names, as the judge has it. */
const complete = (definition: RolloutDefinition, metrics: KnownNames['metrics'] = []): RolloutDefinition => ({
  ...definition,
  metrics: comparedMetrics(definition, metrics),
})

const missingTraffic = (exists: boolean): string =>
  exists
    ? 'is missing, and the present run of this rollout has no evidence yet to measure it by; give at least requestsPerSecond'
    : 'is missing: a rollout that is only a file has no evidence to measure it by; give at least requestsPerSecond'
