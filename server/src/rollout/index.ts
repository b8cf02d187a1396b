export { isWeight } from './check.ts'
export type {
  AnalysisSettings,
  Better,
  CheckAction,
  CheckName,
  CohortDefinition,
  CohortInput,
  EventSum,
  Gate,
  Guard,
  Limit,
  Margin,
  MetricDefinition,
  RolloutDefinition,
  Stage,
} from './definition.ts'
export { checkNames } from './definition.ts'
export { toFile, toMetricFile } from './file.ts'
export {
  builtInKind,
  countsTheSame,
  errorKind,
  eventSums,
  higherIsBetter,
  latencyQuantile,
  type MetricKind,
  metricKind,
  type ValueKind,
  valueKinds,
} from './metric.ts'
export { type Movement, movements } from './movement.ts'
export { type KnownNames, type ParseResult, parseCohort, parseMetric, parseRollout } from './parse.ts'
export { target as schemaAt } from './payload/check-schema.ts'
export type { JsonSchema } from './payload/keywords.ts'
export { comparedMetrics, type ProjectionInput, projectRuleset } from './project-ruleset.ts'
export { cohortSchema, duration, keyPattern, metricPutSchema, metricSchema, rolloutSchema } from './schema.ts'
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
