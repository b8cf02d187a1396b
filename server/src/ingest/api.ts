import type { Issue } from '@pipit/shared/base'
import type { Report, WireError } from '@pipit/shared/protocol'

export interface IngestResult {
  readonly seq: number
  /** `stored`: durable now; `duplicate`: was before. Both are acknowledged. */
  readonly status: 'stored' | 'duplicate'
}

/** Who reports: what exposures and slices are told apart by. */
export interface ReportingInstance {
  readonly id: string
  /** In place of the id where exposures are told apart by instance: pages come and go too fast to be compared one by one. */
  readonly group?: string
  /** Name and version of its SDK, `pipit-node@1.2.0`. */
  readonly sdk?: string
  readonly labels?: { readonly [name: string]: string }
}

/** A figure of an external metric, measured by somebody else. */
export interface Observed {
  readonly metric: string
  readonly variant: string
  readonly value: number
}

/** Why figures were not taken: all or none are. */
export type ObserveFault =
  | { readonly code: 'not-found'; readonly message: string }
  | { readonly code: 'illegal-in-phase'; readonly message: string }
  | { readonly code: 'invalid'; readonly issues: readonly Issue[] }

/** What ingest has before it. */
export interface IngestLoad {
  /** Reports whose sender waits for an answer. */
  readonly reports: number
  /** What they cost to store, by `reportWeight`. */
  readonly weight: number
  /** How long the oldest of them has waited; 0 while none does. */
  readonly oldestMs: number
  /** How long the last commit took, 0 before the first. */
  readonly commitMs: number
  /** How long no commit has succeeded any more; absent while they do. */
  readonly failingSinceMs?: number
}

/** Takes reports; each is counted exactly once by (instance, seq). */
export interface Ingest {
  /**
   * Resolves after the commit that made the report durable, or with an error that says `retry` and after how long: too many wait, or
   * the database cannot be written; nothing of it was stored. Rejects where the report itself broke the ingest: nothing was stored
   * either. A report of a wrong form never comes here (the protocol's validation answers it).
   */
  submit(environment: string, instance: ReportingInstance, report: Report): Promise<IngestResult | WireError>
  /** Takes figures of external metrics into the present time bucket of a rollout; undefined when all were taken. */
  observe(environment: string, rollout: string, items: readonly Observed[]): Promise<ObserveFault | undefined>
  /** Counters since the start, for /metrics: reports, duplicates, outcomes, exposures, events, unknown rollouts, late, dropped by SDKs. */
  counters(): { readonly [name: string]: number }
  load(): IngestLoad
  /** Waits for what is under way. */
  stop(): Promise<void>
}
