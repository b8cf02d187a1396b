import type { RulesetRollout, Variant } from './model.ts'

/**
 * What was decided for the user of a page before the split is asked: whether they may take part, an override, a rule, a cohort. The server
 * decides it, because a page must not know why.
 */
export interface PageResult {
  readonly variant: string
  /** `holdback`, `prerequisite`, `layer`, `override`, `header`, `cookie`, `cohort`, `rule` or `no-unit`. */
  readonly reason: string
  readonly rule?: string
  /** Decided by a fixed split inside a rule. */
  readonly randomised?: true
}

/**
 * A rollout as a page may know it: one that is marked for browsers, without rules, cohorts and overrides. The split is decided in the page, so
 * that a new weight or a revert needs no answer for each user. `result`, where there is one, goes before the split in the phases in
 * which people are decided on, and in phase `succeeded`. With more than one canary arm `deal` is always there.
 */
export interface PageRollout
  extends Pick<
    RulesetRollout,
    | 'phase'
    | 'salt'
    | 'hash'
    | 'epoch'
    | 'stage'
    | 'weight'
    | 'unit'
    | 'assign'
    | 'deal'
    | 'winner'
    | 'events'
    | 'deadmanMs'
  > {
  readonly variants: readonly Pick<Variant, 'name' | 'payload'>[]
  readonly result?: PageResult
}

/** What a page is told instead of a ruleset. No salt of units, no cohorts, nothing of other rollouts or other people. */
export interface PageRuleset {
  readonly version: number
  readonly rollouts: { readonly [key: string]: PageRollout }
}
