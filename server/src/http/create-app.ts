import { OpenAPIHono } from '@hono/zod-openapi'
import type { Context, MiddlewareHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { StorageError } from '../storage/storage-error.ts'
import type { AppDeps, AppEnv } from './context.ts'
import { createLiveFeed } from './live-feed.ts'
import { HttpProblem, problemResponse } from './problem.ts'
import { createRequestCounter } from './prometheus.ts'
import { administrationRoutes } from './routes/administration.ts'
import { cohortRoutes } from './routes/cohorts.ts'
import { commandRoutes } from './routes/commands.ts'
import { decideRoutes } from './routes/decide.ts'
import { eventRoutes } from './routes/events.ts'
import { healthRoutes } from './routes/health.ts'
import { metricRoutes } from './routes/metrics.ts'
import { observationRoutes } from './routes/observations.ts'
import { pageRoutes } from './routes/page.ts'
import { planRoutes } from './routes/plan.ts'
import { previewRoutes } from './routes/preview.ts'
import { replayRoutes } from './routes/replay.ts'
import { rolloutReadRoutes } from './routes/rollout-reads.ts'
import { rolloutRoutes } from './routes/rollouts.ts'
import { sdkRoutes } from './routes/sdk.ts'
import { createGuards } from './routing.ts'

const openApiConfig = {
  openapi: '3.1.0',
  info: {
    title: 'Pipit',
    version: '1',
    description:
      'Rollouts, their commands, cohorts, metrics, keys, instances and audit. Send an admin token as `Authorization: Bearer adm_…`. `Idempotency-Key` makes a change safe to repeat for 24 hours; `version` in the body or `If-Match` refuses it where somebody was faster. Errors are RFC 9457 problem documents with a stable `code`.',
  },
  security: [{ adminToken: [] }],
  servers: [{ url: '/' }],
}

/** The whole HTTP side: REST under `/api/v1`, the SDK routes, health, and the page. */
export function createApp(deps: AppDeps) {
  const guards = createGuards(deps)
  const requests = createRequestCounter()
  const app = new OpenAPIHono<AppEnv>()
  app.use(secureHeaders, async (c, next) => {
    await next()
    requests.count(c.req.method, c.res.status)
  })
  const routed = app
    .route('/api/v1', rolloutRoutes(deps, guards))
    .route('/api/v1', commandRoutes(deps, guards))
    .route('/api/v1', previewRoutes(deps, guards))
    .route('/api/v1', decideRoutes(deps, guards))
    .route('/api/v1', rolloutReadRoutes(deps, guards))
    .route('/api/v1', planRoutes(deps, guards))
    .route('/api/v1', replayRoutes(deps, guards))
    .route('/api/v1', observationRoutes(deps, guards))
    .route('/api/v1', cohortRoutes(deps, guards))
    .route('/api/v1', metricRoutes(deps, guards))
    .route('/api/v1', administrationRoutes(deps, guards))
    .route('/api/v1', eventRoutes(deps, guards, createLiveFeed(deps)))
  routed.openAPIRegistry.registerComponent('securitySchemes', 'adminToken', { type: 'http', scheme: 'bearer' })
  const document = routed.getOpenAPI31Document(openApiConfig)
  app.get('/api/v1/openapi.json', (c) => c.json(document))
  app.route('/sdk/v1', sdkRoutes(deps))
  app.route('/', healthRoutes(deps, requests))
  app.route('/', pageRoutes())
  app.notFound(notFound(methodsByPath(app)))
  app.onError((error, c) => problemResponse(problemOf(error, c, deps)))
  return routed
}

/** For a typed client (`hc<AppType>`). */
export type AppType = ReturnType<typeof createApp>

const secureHeaders: MiddlewareHandler = async (c, next) => {
  await next()
  const { headers } = c.res
  headers.set('x-content-type-options', 'nosniff')
  headers.set('referrer-policy', 'no-referrer')
  headers.set('cross-origin-resource-policy', 'same-origin')
  headers.set('cross-origin-opener-policy', 'same-origin')
  headers.set('x-frame-options', 'DENY')
  if (!headers.has('content-security-policy')) {
    headers.set('content-security-policy', "default-src 'none'; frame-ancestors 'none'")
  }
  if (!headers.has('cache-control')) headers.set('cache-control', 'no-store')
}

function problemOf(error: Error, c: Context, { log }: AppDeps): HttpProblem {
  if (error instanceof HttpProblem) return error
  if (error instanceof StorageError) {
    log.error('storage failed', { method: c.req.method, path: c.req.path, error: error.message })
    const detail = `the database did not do this (${error.code}): nothing was changed; send it again in some seconds`
    return new HttpProblem('unavailable', detail, { headers: { 'retry-after': '5' }, cause: error })
  }
  if (error instanceof HTTPException && error.status === 415) {
    return new HttpProblem('unsupported-media-type', 'send the body as application/json')
  }
  if (error instanceof HTTPException && error.status < 500) return new HttpProblem('malformed-json', error.message)
  log.error('a request failed', { method: c.req.method, path: c.req.path, error: error.stack ?? String(error) })
  return new HttpProblem('internal', 'this is a fault in Pipit, and it is in its log; nothing is known to have changed')
}

type Methods = readonly { readonly pattern: RegExp; readonly methods: ReadonlySet<string> }[]

function methodsByPath(app: {
  readonly routes: readonly { readonly method: string; readonly path: string }[]
}): Methods {
  const found = new Map<string, Set<string>>()
  for (const { method, path } of app.routes) {
    if (method === 'ALL') continue
    const methods = found.get(path) ?? new Set()
    methods.add(method)
    if (method === 'GET') methods.add('HEAD')
    found.set(path, methods)
  }
  return [...found].map(([path, methods]) => {
    const escaped = path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/:[^/]+/g, '[^/]+')
    return { pattern: new RegExp(`^${escaped}$`), methods }
  })
}

/** A path that is there under another method is a 405 with what there is; anything else a 404. */
function notFound(known: Methods) {
  return (c: Context): Response => {
    const { method, path } = c.req
    const allowed = new Set(known.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => [...methods]))
    if (allowed.size > 0) {
      const allow = [...allowed].sort().join(', ')
      const detail = `${method} is not possible at ${path}; there are ${allow}`
      return problemResponse(new HttpProblem('method-not-allowed', detail, { headers: { allow } }))
    }
    const detail = `there is nothing at ${path.slice(0, 200)}; the API is described at /api/v1/openapi.json`
    return problemResponse(new HttpProblem('no-such-route', detail))
  }
}
