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
export type { EngineLog } from './pump.ts'
export { createQueries, type Queries, type QueryTrouble } from './queries.ts'
export { createSteadyClock, type SteadyClock } from './steady-clock.ts'
