import type { Comparison } from '../rules/index.ts'
import type { Decision } from './decision.ts'

/** One step of a decision, in the order of the design's section 4. The last one decided. */
export interface TraceStep {
  readonly step:
    | 'phase'
    | 'breaker'
    | 'deadman'
    | 'holdback'
    | 'prerequisite'
    | 'layer'
    | 'override'
    | 'rule'
    | 'cohort'
    | 'split'
    | 'no-unit'
  readonly decided: boolean
  /** The step in words. */
  readonly text: string
  /** The rule, cohort, layer or other rollout that it is about. */
  readonly name?: string
  /** What was hashed. */
  readonly unit?: string
  /** Where that fell: a whole number from 0 to 99 999, a thousandth of a percent each. */
  readonly bucket?: number
  /** The buckets that are meant, in percent: from `from` up to, not with, `to`. */
  readonly from?: number
  readonly to?: number
  /** What the matchers of a rule, or the condition of a cohort, compared. */
  readonly comparisons?: readonly Comparison[]
}

/** A decision with how it came about. */
export interface ExplainedDecision extends Decision {
  readonly trace: readonly TraceStep[]
}
