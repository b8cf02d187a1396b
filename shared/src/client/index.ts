export type { Clock } from '../clock/index.ts'
export type {
  CompiledRuleset,
  DecideContext,
  DecideEnvironment,
  Decision,
  Reason,
  TraceStep,
  User,
  UserAgent,
} from '../decide/index.ts'
export { createUserAgentReader, explain, projectPage } from '../decide/index.ts'
export type { OutcomeKind } from '../protocol/index.ts'
export { nearest, type PageRuleset, type Ruleset } from '../rules/index.ts'
export type {
  Client,
  ClientEvents,
  ClientOptions,
  ClientStatus,
  DecideOptions,
  Outcome,
  RunOptions,
  TrackOptions,
} from './api.ts'
export { type ClientCore, createClientCore } from './core.ts'
export type {
  ClientPlatform,
  Connection,
  ConnectionHandlers,
  HttpRequest,
  HttpResponse,
  Logger,
  Store,
} from './platform.ts'
export type {
  AnyRollouts,
  DecisionOf,
  DefaultRollout,
  NoDefault,
  Paths,
  RolloutKey,
  RolloutType,
  RolloutTypes,
  VariantOf,
  Which,
} from './rollout-types.ts'
