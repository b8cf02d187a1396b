import type { Clock } from '@pipit/shared/clock'
import type { UserAgent } from '@pipit/shared/decide'
import type { Catalog, RolloutCommands } from '../engine/api.ts'
import type { Queries } from '../engine/queries.ts'
import type { Retention } from '../engine/retention.ts'
import type { Ingest } from '../ingest/index.ts'
import type { Log } from '../platform/index.ts'
import type { PushHub } from '../push/index.ts'
import type { EnvironmentRecord, KeyRecord, Storage } from '../storage/ports.ts'
import type { Authenticate } from './authenticate.ts'

/** What the API is made of. It reads from storage and changes things only through the engine. */
export interface AppDeps {
  readonly storage: Storage
  readonly engine: RolloutCommands & Catalog
  readonly hub: PushHub
  readonly ingest: Pick<Ingest, 'counters' | 'load' | 'observe'>
  readonly queries: Pick<Queries, 'troubles'>
  readonly retention: Pick<Retention, 'counters'>
  readonly authenticate: Authenticate
  readonly clock: Clock
  readonly log: Log
  /** Reads a `User-Agent` header as SDKs do. */
  readonly userAgent: (text: string) => UserAgent | undefined
  /** Distinguishes this process from the one before it. */
  readonly bootId: string
  /** Aborted when the server drains: live streams end. */
  readonly draining: AbortSignal
}

/** What middleware has found out before a handler runs. */
export interface AppVariables {
  /** The admin token of the caller. */
  token: KeyRecord
  environment: EnvironmentRecord
}

export interface AppEnv {
  Variables: AppVariables
}
