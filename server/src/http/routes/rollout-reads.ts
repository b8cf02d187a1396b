import { createRoute, z } from '@hono/zod-openapi'
import type { HistoryEntry } from '../../storage/ports.ts'
import { analysisView } from '../analysis-view.ts'
import type { AppDeps } from '../context.ts'
import { convergenceSchema } from '../convergence-schema.ts'
import {
  answers,
  beforeField,
  type Guards,
  keyParam,
  limitField,
  newRoutes,
  olderThan,
  pageOf,
  query,
  tellFaults,
} from '../routing.ts'
import { analysisSchema, decisionSchema, historyEntrySchema, seriesSchema } from '../view-schemas.ts'
import { findRollout, judgementOf } from './rollouts.ts'

/** Entries that a search for decisions looks at, at most. */
const decisionsSearched = 2000
const historyPage = 200

type History = AppDeps['storage']['history']

/** What can be read of a rollout apart from itself. */
export function rolloutReadRoutes(deps: AppDeps, guards: Guards) {
  const read = <Path extends string, S extends z.ZodRawShape, A extends z.ZodType>(
    name: Path,
    summary: string,
    fields: S,
    answer: A,
  ) =>
    createRoute({
      method: 'get',
      path: `/rollouts/{key}/${name}` as `/rollouts/{key}/${Path}`,
      summary,
      middleware: guards.read('viewer'),
      request: { params: keyParam, query: query(fields) },
      responses: answers(answer, summary),
    })
  const analysis = read('analysis', 'The newest judgement and the sums it rests on', {}, analysisSchema)
  const pages = { ...limitField(500, 50), ...beforeField }
  const history = read('history', 'Every change, newest first', pages, pageOf(historyEntrySchema))
  const decisions = read('decisions', 'What the judge decided by itself, newest first', pages, pageOf(decisionSchema))
  const convergence = read(
    'convergence',
    'How far the newest rulesets have come, newest first',
    limitField(100, 20),
    pageOf(convergenceSchema),
  )
  const times = {
    from: z.coerce.number().int().min(0).optional().meta({ description: 'Epoch milliseconds' }),
    to: z.coerce.number().int().min(0).optional().meta({ description: 'Epoch milliseconds' }),
  }
  const series = read(
    'series',
    'Figures per time bucket of the present run',
    { ...limitField(2000, 360), ...times },
    seriesSchema,
  )

  return newRoutes()
    .openapi(
      analysis,
      async (c) => {
        const record = await findRollout(deps, c, c.req.valid('param').key)
        const view = await analysisView(deps.storage.evidence, record, await judgementOf(deps, record))
        const queries = deps.queries.troubles(record.id)
        return c.json(queries.length === 0 ? view : { ...view, queries }, 200)
      },
      tellFaults(analysis),
    )
    .openapi(
      history,
      async (c) => {
        const record = await findRollout(deps, c, c.req.valid('param').key)
        const { limit, before } = c.req.valid('query')
        const page = await pageBefore(deps.storage.history, record.id, limit, before, () => true)
        return c.json({ ...page, items: page.items.map(shownEntry) }, 200)
      },
      tellFaults(history),
    )
    .openapi(
      decisions,
      async (c) => {
        const record = await findRollout(deps, c, c.req.valid('param').key)
        const { limit, before } = c.req.valid('query')
        const page = await pageBefore(deps.storage.history, record.id, limit, before, isDecision)
        return c.json({ ...page, items: page.items.map(({ rolloutId: _inner, ...entry }) => entry) }, 200)
      },
      tellFaults(decisions),
    )
    .openapi(
      convergence,
      async (c) => {
        const record = await findRollout(deps, c, c.req.valid('param').key)
        const items = deps.hub.convergence(record.environment).slice(0, c.req.valid('query').limit)
        return c.json({ items }, 200)
      },
      tellFaults(convergence),
    )
    .openapi(
      series,
      async (c) => {
        const record = await findRollout(deps, c, c.req.valid('param').key)
        const { limit, from, to } = c.req.valid('query')
        const { tickMs } = record.definition.analysis
        // The bucket under way is not closed: its figures still change.
        const through = Math.floor(Math.min(to ?? Number.POSITIVE_INFINITY, deps.clock.now()) / tickMs) - 1
        const after = Math.max(Math.ceil((from ?? 0) / tickMs) - 1, through - limit)
        const ticks = await deps.storage.evidence.ticks(record.id, { fromEpoch: record.runEpoch, after, through })
        const items = ticks.slice(-limit).map(({ tick, epoch, thresholdsVersion, canary, stable }) => ({
          at: tick * tickMs,
          epoch,
          thresholdsVersion,
          canary,
          stable,
        }))
        return c.json({ tickMs, items }, 200)
      },
      tellFaults(series),
    )
}

const isDecision = (entry: HistoryEntry): boolean => entry.judgement !== undefined

/** The judge's own memory is large and means nothing to anybody else. */
function withoutMemory<J extends { readonly state: unknown }>({ state: _memory, ...judgement }: J): Omit<J, 'state'> {
  return judgement
}

/** An entry for people; `decisions` has the judge's memory too, so that a verdict can be replayed. */
function shownEntry({ rolloutId: _inner, judgement, ...entry }: HistoryEntry) {
  return judgement === undefined ? entry : { ...entry, judgement: withoutMemory(judgement) }
}

async function pageBefore(
  history: History,
  rolloutId: string,
  limit: number,
  before: number | undefined,
  wanted: (entry: HistoryEntry) => boolean,
): Promise<{ items: HistoryEntry[]; next?: number }> {
  const found: HistoryEntry[] = []
  let searched = 0
  let part = olderThan(before)
  while (searched < decisionsSearched) {
    const page = await history.list(rolloutId, { limit: historyPage, ...part })
    for (const { sequence, ...entry } of page) {
      part = { below: sequence }
      if (!wanted(entry)) continue
      found.push(entry)
      if (found.length === limit) return { items: found, next: sequence }
    }
    searched += page.length
    if (page.length < historyPage) return { items: found }
  }
  return { items: found, ...(part.below === undefined ? {} : { next: part.below }) }
}
