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
