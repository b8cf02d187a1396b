import { OpenAPIHono, z } from '@hono/zod-openapi'
import type { Context, MiddlewareHandler } from 'hono'
import type { Problem as EngineProblem, Result } from '../engine/api.ts'
import { parseBy } from '../rollout/index.ts'
import type { Role } from '../storage/ports.ts'
import { requireRole } from './access.ts'
import { type BodyRules, readBody } from './body/read-body.ts'
import type { AppDeps, AppEnv } from './context.ts'
import { requireEnvironment } from './environment.ts'
import { createIdempotency } from './idempotency.ts'
import { fromEngine, HttpProblem, invalid } from './problem.ts'
import { problemSchema } from './view-schemas.ts'

/** A set of routes. */
export function newRoutes(): OpenAPIHono<AppEnv> {
  return new OpenAPIHono<AppEnv>()
}

interface RequestSchemas {
  readonly request?: {
    readonly query?: z.ZodType
    readonly params?: z.ZodType
    readonly body?: { readonly content: { readonly [type: string]: object } }
  }
}

/** Turns what the schemas of a route refuse into a problem with the path of every fault. */
export function tellFaults(route: RequestSchemas) {
  return (result: { readonly success: boolean; readonly target: string; readonly data?: unknown }): undefined => {
    if (result.success) return undefined
    const schema = schemaOf(route, result.target)
    // Read again by the wording that all of Pipit uses.
    const parsed = schema === undefined ? undefined : parseBy(schema, result.data)
    const issues = parsed === undefined || parsed.ok ? [{ path: '', message: 'is not valid' }] : parsed.issues
    throw invalid(issues, result.target === 'query' ? 'bad-query' : 'invalid')
  }
}

function schemaOf({ request }: RequestSchemas, target: string): z.ZodType | undefined {
  if (target === 'query') return request?.query
  if (target === 'param') return request?.params
  const content = request?.body?.content['application/json']
  return content !== undefined && 'schema' in content && content.schema instanceof z.ZodType
    ? content.schema
    : undefined
}

/** The middleware of the routes, in the order they belong: who, where, what, once. */
export interface Guards {
  /** Reads, within an environment. */
  read(role: Role): MiddlewareHandler<AppEnv>[]
  /** Questions that are too long for a query, within an environment: nothing is changed, and no answer kept for repetition. */
  ask(role: Role, body?: BodyRules): MiddlewareHandler<AppEnv>[]
  /** Changes, within an environment. */
  write(role: Role, body?: BodyRules): MiddlewareHandler<AppEnv>[]
  /** The same of what belongs to no environment. */
  readAnywhere(role: Role): MiddlewareHandler<AppEnv>[]
  writeAnywhere(role: Role, body?: BodyRules): MiddlewareHandler<AppEnv>[]
}

export function createGuards(deps: AppDeps): Guards {
  const environment = requireEnvironment(deps.storage)
  const once = createIdempotency(deps)
  const who = (role: Role): MiddlewareHandler<AppEnv> => requireRole(deps.authenticate, role)
  return {
    read: (role) => [who(role), environment],
    ask: (role, body) => [who(role), environment, readBody(body)],
    write: (role, body) => [who(role), environment, readBody(body), once],
    readAnywhere: (role) => [who(role)],
    writeAnywhere: (role, body) => [who(role), readBody(body), once],
  }
}

export const keyParam = z.strictObject({ key: z.string().max(200).meta({ example: 'checkout-v2' }) })

const environmentField = {
  environment: z.string().max(64).default('production').meta({ description: 'The environment' }),
}

/** Query of a route: unknown names are refused, since a misspelt `environment` would act on another. */
export const query = <S extends z.ZodRawShape>(fields: S) => z.strictObject({ ...environmentField, ...fields })
export const noQuery = z.strictObject({})

const wholeNumber = (least: number, most: number, fallback: number, description: string) =>
  z.coerce
    .number({ error: `must be a whole number from ${least} to ${most}` })
    .int()
    .min(least)
    .max(most)
    .default(fallback)
    .meta({ description })

export const limitField = (most: number, fallback: number) => ({
  limit: wholeNumber(1, most, fallback, `How many, at most ${most}`),
})
export const beforeField = {
  before: z.coerce.number().int().min(0).optional().meta({
    description: 'Only what is older: `next` of the page before, or epoch milliseconds',
  }),
}

