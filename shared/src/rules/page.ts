import type { JsonValue } from '../base/index.ts'
import type { RulesetRollout } from './model.ts'

/**
 * What is decided for the user of a page whatever the split says: by the phase, by whether they may take part, by an override, a rule, a cohort.
 * The server decides it, because a page must not know why.
 */
export interface PageResult {
  readonly variant: string
  /** `phase`, `holdback`, `prerequisite`, `layer`, `override`, `header`, `cookie`, `cohort`, `rule` or `no-unit`. */
  readonly reason: string
  readonly rule?: string
  /** Decided by a fixed split inside a rule. */
  readonly randomised?: true
}

/**
 * A rollout as a page may know it: one that is marked for browsers, without rules, cohorts and overrides. The split is decided in the page, so
 * that a new weight needs no answer for each user; a phase in which nobody is split is a `result`, the same for all where there is one canary arm.
 * `deadmanMs` is there only while users are decided on.
 */
export interface PageRollout
  extends Pick<
    RulesetRollout,
    'phase' | 'salt' | 'hash' | 'epoch' | 'stage' | 'weight' | 'unit' | 'assign' | 'events' | 'deadmanMs'
  > {
  /** The canary's arm that this user falls to. Requests that are dealt out by themselves all get the arm of their user. */
  readonly canary: string
  /** Of the arms that this user can get, those that have one. */
  readonly payloads?: { readonly [variant: string]: JsonValue }
  readonly result?: PageResult
}

/** What a page is told instead of a ruleset. No salt of units, no cohorts, nothing of other rollouts or other people. */
export interface PageRuleset {
  readonly version: number
  readonly rollouts: { readonly [key: string]: PageRollout }
}
