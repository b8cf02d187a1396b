import type { Judgement, JudgeState } from '../analysis/judgement.ts'
import type { CohortDefinition, MetricDefinition, RolloutDefinition } from '../rollout/definition.ts'
import type { Actor, Effect, RolloutState } from '../rollout/state.ts'
import type { DecisionRecord, EvidenceStore } from './evidence-ports.ts'

export type {
  Conversion,
  ConversionResult,
  DecisionRecord,
  EvidenceTotal,
  Exposure,
  ExposureMetrics,
  ExposureResult,
  Observation,
  OutcomeDelta,
  PendingEvent,
  SliceSums,
  ValueEvent,
  ValueResult,
} from './evidence-ports.ts'

/** How far below the highest sequence of an instance a report may still come for the first time. */
export const sequenceWindow = 32

/** All times are epoch milliseconds; ids are nanoid texts; a record that is not there is `undefined`. */

export interface EnvironmentRecord {
  readonly name: string
  readonly unitSalt: string
  /** Version of the ruleset; grows by one with each change an SDK could notice. */
  readonly rulesetVersion: number
  /** Share of people, in percent, whom no rollout touches. */
  readonly holdback: number
  /** Proves to pages' server who their users are; absent until somebody asks for it. */
  readonly pageSecret?: string
  /** Whether a page must prove the id of its user. */
  readonly userHash: 'required' | 'off'
  readonly createdAt: number
}

export type Role = 'viewer' | 'operator' | 'editor' | 'admin'

export interface KeyRecord {
  readonly id: string
  /** Absent for `adm` keys, which hold for all environments. */
  readonly environment?: string
  readonly kind: 'srv' | 'web' | 'adm'
  /** For `adm` keys. */
  readonly role?: Role
  readonly name: string
  /** SHA-256 of the key in hex. */
  readonly hash: string
  /** First characters, for people to recognise it by. */
  readonly hint: string
  /** For `web` keys: the origins whose pages may use it; any when absent. */
  readonly origins?: readonly string[]
  readonly createdAt: number
  readonly lastUsedAt?: number
  readonly revokedAt?: number
}

export interface RolloutRecord {
  readonly id: string
  readonly environment: string
  readonly key: string
  readonly definition: RolloutDefinition
  readonly state: RolloutState
  /** Grows with each change of definition or state; writes name the version they saw. */
  readonly version: number
  /** First epoch of the present run; evidence before it belongs to an earlier run. */
  readonly runEpoch: number
  /** When the engine has to look at it next; absent when never by itself. */
  readonly wakeAt?: number
  readonly createdAt: number
  readonly updatedAt: number
}

/** The judge's memory of a run; apart from the record, so that looking does not make people's versions stale. */
export interface JudgeRecord {
  readonly rolloutId: string
  readonly state: JudgeState
  /** Last tick folded into `state`. */
  readonly foldedTick: number
  readonly judgement?: Judgement
}

/** One change of a rollout, by a person or the engine, with the evidence it was taken on. */
export interface HistoryEntry {
  readonly id: string
  readonly rolloutId: string
  readonly at: number
  readonly actor: Actor
  /** The event's type, e.g. `advance`, `judged`. */
  readonly event: string
  readonly summary: string
  readonly reason?: string
  readonly from: { readonly phase: string; readonly stage?: string; readonly weight?: number; readonly epoch?: number }
  readonly to: { readonly phase: string; readonly stage?: string; readonly weight?: number; readonly epoch?: number }
  /** For automatic decisions. */
  readonly judgement?: Judgement
}

/** Where an entry stands in its list: numbers grow with each, and never come again. */
export interface Numbered {
  readonly sequence: number
}

/** A part of a list, newest first: entries from before a time, or below a number. */
export interface Part {
  readonly limit: number
  readonly before?: number
  readonly below?: number
}

export interface CatalogRecord<D> {
  readonly environment: string
  readonly key: string
  readonly definition: D
  readonly version: number
  readonly updatedAt: number
}

export interface AuditEntry {
  readonly id: string
  readonly environment?: string
  readonly at: number
  readonly actor: Actor
  readonly action: string
  /** `rollout:checkout-v2`, `cohort:beta`, `key:…`. */
  readonly target: string
  readonly reason?: string
  readonly before?: unknown
  readonly after?: unknown
}

export interface OutboxItem {
  readonly id: string
  readonly environment: string
  readonly rolloutKey?: string
  readonly effect: Effect
  readonly createdAt: number
  readonly attempts: number
  readonly nextAttemptAt: number
}

