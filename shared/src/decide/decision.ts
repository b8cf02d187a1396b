import type { JsonValue } from '../base/index.ts'
import type { TraceStep } from './trace.ts'

export const reasons = [
  'not-ready',
  'unknown-rollout',
  'phase',
  'breaker',
  'deadman',
  'holdback',
  'prerequisite',
  'layer',
  'override',
  'header',
  'cookie',
  'cohort',
  'rule',
  'split',
  'no-unit',
] as const
/** Why a decision came out as it did. */
export type Reason = (typeof reasons)[number]

/** The answer for one user and one rollout. */
export interface Decision {
  readonly rollout: string
  readonly variant: string
  readonly payload: JsonValue | undefined
  readonly reason: Reason
  /** Name of the rule that decided, where one did. */
  readonly rule: string | undefined
  readonly stage: string | undefined
  readonly epoch: number
  /** Version of the ruleset that was asked; 0 when there was none. */
  readonly version: number
  /** True for decisions by the split, or by a fixed split inside a rule: only these are compared. */
  readonly randomised: boolean
  /** What was assigned: the user id, or the attribute named by the rollout's `unit`. */
  readonly unit: string | undefined
  /** Where the rollout names slices: the user's values of them, as far as there are any. */
  readonly slice?: { readonly [attribute: string]: string }
  /** Every step that led here, where it was asked for. */
  readonly trace?: readonly TraceStep[]
}

/** A user as the application knows it: an id, or an object with an optional `id`, `anonymousId` and attributes. */
export type User =
  | string
  | {
      readonly id?: string | number | undefined
      readonly anonymousId?: string | undefined
      readonly [attribute: string]: unknown
    }

/** Request headers: a plain record (Node's `req.headers`) or anything with a case-insensitive `get` (a `Headers`). */
export type HeadersLike =
  | { readonly [name: string]: string | readonly string[] | undefined }
  | { get(name: string): string | null }

/** What a decision may look at besides the user. */
export interface DecideContext {
  readonly headers?: HeadersLike | undefined
  readonly cookies?: { readonly [name: string]: string | undefined } | undefined
}
