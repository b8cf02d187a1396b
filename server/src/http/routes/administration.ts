import { createRoute, z } from '@hono/zod-openapi'
import type { InstanceView } from '../../push/index.ts'
import { keyPattern } from '../../rollout/index.ts'
import { actorOf, roles } from '../access.ts'
import type { AppDeps } from '../context.ts'
import { invalid } from '../problem.ts'
import {
  answers,
  beforeField,
  type Guards,
  limitField,
  newRoutes,
  noContent,
  noQuery,
  olderThan,
  pageOf,
  query,
  settled,
  tellFaults,
} from '../routing.ts'
import {
  auditEntrySchema,
  environmentViewSchema,
  instanceSchema,
  keyViewSchema,
  meSchema,
  newKeySchema,
  pageSecretSchema,
} from '../view-schemas.ts'
import { environmentView, keyView } from '../views.ts'

const keyBody = z
  .strictObject({
    kind: z.enum(['srv', 'web', 'adm']).meta({ description: 'srv: Node SDKs; web: browsers; adm: this API' }),
    name: z.string().min(1).max(100).meta({ description: 'For people: who or what uses it' }),
    environment: z.string().min(1).max(64).optional().meta({ description: 'For srv and web; production when absent' }),
    role: z.enum(roles).optional().meta({ description: 'For adm, which needs one' }),
    origins: z
      .array(z.string().max(300))
      .max(50)
      .optional()
      .meta({ description: 'For web: whose pages may use it; any when absent', example: ['https://shop.example'] }),
  })
  .meta({ id: 'KeyInput', example: { kind: 'srv', name: 'shop', environment: 'production' } })

const environmentBody = z
  .strictObject({
    name: z
      .string()
      .regex(keyPattern, 'must be 1 to 64 lower-case letters, digits, . _ - and start with a letter or digit'),
  })
  .meta({ id: 'EnvironmentInput', example: { name: 'staging' } })

const environmentPatch = z
  .strictObject({
    holdback: z
      .number()
      .min(0)
      .max(100)
      .optional()
      .meta({ description: 'Share of people, in percent, whom no rollout of the environment touches' }),
    userHash: z.enum(['required', 'off']).optional().meta({
      description:
        'required: a page must prove the id of its user by the HMAC-SHA256 of it under the page secret, else the user is anonymous',
    }),
    reason: z.string().min(1).max(500).optional(),
  })
  .meta({
    id: 'EnvironmentPatch',
    example: { holdback: 2, reason: 'to measure what a quarter of rollouts adds up to' },
  })

const json = <S extends z.ZodType>(schema: S) => ({ required: true, content: { 'application/json': { schema } } })

