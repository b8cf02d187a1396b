import type { z } from 'zod'
import type { Judgement } from '../analysis/judgement.ts'
import type { CohortDefinition, MetricDefinition } from '../rollout/definition.ts'
import { progressOf, toFile, toMetricFile } from '../rollout/index.ts'
import type { RolloutState } from '../rollout/state.ts'
import type { CatalogRecord, EnvironmentRecord, KeyRecord, RolloutRecord } from '../storage/ports.ts'
import type {
  cohortViewSchema,
  environmentViewSchema,
  keyViewSchema,
  metricViewSchema,
  rolloutDetailSchema,
  rolloutViewSchema,
  verdictSummarySchema,
} from './view-schemas.ts'

export type RolloutView = z.infer<typeof rolloutViewSchema>
export type RolloutDetail = z.infer<typeof rolloutDetailSchema>
export type VerdictSummary = z.infer<typeof verdictSummarySchema>

/** JSON has no infinities. */
const finite = (value: number): number | null => (Number.isFinite(value) ? value : null)

export function verdictSummary(judgement: Judgement): VerdictSummary {
  const errors = judgement.metrics.find((metric) => metric.metric === 'error_rate')
  const guarded = judgement.metrics.filter((metric) => metric.guard !== undefined)
  const worst = guarded.reduce<(typeof guarded)[number] | undefined>(
    (most, metric) => (most === undefined || metric.logHarm > most.logHarm ? metric : most),
    undefined,
  )
  return {
    at: judgement.at,
    label: judgement.label,
    sentence: judgement.sentence,
    units: judgement.units,
    logHarm: finite(judgement.logHarm),
    logHarmNeeded: finite(judgement.logHarmNeeded),
    ...(errors === undefined ? {} : { errorRate: { canary: errors.canary, stable: errors.stable } }),
    ...(worst === undefined ? {} : { worst: { metric: worst.metric, logHarm: finite(worst.logHarm) } }),
  }
}

/** A rollout as lists and the live stream show it. `judgement`: the newest of its present run. */
export function rolloutView(record: RolloutRecord, judgement: Judgement | undefined): RolloutView {
  const { definition, state } = record
  const progress = progressOf(state)
  const stage = progress === undefined ? undefined : definition.stages[progress.stage]
  return {
    key: record.key,
    environment: record.environment,
    ...(definition.description === undefined ? {} : { description: definition.description }),
    phase: state.phase,
    since: sinceOf(state, record),
    ...(progress === undefined || stage === undefined ? {} : { stage: stage.name, stageIndex: progress.stage }),
    stages: definition.stages.map(({ name, weight, approval }) => ({ name, weight, approval })),
    weight: progress?.weight ?? 0,
    epoch: progress?.epoch ?? 0,
    ...(state.phase === 'scheduled' ? { startAt: state.startAt } : {}),
    ...(progress === undefined ? {} : { startedAt: progress.startedAt }),
    ...(state.phase === 'succeeded' ? { winner: state.winner } : {}),
    ...(state.phase === 'paused' || state.phase === 'reverted' ? { why: state.why } : {}),
    ...(judgement === undefined ? {} : { verdict: verdictSummary(judgement) }),
    version: record.version,
    createdAt: record.createdAt,
    updatedAt: record.updatedAt,
  }
}

export function rolloutDetail(record: RolloutRecord, judgement: Judgement | undefined): RolloutDetail {
  const progress = progressOf(record.state)
  return {
    ...rolloutView(record, judgement),
    definition: toFile(record.definition),
    overrides: progress?.overrides ?? {},
    dismissed: progress?.dismissed ?? {},
    ...(progress === undefined ? {} : { thresholds: progress.thresholds }),
  }
}

function sinceOf(state: RolloutState, record: RolloutRecord): number {
  switch (state.phase) {
    case 'draft':
      return record.createdAt
    case 'scheduled':
      return record.updatedAt
    case 'running':
      return state.progress.stageStartedAt
    case 'paused':
      return state.pausedAt
    case 'awaiting-approval':
      return state.since
    case 'succeeded':
    case 'reverted':
      return state.endedAt
    case 'archived':
      return state.archivedAt
  }
}

export function cohortView(record: CatalogRecord<CohortDefinition>): z.infer<typeof cohortViewSchema> {
  const { description, when, members } = record.definition
  return {
    key: record.key,
    environment: record.environment,
    ...(description === undefined ? {} : { description }),
    ...(when === undefined ? {} : { when }),
    memberCount: members?.count ?? 0,
    version: record.version,
    updatedAt: record.updatedAt,
  }
}

export function metricView(record: CatalogRecord<MetricDefinition>): z.infer<typeof metricViewSchema> {
  const { key: _, kind, better, ...rest } = toMetricFile(record.definition) as z.infer<typeof metricViewSchema>
  return {
    key: record.key,
    kind,
    better,
    ...rest,
    environment: record.environment,
    version: record.version,
    updatedAt: record.updatedAt,
  }
}

/** Without its salt and its page secret. */
export const environmentView = ({
  name,
  rulesetVersion,
  holdback,
  userHash,
  createdAt,
}: EnvironmentRecord): z.infer<typeof environmentViewSchema> => ({
  ...{ name, rulesetVersion, holdback, userHash, createdAt },
})

export function keyView(record: KeyRecord): z.infer<typeof keyViewSchema> {
  const { hash: _neverShown, ...shown } = record
  return shown
}
