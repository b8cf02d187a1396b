import type { Issue } from '@pipit/shared/base'
import type { CohortDefinition, CohortInput, MetricDefinition, RolloutDefinition } from '../rollout/definition.ts'
import type { Movement } from '../rollout/movement.ts'
import type { Actor, RejectionCode, RolloutEvent } from '../rollout/state.ts'
import type {
  CatalogRecord,
  EnvironmentRecord,
  HistoryEntry,
  KeyRecord,
  Role,
  RolloutRecord,
} from '../storage/ports.ts'

export interface ByWhom {
  readonly actor: Actor
  readonly reason?: string
}

export type ProblemCode = 'not-found' | 'exists' | 'stale-version' | 'invalid' | 'in-use' | RejectionCode

/** Why a change was not made. Nothing of it was applied. */
export interface Problem {
  readonly ok: false
  readonly code: ProblemCode
  readonly message: string
  readonly issues?: readonly Issue[]
}
export type Result<T> = { readonly ok: true; readonly value: T } | Problem

/** The changes that people can make to rollouts, each one transaction with its history, audit and outbox rows. */
export interface RolloutCommands {
  create(environment: string, definition: RolloutDefinition, by: ByWhom): Promise<Result<RolloutRecord>>
  /** Replaces the definition. `version`, where given, must be the stored one. */
  edit(
    environment: string,
    key: string,
    definition: RolloutDefinition,
    by: ByWhom,
    version?: number,
  ): Promise<Result<RolloutRecord>>
  /** Only a draft, or an archived rollout. */
  remove(environment: string, key: string, by: ByWhom, version?: number): Promise<Result<undefined>>
  command(
    environment: string,
    key: string,
    event: PersonEvent,
    by: ByWhom,
    version?: number,
  ): Promise<Result<RolloutRecord>>
  /** What an edit or a command would do, or why it would be refused; nothing is changed. */
  preview(
    environment: string,
    key: string,
    change: { readonly definition: RolloutDefinition } | { readonly event: PersonEvent },
    by: ByWhom,
    version?: number,
  ): Promise<Result<Preview>>
}

/** Where a rollout is and where it would be, and who would change sides. */
export interface Preview {
  readonly before: HistoryEntry['from']
  readonly after: HistoryEntry['to']
  readonly summary: string
  /** The comparison would begin anew: another weight, other arms or other people. */
  readonly newEpoch: boolean
  /** Units that would be in another arm, in percent of those who are dealt out; `units` of those seen in the present stage. */
  readonly moves: readonly (Movement & { readonly units: number })[]
  readonly moved: { readonly share: number; readonly units: number }
}

/** Events that a person may cause; salts are made by the engine. */
export type PersonEvent =
  | { readonly type: 'start'; readonly at?: number }
  | { readonly type: 'restart'; readonly people: 'same' | 'fresh' }
  | Exclude<RolloutEvent, { type: 'start' | 'restart' | 'edited' | 'clock' | 'judged' | 'thresholds-fixed' }>

/** Changes of everything that is not a rollout. A cohort or metric in use is not deleted: `in-use` names by what. */
export interface Catalog {
  createEnvironment(name: string, by: ByWhom): Promise<Result<EnvironmentRecord>>
  /** The share of people, in percent, whom no rollout of the environment touches. */
  setHoldback(name: string, holdback: number, by: ByWhom): Promise<Result<EnvironmentRecord>>
  /** Whether pages must prove the ids of their users; makes the secret where there is none yet. */
  requireUserHash(name: string, userHash: EnvironmentRecord['userHash'], by: ByWhom): Promise<Result<EnvironmentRecord>>
  /** Makes a new page secret, which is in the result and shown nowhere else; proofs under the one before hold no more. */
  rotatePageSecret(
    name: string,
    by: ByWhom,
  ): Promise<Result<{ readonly record: EnvironmentRecord; readonly secret: string }>>
  createCohort(environment: string, input: CohortInput, by: ByWhom): Promise<Result<CatalogRecord<CohortDefinition>>>
  /** Replaces all but the members, and those too where they are given: a list is not lost because nobody sent it along. */
  putCohort(
    environment: string,
    input: CohortInput,
    by: ByWhom,
    version?: number,
  ): Promise<Result<CatalogRecord<CohortDefinition>>>
  removeCohort(environment: string, key: string, by: ByWhom, version?: number): Promise<Result<undefined>>
  /** Takes ids off the list and puts ids on it, in this order. */
  changeMembers(
    environment: string,
    key: string,
    change: { readonly add?: readonly string[]; readonly remove?: readonly string[] },
    by: ByWhom,
  ): Promise<Result<CatalogRecord<CohortDefinition>>>
  createMetric(
    environment: string,
    definition: MetricDefinition,
    by: ByWhom,
  ): Promise<Result<CatalogRecord<MetricDefinition>>>
  putMetric(
    environment: string,
    definition: MetricDefinition,
    by: ByWhom,
    version?: number,
  ): Promise<Result<CatalogRecord<MetricDefinition>>>
  removeMetric(environment: string, key: string, by: ByWhom, version?: number): Promise<Result<undefined>>
  /** The key in clear text is in the result and nowhere else. `secret` presets it. */
  createKey(
    key: {
      readonly kind: 'srv' | 'web' | 'adm'
      readonly environment?: string
      readonly role?: Role
      readonly name: string
      readonly secret?: string
      /** For `web` keys: the origins whose pages may use it. */
      readonly origins?: readonly string[]
    },
    by: ByWhom,
  ): Promise<Result<{ readonly record: KeyRecord; readonly secret: string }>>
  revokeKey(id: string, by: ByWhom): Promise<Result<undefined>>
}

/** Drives rollouts by the clock and the evidence, and delivers the outbox. Level-triggered: all it knows is in storage. */
export interface Engine extends RolloutCommands, Catalog {
  start(): void
  /** Finishes what is under way. */
  stop(): Promise<void>
  /** Something was stored that may be due now. */
  wake(): void
  /** Resolves when nothing is due and nothing is under way: for tests on a fake clock. */
  idle(): Promise<void>
}

/** What the engine needs of the push hub. */
export interface Publisher {
  /** Storage holds a newer ruleset of this environment: send every connected SDK what changed. */
  publish(environment: string): Promise<void>
  /** Keys that are no longer valid: their sockets close. */
  disconnect(keyId: string): void
  /** What is asked of pages has changed: those that are open come back and greet again. */
  greetPagesAgain(environment: string): void
  /** Local breakers that connected instances have told of, by rollout key. */
  breakers(environment: string, rollout: string): { readonly open: number; readonly instances: number }
}

/** Where notifications go; delivered at least once, so implementations must be idempotent by `id`. */
export interface Notifier {
  notify(notification: {
    readonly id: string
    readonly environment: string
    readonly rollout: string
    readonly level: 'info' | 'warning' | 'alert'
    readonly sentence: string
  }): Promise<void>
}