/** Keys, environments, instances, audit. */
export function administrationRoutes(deps: AppDeps, guards: Guards) {
  const me = createRoute({
    method: 'get',
    path: '/me',
    summary: 'Whose token this is and what it may do',
    middleware: guards.readAnywhere('viewer'),
    request: { query: noQuery },
    responses: answers(meSchema, 'The token'),
  })
  const listKeys = createRoute({
    method: 'get',
    path: '/keys',
    summary: 'Keys of an environment and admin tokens, newest first',
    middleware: guards.read('admin'),
    request: { query: query({ ...limitField(500, 200) }) },
    responses: answers(pageOf(keyViewSchema), 'Without the keys themselves'),
  })
  const createKey = createRoute({
    method: 'post',
    path: '/keys',
    summary: 'Makes a key',
    middleware: guards.writeAnywhere('admin', { required: true }),
    request: { query: noQuery, body: json(keyBody) },
    responses: answers(newKeySchema, 'The key, shown this once', 201),
  })
  const revokeKey = createRoute({
    method: 'delete',
    path: '/keys/{id}',
    summary: 'Revokes a key at once; open sockets close',
    middleware: guards.writeAnywhere('admin', { none: true }),
    request: { query: noQuery, params: z.strictObject({ id: z.string().max(64) }) },
    responses: noContent,
  })
  const listEnvironments = createRoute({
    method: 'get',
    path: '/environments',
    summary: 'The environments',
    middleware: guards.readAnywhere('viewer'),
    request: { query: z.strictObject({ ...limitField(500, 200) }) },
    responses: answers(pageOf(environmentViewSchema), 'By name'),
  })
  const createEnvironment = createRoute({
    method: 'post',
    path: '/environments',
    summary: 'Makes an environment',
    middleware: guards.writeAnywhere('admin', { required: true }),
    request: { query: noQuery, body: json(environmentBody) },
    responses: answers(environmentViewSchema, 'The new environment', 201),
  })
  const changeEnvironment = createRoute({
    method: 'patch',
    path: '/environments/{name}',
    summary: 'Changes the settings of an environment',
    middleware: guards.writeAnywhere('admin', { required: true }),
    request: { query: noQuery, params: z.strictObject({ name: z.string().max(64) }), body: json(environmentPatch) },
    responses: answers(environmentViewSchema, 'The environment as it is now'),
  })
  const rotateSecret = createRoute({
    method: 'post',
    path: '/environments/{name}/page-secret',
    summary: 'Makes a new page secret; hashes under the one before hold no more',
    middleware: guards.writeAnywhere('admin', { none: true }),
    request: { query: noQuery, params: z.strictObject({ name: z.string().max(64) }) },
    responses: answers(pageSecretSchema, 'The secret, shown this once', 201),
  })
  const instances = createRoute({
    method: 'get',
    path: '/instances',
    summary: 'The SDKs that are connected',
    middleware: guards.read('viewer'),
    request: { query: query({ ...limitField(1000, 200) }) },
    responses: answers(
      z.object({ items: z.array(instanceSchema).readonly(), total: z.number() }),
      'Servers before pages, longest connected first',
    ),
  })
  const audit = createRoute({
    method: 'get',
    path: '/audit',
    summary: 'Who changed what and why, newest first',
    middleware: guards.read('viewer'),
    request: { query: query({ ...limitField(500, 50), ...beforeField, target: z.string().max(200).optional() }) },
    responses: answers(pageOf(auditEntrySchema), 'With what was there before and after'),
  })

  return newRoutes()
    .openapi(
      me,
      (c) => {
        const { name, role } = c.get('token')
        return c.json({ name, role: role ?? 'viewer' }, 200)
      },
      tellFaults(me),
    )
    .openapi(
      listKeys,
      async (c) => {
        const environment = c.get('environment').name
        const keys = await deps.storage.keys.list()
        const shown = keys.filter((key) => key.environment === undefined || key.environment === environment)
        const newest = [...shown].sort((a, b) => b.createdAt - a.createdAt).slice(0, c.req.valid('query').limit)
        return c.json({ items: newest.map(keyView) }, 200)
      },
      tellFaults(listKeys),
    )
    .openapi(
      createKey,
      async (c) => {
        const { kind, name, environment, role, origins } = c.req.valid('json')
        if (kind === 'adm' && role === undefined) {
          throw invalid([{ path: 'role', message: `is missing; an adm key has one of ${roles.join(', ')}` }])
        }
        if (kind === 'adm' && environment !== undefined) {
          throw invalid([{ path: 'environment', message: 'is not for adm keys, which hold for all environments' }])
        }
        if (kind !== 'adm' && role !== undefined) {
          throw invalid([{ path: 'role', message: `is for adm keys only; a ${kind} key has none` }])
        }
        const wanted = {
          ...(kind === 'adm' ? { role: role ?? 'viewer' } : { environment: environment ?? 'production' }),
          ...(origins === undefined ? {} : { origins }),
        }
        const made = await settled(await deps.engine.createKey({ kind, name, ...wanted }, { actor: actorOf(c) }))
        return c.json({ ...keyView(made.record), secret: made.secret }, 201)
      },
      tellFaults(createKey),
    )
    .openapi(
      revokeKey,
      async (c) => {
        await settled(await deps.engine.revokeKey(c.req.valid('param').id, { actor: actorOf(c) }))
        return c.body(null, 204)
      },
      tellFaults(revokeKey),
    )
    .openapi(
      listEnvironments,
      async (c) => {
        const all = await deps.storage.environments.list()
        const items = [...all].sort((a, b) => (a.name < b.name ? -1 : 1)).slice(0, c.req.valid('query').limit)
        return c.json({ items: items.map(environmentView) }, 200)
      },
      tellFaults(listEnvironments),
    )
    .openapi(
      createEnvironment,
      async (c) => {
        const made = await settled(await deps.engine.createEnvironment(c.req.valid('json').name, { actor: actorOf(c) }))
        return c.json(environmentView(made), 201)
      },
      tellFaults(createEnvironment),
    )
    .openapi(
      changeEnvironment,
      async (c) => {
        const { holdback, userHash, reason } = c.req.valid('json')
        const by = { actor: actorOf(c), ...(reason === undefined ? {} : { reason }) }
        const { name } = c.req.valid('param')
        const { engine } = deps
        const held = holdback === undefined ? undefined : await settled(await engine.setHoldback(name, holdback, by))
        const asked = userHash === undefined ? held : await settled(await engine.requireUserHash(name, userHash, by))
        if (asked === undefined) throw invalid([{ path: '', message: 'must have holdback, userHash or both' }])
        return c.json(environmentView(asked), 200)
      },
      tellFaults(changeEnvironment),
    )
    .openapi(
      rotateSecret,
      async (c) => {
        const { name } = c.req.valid('param')
        const { record, secret } = await settled(await deps.engine.rotatePageSecret(name, { actor: actorOf(c) }))
        return c.json({ ...environmentView(record), secret }, 201)
      },
      tellFaults(rotateSecret),
    )
    .openapi(
      instances,
      (c) => {
        const all = deps.hub.instances(c.get('environment').name)
        // Thousands of pages must not push the servers out of the list.
        const rank = ({ kind, connectedAt }: InstanceView): number => (kind === 'page' ? 1e15 : 0) + connectedAt
        const items = [...all].sort((a, b) => rank(a) - rank(b)).slice(0, c.req.valid('query').limit)
        return c.json({ items, total: all.length }, 200)
      },
      tellFaults(instances),
    )
    .openapi(
      audit,
      async (c) => {
        const { limit, before, target } = c.req.valid('query')
        const entries = await deps.storage.audit.list({
          environment: c.get('environment').name,
          limit,
          ...olderThan(before),
          ...(target === undefined ? {} : { target }),
        })
        const items = entries.map(({ sequence: _place, ...entry }) => entry)
        const last = entries.at(-1)
        return c.json({ items, ...(items.length === limit && last !== undefined ? { next: last.sequence } : {}) }, 200)
      },
      tellFaults(audit),
    )
}