/** Times since 2001 have thirteen digits and more; entries are never so many. */
const firstMoment = 1e12

/** What `before` means: several entries may be of one millisecond, so that pages follow each other by number. */
export const olderThan = (before: number | undefined): { readonly before?: number; readonly below?: number } =>
  before === undefined ? {} : before < firstMoment ? { below: before } : { before }

/** The last millisecond that a `Date` can name. */
const latestMs = 8.64e15
const noMoment = 'must be a time: epoch milliseconds, or ISO 8601 with its offset such as 2026-11-20T22:33:00Z'

/** A time in a body; epoch milliseconds after parsing. */
export const moment = z
  .union([z.number().int().min(0).max(latestMs), z.iso.datetime({ offset: true, error: noMoment })], {
    error: noMoment,
  })
  .transform((value) => (typeof value === 'number' ? value : Date.parse(value)))
  .meta({ description: 'Epoch milliseconds or an ISO 8601 time', example: '2026-11-20T22:33:00Z' })

export const versionField = z
  .number()
  .int()
  .min(1)
  .optional()
  .meta({ description: 'The version the change was made on; refused with 409 when another is stored' })

/** One JSON answer and the problems that may come instead. */
export function answers<S extends z.ZodType, Status extends 200 | 201 = 200>(
  schema: S,
  description: string,
  status?: Status,
) {
  const success = { [status ?? 200]: { description, content: { 'application/json': { schema } } } } as {
    [K in Status]: { description: string; content: { 'application/json': { schema: S } } }
  }
  return { ...success, default: problemAnswer }
}

export const problemAnswer = {
  description: 'A problem document (RFC 9457)',
  content: { 'application/problem+json': { schema: problemSchema } },
}

export const noContent = { 204: { description: 'Done' }, default: problemAnswer } as const

/** A page of a list. `next` is what to give as `after` or `before` for the next page; absent on the last. */
export const pageOf = <S extends z.ZodType>(item: S) =>
  z.object({ items: z.array(item).readonly(), next: z.union([z.string(), z.number()]).optional() })

/** The version a change names: by body, `?version=` or `If-Match`. */
export function namedVersion(c: Context<AppEnv>, field: number | undefined): number | undefined {
  const header = c.req.header('if-match')
  if (header === undefined || header.trim() === '*') return field
  const matched = Number(/^\s*(?:W\/)?"(\d{1,15})"\s*$/.exec(header)?.[1] ?? Number.NaN)
  if (!Number.isInteger(matched)) {
    throw invalid([
      { path: 'If-Match', message: 'must be one version in double quotes, as the ETag of the answer had it' },
    ])
  }
  if (field !== undefined && field !== matched) {
    throw invalid([{ path: 'version', message: `is ${field}, but If-Match says ${matched}; name one` }])
  }
  return matched
}

export const etagOf = (version: number): string => `"${version}"`

/** The value of a result, or its problem; a stale version is told with both versions. */
export async function settled<T>(
  result: Result<T>,
  stale?: { readonly given: number | undefined; readonly current: () => Promise<number | undefined> },
  field?: string,
): Promise<T> {
  if (result.ok) return result.value
  if (result.code === 'stale-version' && stale !== undefined) throw await staleProblem(result, stale)
  throw fromEngine(result, field)
}

async function staleProblem(
  problem: EngineProblem,
  stale: { readonly given: number | undefined; readonly current: () => Promise<number | undefined> },
): Promise<HttpProblem> {
  const current = await stale.current()
  const detail = `this change was made on version ${stale.given}, but version ${current} is stored: somebody was faster. Get it again, make the change on it, and send it with version ${current}`
  return new HttpProblem(
    'stale-version',
    current === undefined || stale.given === undefined ? problem.message : detail,
    {
      members: { given: stale.given, current },
      errors: [{ path: 'version', message: detail }],
    },
  )
}

/** A page of a sorted list: what comes after `after`, `limit` of them, and where the next page begins. */
export function pageAfter<T extends { readonly key: string }>(
  items: readonly T[],
  after: string | undefined,
  limit: number,
): { readonly items: readonly T[]; readonly next?: string } {
  const sorted = [...items].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  const rest = after === undefined ? sorted : sorted.filter((item) => item.key > after)
  const page = rest.slice(0, limit)
  const last = page.at(-1)
  return { items: page, ...(rest.length > limit && last !== undefined ? { next: last.key } : {}) }
}
