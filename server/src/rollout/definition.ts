import type { Condition, LayerRange, Prerequisite, Rule, Variant } from '@pipit/shared/rules'
import type { JsonSchema } from './payload/keywords.ts'

/**
 * A rollout as people write it (the rollout file), after validation and with every default filled in:
 * durations are milliseconds here. `schema.ts` makes this from JSON or YAML input.
 */
export interface RolloutDefinition {
  readonly key: string
  readonly description?: string
  /** Attribute that is assigned, or several, of which the first that a user has counts; `id` when absent. */
  readonly unit?: string | readonly string[]
  /** `request`: each request is dealt out by itself, without a unit. */
  readonly assign?: 'request'
  /** Only for those who have a variant of these rollouts. */
  readonly prerequisites?: readonly Prerequisite[]
  /** Only for a part of the units: rollouts in other parts of the same layer exclude this one. */
  readonly layer?: LayerRange
  /** `stable` first; `[stable, canary]` when the file names none. */
  readonly variants: readonly Variant[]
  /** What every payload meets: JSON Schema, draft 2020-12. `stable` may be without a payload, no other variant. Not sent to SDKs. */
  readonly payloadSchema?: JsonSchema
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
  /** Pages may know of it: its phase, split, arms and payloads, and what was decided for their own user. */
  readonly browser?: true
  /**
   * Attributes of low cardinality whose values are judged apart as well (at most four): of the user, or, where the user has none of that
   * name, a label of the instance; `sdk` is the SDK's name and version.
   */
  readonly slices: readonly string[]
  readonly checks: { readonly [K in CheckName]: CheckAction }
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

/** A bound that holds without a comparison: a rate from 0 to 1, milliseconds for a latency, the metric's own unit otherwise. */
export type Limit =
  | { readonly above: number; readonly below?: undefined }
  | { readonly below: number; readonly above?: undefined }

/** A guard compares (`worseThan`), bounds (`never`), or both. */
export interface Guard {
  readonly metric: string
  readonly worseThan?: Margin
  readonly never?: Limit
  readonly action: 'revert' | 'pause' | 'alert'
  /** `stable`: harm is tested against "no worse than stable"; `margin`: against `worseThan` itself. */
  readonly null: 'stable' | 'margin'
  /** Share of the rollout's error budget; by kind of metric when absent (STATISTICS 3.6). */
  readonly weight?: number
}

/** What must be shown before a stage may advance: within a margin (`noWorseThan`), or better (`betterThan`), or both. */
export interface Gate {
  readonly metric: string
  readonly noWorseThan?: Margin
  /** Superiority: the canary's figure relative to stable's must be shown to be beyond this ratio; 1 asks for "better at all". */
  readonly betterThan?: { readonly relative: number }
  /** Share of the rollout's error budget that the claim "better" may spend. */
  readonly weight?: number
}

export type Better = 'higher' | 'lower'

/** What is added up of an event: its value, or that it happened. */
export interface EventSum {
  readonly event: string
  readonly of: 'value' | 'count'
}

interface MetricBase {
  readonly key: string
  readonly description?: string
  readonly better: Better
}

/**
 * Something that can be compared. `error_rate` (and by class `error_rate_4xx`, `_5xx`, `_application`, `_dependency`), `success_rate`,
 * `latency_pNN` (`latency_p50`, `latency_p99`, `latency_p99.9`) and `throughput` exist without a definition.
 *
 * - `conversion`: share of the exposed units that did `event` at least once.
 * - `sum`: Σ value of `event` per exposed unit (revenue per user); `count`: how often per exposed unit (engagement).
 * - `mean`: Σ value / number of `event` (order value); `ratio`: one event sum over another.
 * - `external`: figures of both arms that somebody else measures and sends.
 */
export type MetricDefinition = MetricBase &
  (
    | {
        readonly kind: 'conversion'
        readonly event: string
        /** After the exposure, how long an event counts. */
        readonly windowMs: number
      }
    | {
        readonly kind: 'sum' | 'count' | 'mean'
        readonly event: string
        readonly windowMs: number
        /** The most that one unit adds in a stage, alike in both arms (winsorising); unbounded when absent. */
        readonly cap?: number
      }
    | {
        readonly kind: 'ratio'
        readonly numerator: EventSum
        readonly denominator: EventSum
        readonly windowMs: number
        readonly cap?: number
      }
    | { readonly kind: 'external'; readonly query?: ExternalQuery }
  )

/** Where the control plane asks for the figures of an external metric itself. */
export interface ExternalQuery {
  /** Address of a Prometheus, or of what answers as one. */
  readonly prometheus: string
  /** Expressions that give one number each. */
  readonly canary: string
  readonly stable: string
  readonly everyMs: number
}

export const checkNames = [
  'sampleRatio',
  'missingReports',
  'bothArms',
  'tooFewUnits',
  'staleEvidence',
  'noData',
  'sharedIncident',
] as const
export type CheckName = (typeof checkNames)[number]
/** What a check that fails does: `hold` keeps the stage from advancing while it lasts, `alert` only tells. */
export type CheckAction = 'revert' | 'pause' | 'hold' | 'alert'

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

/** A named cohort. Its listed members are kept apart: there may be a million. */
export interface CohortDefinition {
  readonly key: string
  readonly description?: string
  readonly when?: Condition
  /** The list of members, where it has one. */
  readonly members?: {
    readonly count: number
    /** Random, and another after each change of the list. */
    readonly revision: string
  }
}

/** A cohort as people give it, with the ids of its members. */
export interface CohortInput extends Omit<CohortDefinition, 'members'> {
  readonly members?: readonly string[]
}
