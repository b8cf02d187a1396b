import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { type KnownNames, parseRollout, rolloutSchema, toFile } from '../../rollout/index.ts'
import type { JudgeRecord, RolloutRecord, Stores } from '../../storage/ports.ts'
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
  versionField,
} from '../routing.ts'
import { rolloutDetailSchema, rolloutViewSchema } from '../view-schemas.ts'
import { rolloutDetail, rolloutView } from '../views.ts'

const files = (schema: z.ZodType) => ({
  required: true,
  content: { 'application/json': { schema }, 'application/yaml': { schema } },
})

const nullable = Object.fromEntries(
  Object.entries(rolloutSchema.shape).map(([field, schema]) => [field, (schema as z.ZodType).nullable().optional()]),
)

export const patchSchema = z
  .strictObject({ ...nullable, version: versionField, reason: z.string().max(2000).optional() })
  .meta({
    id: 'RolloutPatch',
    description: 'Each field replaces that of the rollout file as a whole; null takes it back to its default',
  })

const phaseField = { phase: rolloutViewSchema.shape.phase.optional() }
const afterField = { after: z.string().max(200).optional().meta({ description: 'The `next` of the page before' }) }

/** A rollout of the environment, or a 404. */
export async function findRollout(deps: AppDeps, c: Context<AppEnv>, key: string): Promise<RolloutRecord> {
  const environment = c.get('environment').name
  const record = await deps.storage.rollouts.get(environment, key)
  if (record !== undefined) return record
  throw new HttpProblem(
    'not-found',
    `there is no rollout "${key}" in ${environment}; GET /api/v1/rollouts lists those there are`,
  )
}

/** The newest judgement of the rollout's present run. */
export async function judgementOf(
  deps: { readonly storage: { readonly judge: Pick<Stores['judge'], 'get'> } },
  record: RolloutRecord,
): Promise<JudgeRecord['judgement']> {
  const judgement = (await deps.storage.judge.get(record.id))?.judgement
  return judgement !== undefined && judgement.epoch >= record.runEpoch ? judgement : undefined
}

/** What a rollout of the environment may refer to. */
export async function knownNames(deps: AppDeps, environment: string): Promise<KnownNames> {
  const [cohorts, metrics] = await Promise.all([
    deps.storage.cohorts.list(environment),
    deps.storage.metrics.list(environment),
  ])
  // Other rollouts are looked at by the engine, in the transaction of the change.
  return { cohorts: cohorts.map((cohort) => cohort.key), metrics: metrics.map((metric) => metric.definition) }
}

