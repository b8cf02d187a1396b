import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { decodeEvidence, type ExportedDecision, type Replay, replayDecision } from '../../replay/index.ts'
import type { DecisionRecord, HistoryEntry, RolloutRecord } from '../../storage/ports.ts'
import type { AppDeps, AppEnv } from '../context.ts'
import { HttpProblem } from '../problem.ts'
import { answers, type Guards, keyParam, newRoutes, query, tellFaults } from '../routing.ts'
import { findRollout } from './rollouts.ts'

const params = keyParam.extend({ id: z.string().max(64).meta({ description: 'Of the entry in history or decisions' }) })
const replayAnswer = z.custom<Replay>().meta({
  type: 'object',
  description:
    'Whether the same evidence gives the same judgement again, to the bit; by another version of the judge, what it says',
})
const exportAnswer = z.custom<ExportedDecision>().meta({
  type: 'object',
  description: 'The decision with its evidence, to be replayed anywhere by `pipit replay --file`',
})

/** Automatic decisions taken again on the evidence that is stored with them. */
export function replayRoutes(deps: AppDeps, guards: Guards) {
  const replay = createRoute({
    method: 'get',
    path: '/rollouts/{key}/decisions/{id}/replay',
    summary: 'Takes a decision again on its stored evidence',
    middleware: guards.read('viewer'),
    request: { params, query: query({}) },
    responses: answers(replayAnswer, 'What came out'),
  })
  const export_ = createRoute({
    method: 'get',
    path: '/rollouts/{key}/decisions/{id}/evidence',
    summary: 'A decision with everything it was taken on',
    middleware: guards.read('viewer'),
    request: { params, query: query({}) },
    responses: answers(exportAnswer, 'The decision'),
  })

  async function find(c: Context<AppEnv>, key: string, id: string) {
    const record = await findRollout(deps, c, key)
    const entry = await deps.storage.history.get(record.id, id)
    const stored = await deps.storage.decisions.get(id)
    if (entry?.judgement === undefined || stored === undefined) throw notReplayable(key, id, entry)
    return { record, entry, judgement: entry.judgement, stored, ...(await evidenceOf(deps, record, stored)) }
  }

  return newRoutes()
    .openapi(
      replay,
      async (c) => {
        const { key, id } = c.req.valid('param')
        const { judgement, input, ticks } = await find(c, key, id)
        return c.json(replayDecision({ judgement, input, ticks }), 200)
      },
      tellFaults(replay),
    )
    .openapi(
      export_,
      async (c) => {
        const { key, id } = c.req.valid('param')
        const { entry, judgement, stored, ticks } = await find(c, key, id)
        const exported: ExportedDecision = {
          format: 'pipit-decision-1',
          ...{ rollout: key, id, at: entry.at, summary: entry.summary, judgement, ticks },
          evidence: Buffer.from(stored.evidence).toString('base64'),
        }
        return c.json(exported, 200)
      },
      tellFaults(export_),
    )
}

function notReplayable(key: string, id: string, entry: HistoryEntry | undefined): HttpProblem {
  if (entry === undefined) {
    const where = `GET /api/v1/rollouts/${key}/decisions lists them`
    return new HttpProblem('not-found', `${key} has no decision "${id}"; ${where}`)
  }
  const why = entry.judgement === undefined ? 'is a person’s' : 'was taken before evidence was stored'
  return new HttpProblem('not-found', `decision "${id}" of ${key} ${why}: there is nothing to replay`)
}

async function evidenceOf({ storage }: AppDeps, record: RolloutRecord, stored: DecisionRecord) {
  const evidence = decodeEvidence(stored.evidence)
  if (evidence === undefined) {
    throw new HttpProblem('not-found', `the evidence of decision "${stored.historyId}" is damaged and cannot be read`)
  }
  const { input, through } = evidence
  const fromEpoch = input.buckets[0]?.epoch ?? input.stage.epoch
  return { input, ticks: await storage.evidence.ticks(record.id, { fromEpoch, after: -1, through }) }
}
