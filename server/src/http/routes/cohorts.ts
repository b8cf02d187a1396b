import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { cohortSchema, parseCohort } from '../../rollout/index.ts'
import { actorOf } from '../access.ts'
import { bodyBytes } from '../body/read-body.ts'
import type { AppDeps, AppEnv } from '../context.ts'
import { HttpProblem, invalid } from '../problem.ts'
import {
  answers,
  etagOf,
  type Guards,
  keyParam,
  limitField,
  namedVersion,
  newRoutes,
  noContent,
  pageAfter,
  pageOf,
  query,
  settled,
  tellFaults,
  versionField,
} from '../routing.ts'
import { cohortViewSchema } from '../view-schemas.ts'
import { cohortView } from '../views.ts'

const large = { maxBytes: bodyBytes.members, required: true }
const putSchema = cohortSchema.extend({ key: cohortSchema.shape.key.optional(), version: versionField }).meta({
  id: 'CohortPut',
  description: 'The whole cohort: what is left out is removed, but for members, which then stay as they are',
})

const nothingNamed =
  'must have a condition (when), a list of members, or both; to take the condition away from a list, send its key alone'

const members = z.array(z.string().min(1).max(256)).min(1).max(100_000)
const membersSchema = z
  .strictObject({ members, reason: z.string().min(1).max(2000).optional() })
  .meta({ id: 'Members', example: { members: ['user-1', 'user-2'] } })

const json = <S extends z.ZodType>(schema: S) => ({ required: true, content: { 'application/json': { schema } } })

