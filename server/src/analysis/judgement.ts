import type { CheckAction, CheckName, RolloutDefinition } from '../rollout/definition.ts'
import type { MetricKind } from '../rollout/metric.ts'
import type { VerdictLabel } from '../rollout/state.ts'
import type { EpochBuckets, ExposedBy } from './evidence.ts'
import type { TrendView } from './trend.ts'

/** The stage the judge is asked about. */
export interface StageView {
  readonly epoch: number
  /** Index into `definition.stages`. */
  readonly index: number
  /** The weight in force, which a person may have set by hand. */
  readonly weight: number
  /** Time spent in the stage without pauses. */
  readonly elapsedMs: number
  /** The stage asks for an approval that has not been given. */
  readonly approvalMissing: boolean
}

export interface JudgeInput {
  readonly definition: RolloutDefinition
  /** What `foldTick` made of every closed tick since the start of this run. JSON. */
  readonly state: JudgeState
  readonly stage: StageView
  /** Bucket tables of the epochs of this run, oldest first; the last is the stage's own (absent before its first outcome). */
  readonly buckets: readonly EpochBuckets[]
  /** Metrics of guards that a person has told it to ignore for now. */
  readonly dismissed: readonly string[]
  /** Instances with an open local breaker, and all instances heard lately. */
  readonly breakers: { readonly open: number; readonly instances: number }
  /** Randomised units of the stage's epoch by slice, SDK and instance: what a sample-ratio mismatch is looked for in. */
  readonly exposedBy?: ExposedBy
  readonly now: number
}

/** The running sums of one run of a rollout: survives as JSON between looks. Its shape belongs to the judge that wrote it. */
export interface JudgeState {
  /** `judgeVersion` of the writer. */
  readonly judge: string
  readonly [field: string]: unknown
}

export interface ArmFigures {
  /** What is behind the figure: requests, units at risk; for values exposed units or what they are divided by; figures observed. */
  readonly n: number
  /** Bad requests, exceedances, or conversions; for values and observed figures their sum. */
  readonly x: number
  /** x / n; absent when n is 0. */
  readonly rate?: number
}

/** What the judge found for one metric. Logs are natural. */
export interface MetricJudgement {
  readonly metric: string
  readonly kind: MetricKind
  readonly better: 'higher' | 'lower'
  /** Where the metric guards: its action and its part of the error budget. */
  readonly guard?: {
    readonly action: 'revert' | 'pause' | 'alert'
    readonly weight: number
    readonly dismissed: boolean
  }
  /** All randomised evidence of this run. */
  readonly canary: ArmFigures
  readonly stable: ArmFigures
  /** Ratio of canary to stable (Mantel-Haenszel over epoch × tick for events) and its always-valid 99 % interval; absent while it cannot be had. */
  readonly ratio?: { readonly estimate: number; readonly low: number; readonly high: number }
  /** Log of the harm e-process M_i (STATISTICS 3.3): of the comparison, of the limit, or half of each where the guard has both. */
  readonly logHarm: number
  /** A guard's bound without a comparison, over all canary outcomes, randomised or not. */
  readonly limit?: {
    readonly above?: number
    readonly below?: number
    readonly canary: ArmFigures
    /** log M of "the canary is beyond it". */
    readonly logEvidence: number
    /** Stable is beyond it as well, in this stage. */
    readonly isShared: boolean
  }
  /** The metric's own history in each arm: apart from the comparison. */
  readonly trend?: { readonly canary: TrendView; readonly stable: TrendView }
  /** Slices in which the canary looks worst, loudest first (at most five): part of `logHarm`, by a part of the guard's weight. */
  readonly slices?: readonly {
    readonly attribute: string
    readonly value: string
    readonly canary: ArmFigures
    readonly stable: ArmFigures
    readonly logEvidence: number
  }[]
  /** "Better than stable", in this stage, for a gate that asks for it. */
  readonly superiority?: {
    readonly relative: number
    readonly logEvidence: number
    readonly needed: number
    readonly passed: boolean
  }
  /** Over-dispersion and its degrees of freedom over the whole run; 1 and undefined when not in use. */
  readonly dispersion: number
  readonly degreesOfFreedom?: number
  /** Non-inferiority in this stage, for a gate or a guard. */
  readonly nonInferiority?: {
    readonly margin: { readonly relative?: number; readonly absolute?: number }
    readonly logEvidence: number
    readonly needed: number
    readonly passed: boolean
    /** How it passed. */
    readonly by?: 'sequential' | 'first-final-look' | 'second-final-look'
    /** True where traffic cannot show the margin in this stage, so that it does not block. */
    readonly monitorOnly: boolean
  }
  /** One sentence a person can read out. */
  readonly sentence: string
}

/** Why the verdict is what it is, most important first. */
export interface VerdictReason {
  readonly code:
    | 'harm'
    | 'limit'
    | 'slice-harm'
    | 'shared-incident'
    | 'circuit-breaker'
    | 'local-breakers'
    | 'sample-ratio'
    | 'canary-silent'
    | 'missing-reports'
    | 'both-arms'
    | 'stale-evidence'
    | 'inconclusive'
    | 'hold-time'
    | 'warm-up'
    | 'too-few-units'
    | 'no-data'
    | 'not-shown'
    | 'not-better'
    | 'harm-suspected'
    | 'all-shown'
    | 'no-comparison'
  readonly metric?: string
  readonly sentence: string
}

export interface Verdict {
  readonly label: VerdictLabel
  readonly sentence: string
  readonly reasons: readonly VerdictReason[]
}

/** A check on the evidence that failed, with what its policy does about it. The two breakers have no policy: they revert. */
export interface CheckFinding {
  readonly check?: CheckName
  readonly code: VerdictReason['code']
  readonly action: CheckAction
  readonly sentence: string
}

/** The verdict with everything it rests on; stored with each automatic decision. */
export interface Judgement {
  /** Version of the judge, e.g. `pipit-1`. */
  readonly judge: string
  readonly at: number
  readonly epoch: number
  readonly label: VerdictLabel
  /** The verdict in one sentence. */
  readonly sentence: string
  readonly reasons: readonly VerdictReason[]
  /** Guards with action `alert` that fire now (their metric), and checks of that policy that fail (their name). */
  readonly alerts: readonly string[]
  readonly checks: readonly CheckFinding[]
  /** log Σ w_i M_i, and the log evidence at which it reverts. */
  readonly logHarm: number
  readonly logHarmNeeded: number
  readonly metrics: readonly MetricJudgement[]
  readonly sampleRatio: { readonly logEvidence: number; readonly needed: number; readonly mismatch: boolean }
  /** Randomised units exposed in this stage, and outcomes of forced canary decisions. */
  readonly units: { readonly canary: number; readonly stable: number; readonly needed: number }
  readonly forced: { readonly n: number; readonly failed: number; readonly exposed: number }
  /** State after this look (latches): what the next look must be given. */
  readonly state: JudgeState
}
