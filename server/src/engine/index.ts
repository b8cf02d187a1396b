export type {
  ByWhom,
  Catalog,
  Engine,
  Notifier,
  PersonEvent,
  Problem,
  ProblemCode,
  Publisher,
  Result,
  RolloutCommands,
} from './api.ts'
export { createEngine, type EngineParts } from './engine.ts'
export { createMemberLists, type MemberLists } from './member-lists.ts'
export type { EngineLog } from './pump.ts'
export { createQueries, type Queries, type QueryTrouble } from './queries.ts'
export { readRuleset } from './read-ruleset.ts'
export { createRetention, defaultRetentionLimits, type Retention, type RetentionLimits } from './retention.ts'
export { createSteadyClock, type SteadyClock } from './steady-clock.ts'
