import { z } from '@hono/zod-openapi'
import type { ClassicReport, Judgement, Score } from '../analysis/index.ts'

/** What the API answers with. The OpenAPI document is made of these, and the tests hold real answers to them. */

const ms = z.number().int().meta({ description: 'Epoch milliseconds', example: 1_795_000_000_000 })
const loose = (description: string) => z.record(z.string(), z.unknown()).meta({ description })

export const issueSchema = z.object({ path: z.string(), message: z.string() }).meta({ id: 'Issue' })

export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    code: z.string().meta({ description: 'Stable; see the table of codes', example: 'stale-version' }),
    detail: z.string().meta({ description: 'What happened and what to do' }),
    errors: z.array(issueSchema).readonly().optional(),
    given: z.number().optional().meta({ description: 'stale-version: the version that was sent' }),
    current: z.number().optional().meta({ description: 'stale-version: the version that is stored' }),
    position: z.number().optional(),
    line: z.number().optional(),
    column: z.number().optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem document' })

const figures = z.object({ n: z.number(), x: z.number(), rate: z.number().optional() })

export const verdictSummarySchema = z
  .object({
    at: ms,
    label: z.enum(['advance', 'hold', 'pause', 'revert']),
    sentence: z.string(),
    units: z.object({ canary: z.number(), stable: z.number(), needed: z.number() }),
    logHarm: z.number().nullable().meta({ description: 'Natural log of the evidence of harm' }),
    logHarmNeeded: z.number().nullable().meta({ description: 'Evidence at which it reverts' }),
    errorRate: z.object({ canary: figures, stable: figures }).optional(),
    worst: z.object({ metric: z.string(), logHarm: z.number().nullable() }).optional(),
  })
  .meta({ id: 'VerdictSummary' })

export const rolloutViewSchema = z
  .object({
    key: z.string(),
    environment: z.string(),
    description: z.string().optional(),
    phase: z.enum([
      'draft',
      'scheduled',
      'running',
      'paused',
      'awaiting-approval',
      'succeeded',
      'reverted',
      'archived',
    ]),
    since: ms.meta({ description: 'When the present phase or stage began' }),
    stage: z.string().optional().meta({ description: 'Name of the current stage, once started' }),
    stageIndex: z.number().int().optional(),
    stages: z
      .array(z.object({ name: z.string(), weight: z.number(), approval: z.boolean() }))
      .readonly()
      .meta({ description: 'The way it goes' }),
    weight: z.number(),
    epoch: z.number().int(),
    startAt: ms.optional(),
    startedAt: ms.optional(),
    winner: z.string().optional(),
    why: z.string().optional().meta({ description: 'Why it is paused or reverted' }),
    verdict: verdictSummarySchema.optional(),
    version: z.number().int().meta({ description: 'Name it in a change to be refused when somebody else was faster' }),
    createdAt: ms,
    updatedAt: ms,
  })
  .meta({ id: 'Rollout' })

export const rolloutDetailSchema = rolloutViewSchema
  .extend({
    definition: loose('The rollout file with every default filled in'),
    overrides: z.record(z.string(), z.string()).meta({ description: 'Variant by unit' }),
    dismissed: z.record(z.string(), z.object({ until: ms, reason: z.string(), by: z.string() })),
    thresholds: z.object({ version: z.number(), ms: z.array(z.number()).readonly() }).optional(),
  })
  .meta({ id: 'RolloutDetail' })

const judgement = z.custom<Omit<Judgement, 'state'>>().meta({
  type: 'object',
  description: 'The verdict with label, sentence, reasons, evidence per metric and the judge’s version',
})

const total = z.object({
  epoch: z.number(),
  variant: z.string(),
  stratum: z.string(),
  n: z.number(),
  failed: z.number(),
  timed: z.number(),
  exposed: z.number(),
  conversions: z.record(z.string(), z.object({ atRisk: z.number(), converted: z.number() })).readonly(),
})

const score = z.custom<Score>().meta({
  type: 'object',
  description:
    'A composite score from 0 to 100 with a classification per metric: a report, never the reason of a verdict',
})

const classic = z.custom<ClassicReport>().meta({
  type: 'object',
  description: 'Classic tests of the stage under way. Fixed horizon: for reading, not for deciding',
})

const queryTrouble = z
  .object({ metric: z.string(), failures: z.number().int(), message: z.string() })
  .meta({ description: 'A query of an external metric that does not work now' })

export const analysisSchema = z
  .object({
    judgement: judgement.optional(),
    score: score.optional(),
    classic: classic.optional(),
    totals: z.array(total).readonly(),
    queries: z.array(queryTrouble).readonly().optional(),
  })
  .meta({ id: 'Analysis' })

export type AnalysisView = z.infer<typeof analysisSchema>