export function rolloutRoutes(deps: AppDeps, guards: Guards) {
  const list = createRoute({
    method: 'get',
    path: '/rollouts',
    summary: 'The rollouts of an environment',
    middleware: guards.read('viewer'),
    request: { query: query({ ...phaseField, ...limitField(200, 100), ...afterField }) },
    responses: answers(pageOf(rolloutViewSchema), 'By key'),
  })
  const create = createRoute({
    method: 'post',
    path: '/rollouts',
    summary: 'Makes a rollout, as a draft',
    middleware: guards.write('editor', { yaml: true, required: true }),
    request: { query: query({}), body: files(rolloutSchema) },
    responses: answers(rolloutDetailSchema, 'The new rollout', 201),
  })
  const get = createRoute({
    method: 'get',
    path: '/rollouts/{key}',
    summary: 'One rollout',
    middleware: guards.read('viewer'),
    request: { params: keyParam, query: query({}) },
    responses: answers(rolloutDetailSchema, 'The rollout; its ETag is its version'),
  })
  const patch = createRoute({
    method: 'patch',
    path: '/rollouts/{key}',
    summary: 'Edits a rollout; also while it runs',
    middleware: guards.write('editor', { yaml: true, required: true }),
    request: { params: keyParam, query: query({}), body: files(patchSchema) },
    responses: answers(rolloutDetailSchema, 'The edited rollout'),
  })
  const remove = createRoute({
    method: 'delete',
    path: '/rollouts/{key}',
    summary: 'Removes a draft or an archived rollout, with its evidence',
    middleware: guards.write('editor', { none: true }),
    request: { params: keyParam, query: query({ version: z.coerce.number().int().min(1).optional() }) },
    responses: noContent,
  })

  const detail = async (record: RolloutRecord) => rolloutDetail(record, await judgementOf(deps, record))
  const currentVersion = (c: Context<AppEnv>, key: string) => async (): Promise<number | undefined> =>
    (await deps.storage.rollouts.get(c.get('environment').name, key))?.version

  return newRoutes()
    .openapi(
      list,
      async (c) => {
        const { phase, limit, after } = c.req.valid('query')
        const all = await deps.storage.rollouts.list(c.get('environment').name)
        const wanted = phase === undefined ? all : all.filter((record) => record.state.phase === phase)
        const { items, ...rest } = pageAfter(wanted, after, limit)
        const views = await Promise.all(
          items.map(async (record) => rolloutView(record, await judgementOf(deps, record))),
        )
        return c.json({ items: views, ...rest }, 200)
      },
      tellFaults(list),
    )
    .openapi(
      create,
      async (c) => {
        const environment = c.get('environment').name
        const parsed = parseRollout(await c.req.json(), await knownNames(deps, environment))
        if (!parsed.ok) throw invalid(parsed.issues)
        const record = await settled(await deps.engine.create(environment, parsed.definition, { actor: actorOf(c) }))
        c.header('etag', etagOf(record.version))
        c.header('location', `/api/v1/rollouts/${record.key}?environment=${environment}`)
        return c.json(await detail(record), 201)
      },
      tellFaults(create),
    )
    .openapi(
      get,
      async (c) => {
        const record = await findRollout(deps, c, c.req.valid('param').key)
        c.header('etag', etagOf(record.version))
        return c.json(await detail(record), 200)
      },
      tellFaults(get),
    )
    .openapi(
      patch,
      async (c) => {
        const { key } = c.req.valid('param')
        const { version: given, reason, ...changes } = (await c.req.json()) as z.infer<typeof patchSchema>
        const version = namedVersion(c, given)
        const record = await findRollout(deps, c, key)
        const parsed = parseRollout(
          merged(toFile(record.definition), changes),
          await knownNames(deps, record.environment),
        )
        if (!parsed.ok) throw invalid(parsed.issues)
        if (parsed.definition.key !== key) {
          throw invalid([
            { path: 'key', message: `is "${parsed.definition.key}", but this is ${key}; a key never changes` },
          ])
        }
        // What was read is what was edited: without a version of the caller's, that of the read keeps two edits apart.
        const result = await deps.engine.edit(
          record.environment,
          key,
          parsed.definition,
          { actor: actorOf(c), ...(reason === undefined ? {} : { reason }) },
          version ?? record.version,
        )
        const edited = await settled(result, { given: version ?? record.version, current: currentVersion(c, key) })
        c.header('etag', etagOf(edited.version))
        return c.json(await detail(edited), 200)
      },
      tellFaults(patch),
    )
    .openapi(
      remove,
      async (c) => {
        const { key } = c.req.valid('param')
        const version = namedVersion(c, c.req.valid('query').version)
        const result = await deps.engine.remove(c.get('environment').name, key, { actor: actorOf(c) }, version)
        await settled(result, { given: version, current: currentVersion(c, key) })
        return c.body(null, 204)
      },
      tellFaults(remove),
    )
}

interface ChangedFile {
  readonly assign?: unknown
  readonly stages?: unknown
}

/** The file with the changes in it; a field that becomes null goes back to its default. */
export function merged(file: ChangedFile, changes: ChangedFile): object {
  const whole = { ...file, ...changes }
  // How many units a stage needs by default hangs on whether units are dealt out at all.
  const isOther = (whole.assign === 'request') !== (file.assign === 'request')
  const stages = isOther && changes.stages === undefined ? { stages: withoutMinUnits(file.stages) } : {}
  return Object.fromEntries(Object.entries({ ...whole, ...stages }).filter(([, value]) => value !== null))
}

const withoutMinUnits = (stages: unknown): unknown =>
  Array.isArray(stages) ? stages.map(({ minUnits: _ofOtherUnits, ...stage }: { minUnits?: unknown }) => stage) : stages
