import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { PersonEvent } from '../../engine/api.ts'
import { duration } from '../../rollout/index.ts'
import { actorOf } from '../access.ts'
import type { AppDeps, AppEnv } from '../context.ts'
import { invalid } from '../problem.ts'
import {
  answers,
  etagOf,
  type Guards,
  keyParam,
  moment,
  namedVersion,
  newRoutes,
  query,
  settled,
  tellFaults,
  versionField,
} from '../routing.ts'
import { rolloutDetailSchema } from '../view-schemas.ts'
import { rolloutDetail } from '../views.ts'
import { judgementOf } from './rollouts.ts'

const common = {
  reason: z.string().min(1).max(2000).optional().meta({ description: 'Why; goes to history and audit' }),
  version: versionField,
}

const plain = z.strictObject(common)
const startBody = z.strictObject({ ...common, at: moment.optional() })
const weightBody = z.strictObject({
  ...common,
  weight: z.number().min(0).max(100).meta({ description: '0 to 100 in steps of 0.001' }),
})
const completeBody = z.strictObject({ ...common, winner: z.string().min(1).max(64).optional() })
const restartBody = z.strictObject({
  ...common,
  people: z.enum(['same', 'fresh'], {
    error: 'must be "same" or "fresh": whether the same people are the first again',
  }),
})
const overrideBody = z.strictObject({
  ...common,
  unit: z.string().min(1).max(256),
  variant: z.string().min(1).max(64).nullable().meta({ description: 'null removes the override' }),
})
const dismissBody = z.strictObject({
  ...common,
  reason: z.string().min(1).max(2000),
  metric: z.string().min(1).max(64),
  until: moment.optional(),
  for: duration.optional(),
})

const commandRoute = <Name extends string, Body extends z.ZodType>(
  guards: Guards,
  name: Name,
  summary: string,
  schema: Body,
  required: boolean,
) =>
  createRoute({
    method: 'post',
    path: `/rollouts/{key}/${name}` as `/rollouts/{key}/${Name}`,
    summary,
    middleware: guards.write('operator', { required }),
    request: { params: keyParam, query: query({}), body: { required, content: { 'application/json': { schema } } } },
    responses: answers(rolloutDetailSchema, 'The rollout after the command'),
  })

/** Commands of a person to a rollout. Each is one transaction, or refused whole. */
export function commandRoutes(deps: AppDeps, guards: Guards) {
  const start = commandRoute(guards, 'start', 'Starts a draft, now or at a time', startBody, false)
  const pause = commandRoute(guards, 'pause', 'Holds the weight as it is', plain, false)
  const resume = commandRoute(guards, 'resume', 'Goes on after a pause', plain, false)
  const advance = commandRoute(guards, 'advance', 'Goes to the next stage without waiting for evidence', plain, false)
  const approve = commandRoute(guards, 'approve', 'Approves the stage', plain, false)
  const reject = commandRoute(guards, 'reject', 'Refuses the approval: the rollout pauses', plain, false)
  const setWeight = commandRoute(guards, 'set-weight', 'Sets the weight by hand', weightBody, true)
  const revert = commandRoute(guards, 'revert', 'Takes the canary back from everybody', plain, false)
  const complete = commandRoute(guards, 'complete', 'Gives everybody the winner', completeBody, false)
  const restart = commandRoute(guards, 'restart', 'Begins again at the first stage', restartBody, true)
  const archive = commandRoute(guards, 'archive', 'Puts a rollout away', plain, false)
  const override = commandRoute(guards, 'override', 'Gives one unit a variant for good', overrideBody, true)
  const dismiss = commandRoute(guards, 'dismiss', 'Ignores a guard until a time', dismissBody, true)

  async function run(c: Context<AppEnv>, key: string, event: PersonEvent, body: z.infer<typeof plain>, field?: string) {
    const environment = c.get('environment').name
    const version = namedVersion(c, body.version)
    const by = { actor: actorOf(c), ...(body.reason === undefined ? {} : { reason: body.reason }) }
    const current = async (): Promise<number | undefined> =>
      (await deps.storage.rollouts.get(environment, key))?.version
    const result = await deps.engine.command(environment, key, event, by, version)
    const record = await settled(result, { given: version, current }, field)
    c.header('etag', etagOf(record.version))
    return c.json(rolloutDetail(record, await judgementOf(deps, record)), 200)
  }

  return newRoutes()
    .openapi(
      start,
      (c) => {
        const body = c.req.valid('json')
        const event: PersonEvent = { type: 'start', ...(body.at === undefined ? {} : { at: body.at }) }
        return run(c, c.req.valid('param').key, event, body)
      },
      tellFaults(start),
    )
    .openapi(pause, (c) => run(c, c.req.valid('param').key, { type: 'pause' }, c.req.valid('json')), tellFaults(pause))
    .openapi(
      resume,
      (c) => run(c, c.req.valid('param').key, { type: 'resume' }, c.req.valid('json')),
      tellFaults(resume),
    )
    .openapi(
      advance,
      (c) => run(c, c.req.valid('param').key, { type: 'advance' }, c.req.valid('json')),
      tellFaults(advance),
    )
    .openapi(
      approve,
      (c) => run(c, c.req.valid('param').key, { type: 'approve' }, c.req.valid('json')),
      tellFaults(approve),
    )
    .openapi(
      reject,
      (c) => run(c, c.req.valid('param').key, { type: 'reject' }, c.req.valid('json')),
      tellFaults(reject),
    )
    .openapi(
      setWeight,
      (c) => {
        const body = c.req.valid('json')
        return run(c, c.req.valid('param').key, { type: 'set-weight', weight: body.weight }, body)
      },
      tellFaults(setWeight),
    )
    .openapi(
      revert,
      (c) => run(c, c.req.valid('param').key, { type: 'revert' }, c.req.valid('json')),
      tellFaults(revert),
    )
    .openapi(
      complete,
      (c) => {
        const body = c.req.valid('json')
        const event: PersonEvent = { type: 'complete', ...(body.winner === undefined ? {} : { winner: body.winner }) }
        return run(c, c.req.valid('param').key, event, body, 'winner')
      },
      tellFaults(complete),
    )
    .openapi(
      restart,
      (c) => {
        const body = c.req.valid('json')
        return run(c, c.req.valid('param').key, { type: 'restart', people: body.people }, body)
      },
      tellFaults(restart),
    )
    .openapi(
      archive,
      (c) => run(c, c.req.valid('param').key, { type: 'archive' }, c.req.valid('json')),
      tellFaults(archive),
    )
    .openapi(
      override,
      (c) => {
        const body = c.req.valid('json')
        const event: PersonEvent = { type: 'override', unit: body.unit, variant: body.variant ?? undefined }
        return run(c, c.req.valid('param').key, event, body)
      },
      tellFaults(override),
    )
    .openapi(
      dismiss,
      (c) => {
        const body = c.req.valid('json')
        return run(
          c,
          c.req.valid('param').key,
          { type: 'dismiss', metric: body.metric, until: untilOf(deps, body) },
          body,
        )
      },
      tellFaults(dismiss),
    )
}

function untilOf(deps: AppDeps, body: z.infer<typeof dismissBody>): number {
  if ((body.until === undefined) === (body.for === undefined)) {
    throw invalid([
      { path: 'until', message: 'is missing; give until (a time) or for (a duration such as 2h), and not both' },
    ])
  }
  return body.until ?? deps.clock.now() + (body.for ?? 0)
}