const place = z.object({
  phase: z.string(),
  stage: z.string().optional(),
  weight: z.number().optional(),
  epoch: z.number().optional(),
})

const actor = z.object({ kind: z.enum(['person', 'engine']), name: z.string() })

export const historyEntrySchema = z
  .object({
    id: z.string(),
    at: ms,
    actor,
    event: z.string(),
    summary: z.string(),
    reason: z.string().optional(),
    from: place,
    to: place,
    judgement: judgement.optional(),
  })
  .meta({ id: 'HistoryEntry' })

export const decisionSchema = historyEntrySchema
  .extend({
    judgement: z
      .custom<Judgement>()
      .optional()
      .meta({ type: 'object', description: 'As in history, with the judge’s memory it was reached with' }),
  })
  .meta({ id: 'Decision' })

const armPoint = z.object({
  n: z.number(),
  failed: z.number(),
  timed: z.number(),
  over: z.array(z.number()).readonly(),
  exposed: z.number(),
  conversions: z.record(z.string(), z.object({ atRisk: z.number(), converted: z.number() })).readonly(),
})

export const seriesSchema = z
  .object({
    tickMs: z.number(),
    items: z
      .array(z.object({ at: ms, epoch: z.number(), thresholdsVersion: z.number(), canary: armPoint, stable: armPoint }))
      .readonly(),
  })
  .meta({ id: 'Series' })

export const cohortViewSchema = z
  .object({
    key: z.string(),
    environment: z.string(),
    description: z.string().optional(),
    when: loose('Condition').optional(),
    memberCount: z.number().int().meta({ description: 'How many ids are listed; GET /cohorts/{key}/members has them' }),
    version: z.number().int(),
    updatedAt: ms,
  })
  .meta({ id: 'Cohort' })

const eventSumSchema = z.object({ event: z.string(), of: z.enum(['value', 'count']) })

export const metricViewSchema = z
  .object({
    key: z.string(),
    environment: z.string(),
    kind: z.enum(['conversion', 'sum', 'count', 'mean', 'ratio', 'external']),
    better: z.enum(['higher', 'lower']),
    event: z.string().optional(),
    numerator: eventSumSchema.optional(),
    denominator: eventSumSchema.optional(),
    window: z.string().optional(),
    cap: z.number().optional(),
    query: loose('Queries of an external metric').optional(),
    description: z.string().optional(),
    version: z.number().int(),
    updatedAt: ms,
  })
  .meta({ id: 'Metric' })

export const keyViewSchema = z
  .object({
    id: z.string(),
    kind: z.enum(['srv', 'web', 'adm']),
    environment: z.string().optional(),
    role: z.enum(['viewer', 'operator', 'editor', 'admin']).optional(),
    name: z.string(),
    hint: z.string().meta({ description: 'The first characters' }),
    origins: z.array(z.string()).readonly().optional().meta({ description: 'Whose pages may use it; any when absent' }),
    createdAt: ms,
    lastUsedAt: ms.optional(),
    revokedAt: ms.optional(),
  })
  .meta({ id: 'Key' })

export const newKeySchema = keyViewSchema
  .extend({ secret: z.string().meta({ description: 'The key itself: shown this once and stored nowhere' }) })
  .meta({ id: 'NewKey' })

export const environmentViewSchema = z
  .object({
    name: z.string(),
    rulesetVersion: z.number(),
    holdback: z.number(),
    userHash: z.enum(['required', 'off']),
    createdAt: ms,
  })
  .meta({ id: 'Environment' })

export const pageSecretSchema = environmentViewSchema
  .extend({
    secret: z.string().meta({ description: 'For the HMAC-SHA256 of user ids, on your server; never in a page' }),
  })
  .meta({ id: 'PageSecret' })

export const instanceSchema = z
  .object({
    instance: z.string(),
    environment: z.string(),
    kind: z.enum(['server', 'page']).meta({ description: 'page: a browser, by a web_ key' }),
    sdk: z.object({ name: z.string(), version: z.string() }),
    labels: z.record(z.string(), z.string()).readonly(),
    connectedAt: ms,
    lastSeenAt: ms,
    appliedVersion: z.number(),
    bufferedBytes: z.number(),
    transport: z.enum(['socket', 'http']),
    breakers: z.array(z.string()).readonly(),
  })
  .meta({ id: 'Instance' })

export const auditEntrySchema = z
  .object({
    id: z.string(),
    environment: z.string().optional(),
    at: ms,
    actor,
    action: z.string(),
    target: z.string(),
    reason: z.string().optional(),
    before: z.unknown().optional(),
    after: z.unknown().optional(),
  })
  .meta({ id: 'AuditEntry' })

export const meSchema = z
  .object({ name: z.string(), role: z.enum(['viewer', 'operator', 'editor', 'admin']) })
  .meta({ id: 'Me' })
