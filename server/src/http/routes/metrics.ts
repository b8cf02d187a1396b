import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { metricPutSchema, metricSchema, parseMetric } from '../../rollout/index.ts'
import { actorOf } from '../access.ts'
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
} from '../routing.ts'
import { metricViewSchema } from '../view-schemas.ts'
import { metricView } from '../views.ts'

const json = (schema: z.ZodType) => ({ required: true, content: { 'application/json': { schema } } })

export function metricRoutes(deps: AppDeps, guards: Guards) {
  const list = createRoute({
    method: 'get',
    path: '/metrics',
    summary: 'The metrics of an environment',
    middleware: guards.read('viewer'),
    request: { query: query({ ...limitField(200, 100), after: z.string().max(200).optional() }) },
    responses: answers(pageOf(metricViewSchema), 'By key'),
  })
  const create = createRoute({
    method: 'post',
    path: '/metrics',
    summary: 'Makes a metric that every rollout of the environment may guard by',
    middleware: guards.write('editor', { required: true }),
    request: { query: query({}), body: json(metricSchema) },
    responses: answers(metricViewSchema, 'The new metric', 201),
  })
  const get = createRoute({
    method: 'get',
    path: '/metrics/{key}',
    summary: 'One metric',
    middleware: guards.read('viewer'),
    request: { params: keyParam, query: query({}) },
    responses: answers(metricViewSchema, 'The metric; its ETag is its version'),
  })
  const put = createRoute({
    method: 'put',
    path: '/metrics/{key}',
    summary: 'Replaces a metric',
    middleware: guards.write('editor', { required: true }),
    request: { params: keyParam, query: query({}), body: json(metricPutSchema) },
    responses: answers(metricViewSchema, 'The metric'),
  })
  const remove = createRoute({
    method: 'delete',
    path: '/metrics/{key}',
    summary: 'Removes a metric that nothing uses',
    middleware: guards.write('editor', { none: true }),
    request: { params: keyParam, query: query({ version: z.coerce.number().int().min(1).optional() }) },
    responses: noContent,
  })

  const currentVersion = (c: Context<AppEnv>, key: string) => async (): Promise<number | undefined> =>
    (await deps.storage.metrics.get(c.get('environment').name, key))?.version

  return newRoutes()
    .openapi(
      list,
      async (c) => {
        const { limit, after } = c.req.valid('query')
        const { items, ...rest } = pageAfter(await deps.storage.metrics.list(c.get('environment').name), after, limit)
        return c.json({ items: items.map(metricView), ...rest }, 200)
      },
      tellFaults(list),
    )
    .openapi(
      create,
      async (c) => {
        const parsed = parseMetric(await c.req.json())
        if (!parsed.ok) throw invalid(parsed.issues)
        const record = await settled(
          await deps.engine.createMetric(c.get('environment').name, parsed.definition, { actor: actorOf(c) }),
        )
        c.header('etag', etagOf(record.version))
        return c.json(metricView(record), 201)
      },
      tellFaults(create),
    )
    .openapi(
      get,
      async (c) => {
        const environment = c.get('environment').name
        const { key } = c.req.valid('param')
        const record = await deps.storage.metrics.get(environment, key)
        if (record === undefined) {
          throw new HttpProblem(
            'not-found',
            `there is no metric "${key}" in ${environment}; GET /api/v1/metrics lists those there are`,
          )
        }
        c.header('etag', etagOf(record.version))
        return c.json(metricView(record), 200)
      },
      tellFaults(get),
    )
    .openapi(
      put,
      async (c) => {
        const { key } = c.req.valid('param')
        const { version: given, ...file } = (await c.req.json()) as z.infer<typeof metricPutSchema>
        const version = namedVersion(c, given)
        const parsed = parseMetric({ key, ...file })
        if (!parsed.ok) throw invalid(parsed.issues)
        if (parsed.definition.key !== key) {
          throw invalid([
            { path: 'key', message: `is "${parsed.definition.key}", but this is ${key}; a key never changes` },
          ])
        }
        const environment = c.get('environment').name
        const result = await deps.engine.putMetric(environment, parsed.definition, { actor: actorOf(c) }, version)
        const record = await settled(result, { given: version, current: currentVersion(c, key) })
        c.header('etag', etagOf(record.version))
        return c.json(metricView(record), 200)
      },
      tellFaults(put),
    )
    .openapi(
      remove,
      async (c) => {
        const { key } = c.req.valid('param')
        const version = namedVersion(c, c.req.valid('query').version)
        const result = await deps.engine.removeMetric(c.get('environment').name, key, { actor: actorOf(c) }, version)
        await settled(result, { given: version, current: currentVersion(c, key) })
        return c.body(null, 204)
      },
      tellFaults(remove),
    )
}
