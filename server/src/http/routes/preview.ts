import { createRoute, z } from '@hono/zod-openapi'
import type { Issue } from '@pipit/shared/base'
import type { PersonEvent } from '../../engine/api.ts'
import { parseRollout, toFile } from '../../rollout/index.ts'
import { actorOf } from '../access.ts'
import type { AppDeps } from '../context.ts'
import { invalid } from '../problem.ts'
import { answers, type Guards, keyParam, moment, newRoutes, query, settled, tellFaults } from '../routing.ts'
import { findRollout, knownNames, merged, patchSchema } from './rollouts.ts'

const commands = ['pause', 'resume', 'advance', 'approve', 'reject', 'revert', 'archive'] as const
const { version: _version, reason: _reason, ...changes } = patchSchema.shape

const previewBody = z
  .union(
    [
      z.strictObject({ changes: z.strictObject(changes) }),
      z.strictObject({ command: z.enum(commands) }),
      z.strictObject({ command: z.literal('start'), at: moment.optional() }),
      z.strictObject({ command: z.literal('set-weight'), weight: z.number().min(0).max(100) }),
      z.strictObject({ command: z.literal('complete'), winner: z.string().min(1).max(64).optional() }),
      z.strictObject({ command: z.literal('restart'), people: z.enum(['same', 'fresh']) }),
    ],
    {
      error:
        'must be { "changes": { … } } with fields of the rollout file, or { "command": … } with what the command takes: at for start, weight for set-weight, people for restart, winner for complete',
    },
  )
  .meta({ id: 'PreviewInput', example: { command: 'set-weight', weight: 25 } })

const placeSchema = z.object({
  phase: z.string(),
  stage: z.string().optional(),
  weight: z.number().optional(),
  epoch: z.number().optional(),
})

const share = z.number().meta({
  description:
    'Percent of the units that are dealt out: of those who are decided by other rules or cohorts, or let in by other prerequisites or another layer, it tells nothing',
})
const units = z.number().meta({ description: 'How many that is of the units seen in the present stage' })

const previewSchema = z
  .object({
    before: placeSchema,
    after: placeSchema,
    summary: z.string(),
    newEpoch: z.boolean().meta({ description: 'The comparison would begin anew' }),
    moves: z.array(z.object({ from: z.string(), to: z.string(), share, units })).readonly(),
    moved: z.object({ share, units }),
  })
  .meta({ id: 'Preview' })

function eventOf(body: Exclude<z.infer<typeof previewBody>, { changes: unknown }>): PersonEvent {
  if (body.command === 'start') {
    const at = 'at' in body ? body.at : undefined
    return { type: 'start', ...(at === undefined ? {} : { at }) }
  }
  if (body.command === 'set-weight' && 'weight' in body) return { type: 'set-weight', weight: body.weight }
  if (body.command === 'restart' && 'people' in body) return { type: 'restart', people: body.people }
  if (body.command === 'complete') {
    const winner = 'winner' in body ? body.winner : undefined
    return { type: 'complete', ...(winner === undefined ? {} : { winner }) }
  }
  return { type: body.command as (typeof commands)[number] }
}

/** What a change would do, before it is done. */
export function previewRoutes(deps: AppDeps, guards: Guards) {
  const preview = createRoute({
    method: 'post',
    path: '/rollouts/{key}/preview',
    summary: 'What an edit or a command would do, and to how many users; changes nothing',
    middleware: guards.ask('viewer', { required: true }),
    request: {
      params: keyParam,
      query: query({}),
      body: { required: true, content: { 'application/json': { schema: previewBody } } },
    },
    responses: answers(previewSchema, 'Where the rollout is, where it would be, and who would change sides'),
  })
  return newRoutes().openapi(
    preview,
    async (c) => {
      const { key } = c.req.valid('param')
      const record = await findRollout(deps, c, key)
      const body = c.req.valid('json')
      const by = { actor: actorOf(c) }
      if (!('changes' in body)) {
        const change = { event: eventOf(body) }
        const result = await deps.engine.preview(record.environment, key, change, by)
        return c.json(await settled(result, undefined, body.command === 'complete' ? 'winner' : undefined), 200)
      }
      const file = merged(toFile(record.definition), body.changes)
      const parsed = parseRollout(file, await knownNames(deps, record.environment))
      if (!parsed.ok) throw invalid(inChanges(parsed.issues))
      const change = { definition: parsed.definition }
      const result = await deps.engine.preview(record.environment, key, change, by)
      if (!result.ok && result.issues !== undefined) throw invalid(inChanges(result.issues))
      return c.json(await settled(result), 200)
    },
    tellFaults(preview),
  )
}

/** Faults of the rollout where the body has them. */
const inChanges = (issues: readonly Issue[]): Issue[] =>
  issues.map(({ path, message }) => ({ path: path === '' ? 'changes' : `changes.${path}`, message }))
