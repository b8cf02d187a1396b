export { isWeight, latencyQuantile, metricKind } from './check.ts'
export type {
  AnalysisSettings,
  CohortDefinition,
  Gate,
  Guard,
  Margin,
  MetricDefinition,
  RolloutDefinition,
  Stage,
} from './definition.ts'
export { toCohortFile, toFile, toMetricFile } from './file.ts'
export { type KnownNames, type ParseResult, parseCohort, parseMetric, parseRollout } from './parse.ts'
export { comparedMetrics, type ProjectionInput, projectRuleset } from './project-ruleset.ts'
export { cohortSchema, duration, keyPattern, metricSchema, rolloutSchema } from './schema.ts'
export type {
  Actor,
  Effect,
  EventContext,
  Progress,
  RejectionCode,
  RolloutEvent,
  RolloutState,
  Transition,
  VerdictLabel,
} from './state.ts'
export { transition } from './transition.ts'
export { nextWake, progressOf, stageView } from './view.ts'
export { issuesOf, parseBy, pathText } from './wording.ts'