export function cohortRoutes(deps: AppDeps, guards: Guards) {
  const list = createRoute({
    method: 'get',
    path: '/cohorts',
    summary: 'The cohorts of an environment',
    middleware: guards.read('viewer'),
    request: { query: query({ ...limitField(200, 100), after: z.string().max(200).optional() }) },
    responses: answers(pageOf(cohortViewSchema), 'By key'),
  })
  const create = createRoute({
    method: 'post',
    path: '/cohorts',
    summary: 'Makes a cohort',
    middleware: guards.write('editor', large),
    request: { query: query({}), body: json(cohortSchema) },
    responses: answers(cohortViewSchema, 'The new cohort', 201),
  })
  const get = createRoute({
    method: 'get',
    path: '/cohorts/{key}',
    summary: 'One cohort; its members are at /members',
    middleware: guards.read('viewer'),
    request: { params: keyParam, query: query({}) },
    responses: answers(cohortViewSchema, 'The cohort; its ETag is its version'),
  })
  const put = createRoute({
    method: 'put',
    path: '/cohorts/{key}',
    summary: 'Replaces a cohort',
    middleware: guards.write('editor', large),
    request: { params: keyParam, query: query({}), body: json(putSchema) },
    responses: answers(cohortViewSchema, 'The cohort'),
  })
  const remove = createRoute({
    method: 'delete',
    path: '/cohorts/{key}',
    summary: 'Removes a cohort that nothing uses',
    middleware: guards.write('editor', { none: true }),
    request: { params: keyParam, query: query({ version: z.coerce.number().int().min(1).optional() }) },
    responses: noContent,
  })
  const listed = createRoute({
    method: 'get',
    path: '/cohorts/{key}/members',
    summary: 'The ids that are listed in a cohort',
    middleware: guards.read('viewer'),
    request: {
      params: keyParam,
      query: query({ ...limitField(10_000, 1000), after: z.string().max(256).optional() }),
    },
    responses: answers(pageOf(z.string()), 'In the order of their UTF-8 bytes'),
  })
  const add = createRoute({
    method: 'post',
    path: '/cohorts/{key}/members',
    summary: 'Adds members',
    middleware: guards.write('editor', large),
    request: { params: keyParam, query: query({}), body: json(membersSchema) },
    responses: answers(cohortViewSchema, 'The cohort'),
  })
  const drop = createRoute({
    method: 'delete',
    path: '/cohorts/{key}/members',
    summary: 'Removes members',
    middleware: guards.write('editor', large),
    request: { params: keyParam, query: query({}), body: json(membersSchema) },
    responses: answers(cohortViewSchema, 'The cohort'),
  })

  const find = async (environment: string, key: string) => {
    const record = await deps.storage.cohorts.get(environment, key)
    if (record !== undefined) return record
    throw new HttpProblem(
      'not-found',
      `there is no cohort "${key}" in ${environment}; GET /api/v1/cohorts lists those there are`,
    )
  }
  const currentVersion = (c: Context<AppEnv>, key: string) => async (): Promise<number | undefined> =>
    (await deps.storage.cohorts.get(c.get('environment').name, key))?.version

  async function change(c: Context<AppEnv>, key: string, what: 'add' | 'remove', body: z.infer<typeof membersSchema>) {
    const by = { actor: actorOf(c), ...(body.reason === undefined ? {} : { reason: body.reason }) }
    const record = await settled(
      await deps.engine.changeMembers(c.get('environment').name, key, { [what]: body.members }, by),
    )
    c.header('etag', etagOf(record.version))
    return c.json(cohortView(record), 200)
  }

  return newRoutes()
    .openapi(
      list,
      async (c) => {
        const { limit, after } = c.req.valid('query')
        const { items, ...rest } = pageAfter(await deps.storage.cohorts.list(c.get('environment').name), after, limit)
        return c.json({ items: items.map((record) => cohortView(record)), ...rest }, 200)
      },
      tellFaults(list),
    )
    .openapi(
      create,
      async (c) => {
        const parsed = parseCohort(await c.req.json())
        if (!parsed.ok) throw invalid(parsed.issues)
        const record = await settled(
          await deps.engine.createCohort(c.get('environment').name, parsed.definition, { actor: actorOf(c) }),
        )
        c.header('etag', etagOf(record.version))
        return c.json(cohortView(record), 201)
      },
      tellFaults(create),
    )
    .openapi(
      get,
      async (c) => {
        const record = await find(c.get('environment').name, c.req.valid('param').key)
        c.header('etag', etagOf(record.version))
        return c.json(cohortView(record), 200)
      },
      tellFaults(get),
    )
    .openapi(
      put,
      async (c) => {
        const { key } = c.req.valid('param')
        const { version: given, ...file } = (await c.req.json()) as z.infer<typeof putSchema>
        const version = namedVersion(c, given)
        // An empty body is more likely a mistake than the wish to remove a condition and keep the members.
        if (Object.keys(file).length === 0) throw invalid([{ path: '', message: nothingNamed }])
        const parsed = parseCohort({ key, ...file })
        if (!parsed.ok) throw invalid(parsed.issues)
        if (parsed.definition.key !== key) {
          throw invalid([
            { path: 'key', message: `is "${parsed.definition.key}", but this is ${key}; a key never changes` },
          ])
        }
        const environment = c.get('environment').name
        const result = await deps.engine.putCohort(environment, parsed.definition, { actor: actorOf(c) }, version)
        const record = await settled(result, { given: version, current: currentVersion(c, key) })
        c.header('etag', etagOf(record.version))
        return c.json(cohortView(record), 200)
      },
      tellFaults(put),
    )
    .openapi(
      remove,
      async (c) => {
        const { key } = c.req.valid('param')
        const version = namedVersion(c, c.req.valid('query').version)
        const result = await deps.engine.removeCohort(c.get('environment').name, key, { actor: actorOf(c) }, version)
        await settled(result, { given: version, current: currentVersion(c, key) })
        return c.body(null, 204)
      },
      tellFaults(remove),
    )
    .openapi(
      listed,
      async (c) => {
        const { key } = c.req.valid('param')
        const { limit, after = '' } = c.req.valid('query')
        const environment = c.get('environment').name
        await find(environment, key)
        const ids = await deps.storage.members.page(environment, key, { after, limit: limit + 1 })
        const items = ids.slice(0, limit)
        const next = ids.length > limit ? items.at(-1) : undefined
        return c.json({ items, ...(next === undefined ? {} : { next }) }, 200)
      },
      tellFaults(listed),
    )
    .openapi(add, (c) => change(c, c.req.valid('param').key, 'add', c.req.valid('json')), tellFaults(add))
    .openapi(drop, (c) => change(c, c.req.valid('param').key, 'remove', c.req.valid('json')), tellFaults(drop))
}
