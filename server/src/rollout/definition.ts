import type { Condition, Rule, Variant } from '@pipit/shared/rules'

/**
 * A rollout as people write it (the rollout file), after validation and with every default filled in:
 * durations are milliseconds here. `schema.ts` makes this from JSON or YAML input.
 */
export interface RolloutDefinition {
  readonly key: string
  readonly description?: string
  /** Attribute that is assigned; `id` when absent. */
  readonly unit?: string
  /** `stable` first; `[stable, canary]` when the file names none. */
  readonly variants: readonly Variant[]
  readonly rules: readonly Rule[]
  readonly stages: readonly Stage[]
  readonly guards: readonly Guard[]
  readonly gates: readonly Gate[]
  readonly metrics: readonly MetricDefinition[]
  readonly revertTo: 'zero' | 'previous-stage'
  /** What happens when a stage has spent its `maxHoldMs` and is still undecided. */
  readonly onInconclusive: 'pause' | 'advance' | 'revert'
  readonly breaker: boolean
  readonly deadmanMs?: number
  readonly unitSample: number
  readonly analysis: AnalysisSettings
}

export interface Stage {
  readonly name: string
  /** 0 to 100 in steps of 0.001; never falling from stage to stage, 100 in the last. */
  readonly weight: number
  /** Cohorts let in from here on. */
  readonly cohorts: readonly string[]
  readonly holdMs: number
  /** The stage pauses (see `onInconclusive`) when its evidence has not come by then. */
  readonly maxHoldMs: number
  readonly approval: boolean
  /** Exposed units needed in each arm before the stage may advance (canary only, where weight is 0). */
  readonly minUnits: number
}

/** A tolerance against stable: a ratio, a difference of rates, or both (either suffices to be within). */
export interface Margin {
  readonly relative?: number
  readonly absolute?: number
}

export interface Guard {
  readonly metric: string
  readonly worseThan: Margin
  readonly action: 'revert' | 'pause' | 'alert'
  /** `stable`: harm is tested against "no worse than stable"; `margin`: against `worseThan` itself. */
  readonly null: 'stable' | 'margin'
  /** Share of the rollout's error budget; by kind of metric when absent (STATISTICS 3.6). */
  readonly weight?: number
}

export interface Gate {
  readonly metric: string
  readonly noWorseThan: Margin
}

/**
 * Something that can be compared. `error_rate` and `latency_pNN` (`latency_p50`, `latency_p99`, `latency_p99.9`) exist without
 * a definition.
 */
export type MetricDefinition = {
  readonly key: string
  readonly kind: 'conversion'
  readonly event: string
  /** After the exposure, how long an event counts. */
  readonly windowMs: number
  readonly description?: string
}

/** Numbers of the analysis that a team may set for its rollout. Defaults are those of STATISTICS. */
export interface AnalysisSettings {
  /** Time bucket of the comparison; 5 s. */
  readonly tickMs: number
  /** Chance that a harmless rollout is ever taken back; 0.01. */
  readonly alpha: number
  /** Start of a stage that the non-inferiority test leaves out; 30 s. */
  readonly warmupMs: number
  /** Sd of the noise between groups of instances on the log odds scale; 0.02. */
  readonly armNoise: number
  /** Widest non-inferiority ratio a stage is allowed to fall back to before its metric becomes monitor-only; 3. */
  readonly maxMargin: number
}

/** A named cohort. */
export interface CohortDefinition {
  readonly key: string
  readonly description?: string
  readonly when?: Condition
  readonly members?: readonly string[]
}
