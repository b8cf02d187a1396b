import type { Margin } from '../../rollout/definition.ts'

/** What the planner asks itself of a metric: a canary whose figure is `factor` times stable's (for a success rate, whose failures are). */
export interface PlannedEffect {
  readonly metric: string
  readonly factor: number
}

export interface MetricPlan {
  readonly metric: string
  /** The margin that was asked for, and the one that will be in force; absent where nothing is compared. */
  readonly asked?: Margin
  readonly inForce?: Margin
  readonly feasible?: number
  /** Only watched for harm: the stage does not wait for it. */
  readonly monitorOnly: boolean
  /** Of a canary that is as good as stable: shown by the first final look, and by the end of the longest hold. */
  readonly passedAtHalf?: number
  readonly passedAtEnd?: number
}

export interface EffectPlan {
  readonly metric: string
  readonly factor: number
  readonly name: string
  /** Canary requests (units, where the metric is of units) and seconds in this stage until a revert; absent where it never comes. */
  readonly median?: { readonly canary: number; readonly seconds: number }
  readonly p90?: { readonly canary: number; readonly seconds: number }
  /** Chance of a revert within the stage's longest hold. */
  readonly detected: number
  /** Expected bad requests more (conversions less) until the revert. */
  readonly damage?: number
  /** Least canary requests that any sequential test would need on average. */
  readonly waldBound?: number
  /** Canary requests of a test with one look, at the rollout's α and power 90 %: what has to be known beforehand. */
  readonly fixedSample?: number
}

export interface StagePlan {
  readonly stage: string
  readonly weight: number
  /** By the end of the longest hold. */
  readonly requests: { readonly canary: number; readonly stable: number }
  readonly units?: { readonly canary: number; readonly stable: number }
  readonly metrics: readonly MetricPlan[]
  /** Seconds that a canary as good as stable takes, with chance ½ and 90 %; absent where that chance is not reached. */
  readonly medianSeconds?: number
  readonly p90Seconds?: number
  /** Chance that such a canary has shown everything by the end of the longest hold. */
  readonly passes: number
  readonly effects: readonly EffectPlan[]
  readonly warnings: readonly string[]
}

export interface RolloutPlan {
  readonly stages: readonly StagePlan[]
  /** Sum of the stages' medians; absent where a stage has none, or waits for a person. */
  readonly medianSeconds?: number
  readonly p90Seconds?: number
  /** Chance that a canary as good as stable passes every stage undisturbed. */
  readonly passes: number
  /** Chance that harm which is there from the start is acted on during the ramp. */
  readonly effects: readonly {
    readonly metric: string
    readonly factor: number
    readonly name: string
    readonly detected: number
  }[]
  readonly warnings: readonly string[]
}
