import type { Deal } from '@pipit/shared/rules'
import type { RolloutDefinition } from './definition.ts'

/** Who did something: a token's name, or `pipit` for what the engine did by itself. */
export interface Actor {
  readonly kind: 'person' | 'engine'
  readonly name: string
}

/** Where a started rollout stands. `startedAt` and the rest are epoch milliseconds. */
export interface Progress {
  readonly salt: string
  readonly epoch: number
  /** Index into `definition.stages`. */
  readonly stage: number
  readonly weight: number
  readonly startedAt: number
  readonly stageStartedAt: number
  /** Time in this stage that does not count for the hold: spent paused. */
  readonly pausedMs: number
  /** The stage's approval was given. */
  readonly approvedBy?: string
  /** Variant by unit. */
  readonly overrides: { readonly [unit: string]: string }
  /** Guards ignored until a time, by metric. */
  readonly dismissed: {
    readonly [metric: string]: { readonly until: number; readonly reason: string; readonly by: string }
  }
  readonly thresholds: { readonly version: number; readonly ms: readonly number[] }
  /** How the canary's users are dealt to several arms, once arms or shares were changed while people were in them. */
  readonly deal?: Deal
}

/** The state of a rollout, by phase. */
export type RolloutState =
  | { readonly phase: 'draft' }
  /** `salt` is the one the rollout will start with. */
  | { readonly phase: 'scheduled'; readonly startAt: number; readonly salt: string }
  | { readonly phase: 'running'; readonly progress: Progress }
  | { readonly phase: 'paused'; readonly progress: Progress; readonly pausedAt: number; readonly why: string }
  | { readonly phase: 'awaiting-approval'; readonly progress: Progress; readonly since: number }
  | { readonly phase: 'succeeded'; readonly progress: Progress; readonly winner: string; readonly endedAt: number }
  | { readonly phase: 'reverted'; readonly progress: Progress; readonly why: string; readonly endedAt: number }
  | { readonly phase: 'archived'; readonly progress?: Progress; readonly archivedAt: number }

/** What the analysis says now; made by `analysis/judge.ts`, obeyed by `transition`. */
export type VerdictLabel = 'advance' | 'hold' | 'pause' | 'revert'

/** A command of a person, or something the engine observed. `by` and `reason` go to the audit log. */
export type RolloutEvent =
  | { readonly type: 'start'; readonly at?: number; readonly salt: string }
  | { readonly type: 'pause' }
  | { readonly type: 'resume' }
  | { readonly type: 'advance' }
  | { readonly type: 'approve' }
  | { readonly type: 'reject' }
  | { readonly type: 'set-weight'; readonly weight: number }
  | { readonly type: 'revert' }
  | { readonly type: 'complete'; readonly winner?: string }
  | { readonly type: 'restart'; readonly people: 'same' | 'fresh'; readonly salt: string }
  | { readonly type: 'archive' }
  | { readonly type: 'override'; readonly unit: string; readonly variant: string | undefined }
  | { readonly type: 'dismiss'; readonly metric: string; readonly until: number }
  /** The definition was edited; `before` is the one the rollout ran by. */
  | { readonly type: 'edited'; readonly before: RolloutDefinition }
  /** The engine's own. Time has passed: a schedule may be due, a dismissal over. */
  | { readonly type: 'clock' }
  | { readonly type: 'judged'; readonly label: VerdictLabel; readonly sentence: string }
  | { readonly type: 'thresholds-fixed'; readonly ms: readonly number[] }

export interface EventContext {
  readonly now: number
  readonly actor: Actor
  readonly reason?: string
}

/** What must happen outside after a transition is stored; the outbox delivers each at least once. */
export type Effect =
  | { readonly type: 'publish' }
  | { readonly type: 'notify'; readonly level: 'info' | 'warning' | 'alert'; readonly sentence: string }

export type Transition =
  | { readonly ok: true; readonly state: RolloutState; readonly effects: readonly Effect[]; readonly summary: string }
  /** Nothing to do: the command found its work done already (idempotent), or the verdict changes nothing. */
  | { readonly ok: true; readonly unchanged: true; readonly state: RolloutState }
  | { readonly ok: false; readonly code: RejectionCode; readonly message: string }

export type RejectionCode =
  | 'illegal-in-phase'
  | 'unknown-variant'
  | 'invalid-weight'
  | 'unknown-guard'
  | 'in-the-past'
  | 'invalid-edit'
  | 'limit-reached'