export interface Stores {
  readonly environments: {
    list(): Promise<readonly EnvironmentRecord[]>
    get(name: string): Promise<EnvironmentRecord | undefined>
    insert(record: EnvironmentRecord): Promise<void>
    /** False when there is no such environment. */
    setHoldback(name: string, holdback: number): Promise<boolean>
    setPages(name: string, pages: Partial<Pick<EnvironmentRecord, 'pageSecret' | 'userHash'>>): Promise<boolean>
    /** Adds one to the ruleset version and returns it. */
    bump(name: string): Promise<number>
  }
  readonly keys: {
    insert(record: KeyRecord): Promise<void>
    list(environment?: string): Promise<readonly KeyRecord[]>
    findByHash(hash: string): Promise<KeyRecord | undefined>
    revoke(id: string, at: number): Promise<boolean>
    touch(id: string, at: number): Promise<void>
  }
  readonly rollouts: {
    get(environment: string, key: string): Promise<RolloutRecord | undefined>
    getById(id: string): Promise<RolloutRecord | undefined>
    list(environment: string): Promise<readonly RolloutRecord[]>
    /** False when the key is taken. */
    insert(record: RolloutRecord): Promise<boolean>
    /** Writes `record` (its `version` already grown) over the one of `expectedVersion`; false when that is not the stored one. */
    update(record: RolloutRecord, expectedVersion: number): Promise<boolean>
    /** Removes the rollout with its history and judge record; its evidence belongs to nothing then and goes by `retention.dropDeleted`. */
    delete(id: string, expectedVersion: number): Promise<boolean>
    /** Sets only the wake-up time; does not change the version. */
    setWake(id: string, wakeAt: number | undefined): Promise<void>
    due(now: number, limit: number): Promise<readonly RolloutRecord[]>
    nextWakeAt(): Promise<number | undefined>
  }
  readonly judge: {
    get(rolloutId: string): Promise<JudgeRecord | undefined>
    put(record: JudgeRecord): Promise<void>
    delete(rolloutId: string): Promise<void>
  }
  readonly history: {
    append(entry: HistoryEntry): Promise<void>
    get(rolloutId: string, id: string): Promise<HistoryEntry | undefined>
    /** Newest first. */
    list(rolloutId: string, part: Part): Promise<readonly (HistoryEntry & Numbered)[]>
  }
  readonly decisions: {
    put(record: DecisionRecord): Promise<void>
    get(historyId: string): Promise<DecisionRecord | undefined>
  }
  readonly cohorts: CatalogStore<CohortDefinition>
  readonly members: MemberStore
  readonly metrics: CatalogStore<MetricDefinition>
  readonly audit: {
    append(entry: AuditEntry): Promise<void>
    /** Newest first. */
    list(
      part: Part & { readonly environment?: string; readonly target?: string },
    ): Promise<readonly (AuditEntry & Numbered)[]>
  }
  readonly outbox: {
    add(item: OutboxItem): Promise<void>
    due(now: number, limit: number): Promise<readonly OutboxItem[]>
    done(id: string): Promise<void>
    retry(id: string, nextAttemptAt: number): Promise<void>
    nextAttemptAt(): Promise<number | undefined>
  }
  readonly reports: {
    /**
     * Marks a sequence of the instance as taken, whatever the order they come in, and keeps what is known of the instance until `expiresAt`.
     * What lies `sequenceWindow` or more below the highest is `too-old` to tell; nothing changes then, nor for a `duplicate`.
     */
    take(instance: string, seq: number, expiresAt: number): Promise<'new' | 'duplicate' | 'too-old'>
    /** Forgets at most `limit` instances whose time is over; says how many. */
    prune(now: number, limit: number): Promise<number>
  }
  readonly evidence: EvidenceStore
  readonly retention: RetentionStore
  readonly idempotency: {
    get(
      key: string,
    ): Promise<{ readonly fingerprint: string; readonly status: number; readonly body: string } | undefined>
    put(
      key: string,
      value: { readonly fingerprint: string; readonly status: number; readonly body: string },
      at: number,
    ): Promise<void>
    prune(before: number): Promise<void>
  }
}

/** What a piece of work on old rows did, and whether there is more of it. */
export interface RetentionStep {
  readonly rows: number
  readonly more: boolean
}

/** Makes old rows fewer, some at a time: each call touches about `limit` of them. */
export interface RetentionStore {
  /**
   * Adds time buckets up to `through` up to hours, in the first bucket of each. An hour stays as it is until all of it is past, and for good
   * where an automatic decision was taken in it or right after: that one can then be taken again on exactly what was known.
   */
  rollUp(
    rolloutId: string,
    options: { readonly tickMs: number; readonly through: number; readonly limit: number },
  ): Promise<RetentionStep>
  /** What is kept unit by unit to count each once: who was exposed, who converted, what each added up to. */
  dropUnits(rolloutId: string, limit: number): Promise<RetentionStep>
  /** Sums by time bucket, with external figures. Sums by epoch stay. */
  dropTicks(rolloutId: string, limit: number): Promise<RetentionStep>
  /** What was of rollouts that are deleted. */
  dropDeleted(limit: number): Promise<RetentionStep>
  /** History of all rollouts from before, with the evidence of its decisions, and audit. */
  dropHistory(before: number, limit: number): Promise<RetentionStep>
}

/** Ids that are listed in cohorts. Whoever changes a list changes the revision in the cohort's definition with it. */
interface MemberStore {
  /** Lists ids; gives those back that were not listed before. */
  add(environment: string, cohort: string, ids: readonly string[]): Promise<readonly string[]>
  /** Takes ids off the list; gives those back that were on it. */
  remove(environment: string, cohort: string, ids: readonly string[]): Promise<readonly string[]>
  /** In the order of their UTF-8 bytes, from the one after `after`. */
  page(
    environment: string,
    cohort: string,
    options: { readonly after?: string; readonly limit: number },
  ): Promise<readonly string[]>
  /** Takes all off the list. */
  clear(environment: string, cohort: string): Promise<void>
}

interface CatalogStore<D> {
  get(environment: string, key: string): Promise<CatalogRecord<D> | undefined>
  list(environment: string): Promise<readonly CatalogRecord<D>[]>
  insert(record: CatalogRecord<D>): Promise<boolean>
  update(record: CatalogRecord<D>, expectedVersion: number): Promise<boolean>
  delete(environment: string, key: string, expectedVersion: number): Promise<boolean>
}

/**
 * The database. Calls outside `transaction` read committed data and write one statement each. `transaction` runs alone among
 * writers, durably commits when `work` resolves and rolls back when it rejects; `work` awaits nothing but its own stores.
 */
export interface Storage extends Stores {
  transaction<T>(work: (stores: Stores) => Promise<T>): Promise<T>
  /** Rejects when the database cannot be written. */
  check(): Promise<void>
  close(): Promise<void>
}
