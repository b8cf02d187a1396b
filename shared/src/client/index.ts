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
export { createClientCore } from './core.ts'
export type {
  ClientPlatform,
  Connection,
  ConnectionHandlers,
  HttpRequest,
  HttpResponse,
  Logger,
  Store,
} from './platform.ts'
