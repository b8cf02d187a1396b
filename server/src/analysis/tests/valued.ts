import { temper } from '../dispersion.ts'
import { logSumExp } from '../e-value.ts'
import type { EpochBuckets, ValueTable } from '../evidence.ts'
import { contrastEvidence, type MeanContrast, meanContrast, meanEvidence } from '../mean-evidence.ts'
import { feasibleErrors, type ShownBy, takeLook } from '../non-inferiority.ts'
import type { PlannedMetric } from '../plan.ts'

/**
 * Means, sums and ratios per unit (STATISTICS 4.3), judged from the bucket tables of the stage under way. Plain JSON; logs are of
 * comparison stages.
 */
export interface ValuedMemory {
  readonly ended: { readonly harm: readonly number[]; readonly beyond: readonly number[] }
  readonly harm: number
  readonly beyond: number
  readonly looks: number
  readonly shown?: ShownBy
}

export const newValued: ValuedMemory = { ended: { harm: [], beyond: [] }, harm: 0, beyond: 0, looks: 0 }

/** Fewer units, or fewer of them with anything to count, or fewer effective ones: nothing is said yet (STATISTICS 4.3). */
const least = { degrees: 8, contributing: 30, units: 100 } as const

export interface ValuedStage {
  readonly elapsedMs: number
  readonly holdMs: number
  readonly maxHoldMs: number
  readonly maxMargin: number
}

export interface ValuedLook {
  readonly memory: ValuedMemory
  readonly contrast: MeanContrast | undefined
  /** log e that the margin is kept; absent where nothing is compared. */
  readonly within: number
  readonly monitorOnly: boolean
  /** log e that the canary is better than the goal. */
  readonly better: number
  readonly tables: { readonly canary: ValueTable; readonly stable: ValueTable } | undefined
}

/** A comparison stage is over: its evidence is frozen, the next begins with none. */
export function endValuedStage({ ended, harm, beyond }: ValuedMemory): ValuedMemory {
  return { ...newValued, ended: { harm: [...ended.harm, harm], beyond: [...ended.beyond, beyond] } }
}

export function lookAtValued(
  memory: ValuedMemory,
  metric: PlannedMetric,
  buckets: EpochBuckets | undefined,
  stage: ValuedStage,
): ValuedLook {
  const tables = buckets?.values?.[metric.key]
  const none = { memory, contrast: undefined, within: 0, monitorOnly: false, better: 0, tables }
  if (tables === undefined) return { ...none, monitorOnly: tooLittle(metric, stage) }
  const contrast = meanContrast(tables.canary, tables.stable)
  const beyond = limitEvidence(metric, tables.canary)
  if (contrast === undefined || !isEligible(contrast, tables)) {
    return { ...none, memory: { ...memory, beyond }, contrast, monitorOnly: tooLittle(metric, stage) }
  }
  const tolerated = metric.guard?.null === 'margin' ? (metric.margin?.relative ?? 1) : 1
  const against = meanContrast(tables.canary, tables.stable, tolerated) ?? contrast
  const looked = { ...memory, harm: meanEvidence(against, metric.higherIsBetter), beyond }
  const goal = metric.goal
  const goalContrast = goal === undefined ? undefined : meanContrast(tables.canary, tables.stable, goal.relative)
  const better = goalContrast === undefined ? 0 : meanEvidence(goalContrast, !metric.higherIsBetter)
  return { ...withMargin(looked, metric, tables, stage), contrast, better, tables }
}

/** A guard that has had its time without a sound figure is only watched; a gate waits. */
const tooLittle = (metric: PlannedMetric, { elapsedMs, holdMs }: ValuedStage): boolean =>
  !metric.gated && elapsedMs >= holdMs

function isEligible({ degrees }: MeanContrast, { canary, stable }: NonNullable<ValuedLook['tables']>): boolean {
  return (
    degrees >= least.degrees &&
    canary.contributing + stable.contributing >= least.contributing &&
    canary.units >= least.units &&
    stable.units >= least.units
  )
}

function withMargin(
  memory: ValuedMemory,
  metric: PlannedMetric,
  tables: NonNullable<ValuedLook['tables']>,
  stage: ValuedStage,
): Pick<ValuedLook, 'memory' | 'within' | 'monitorOnly'> {
  const theta = metric.margin?.relative
  if (theta === undefined) return { memory, within: 0, monitorOnly: false }
  const contrast = meanContrast(tables.canary, tables.stable, theta)
  if (contrast === undefined) return { memory, within: 0, monitorOnly: false }
  const within = contrastEvidence(contrast, (1 - theta) * contrast.stable)
  const monitorOnly = !metric.gated && stage.elapsedMs >= stage.holdMs && !isFeasible(contrast, stage)
  // A margin that this traffic cannot show is widened to the one it can, for guards (STATISTICS 5.3).
  const error = Math.sqrt(contrast.variance)
  const wider = metric.gated ? 0 : Math.max(0, feasibleErrors * error - marginWidth(contrast, theta))
  const distance = (theta < 1 ? contrast.difference : -contrast.difference) + wider
  if (!(error > 0)) return { memory, within, monitorOnly }
  return { memory: takeLook(memory, within, () => distance / error, stage), within, monitorOnly }
}

const marginWidth = ({ stable }: MeanContrast, theta: number): number => Math.abs((1 - theta) * stable)

/** Whether the widest margin allowed can be shown by the first final look, at the spread that is to be expected then. */
function isFeasible({ variance, stable }: MeanContrast, { elapsedMs, maxHoldMs, maxMargin }: ValuedStage): boolean {
  const then = variance * Math.min(1, elapsedMs / (maxHoldMs / 2))
  return feasibleErrors * Math.sqrt(then) <= (1 - 1 / maxMargin) * Math.abs(stable)
}

/** Shares of the limit by which the canary may be beyond it, with weights. */
const beyondEffects = [
  [0.05, 0.3],
  [0.2, 0.4],
  [0.5, 0.3],
] as const

/** log e of "the canary's mean is beyond its limit", from the canary alone. */
function limitEvidence({ never }: PlannedMetric, canary: ValueTable): number {
  if (never === undefined || canary.units < least.units || canary.contributing < least.contributing) return 0
  const limit = never.above ?? never.below ?? 0
  const alone = meanContrast(canary, certain(limit, canary.d.length))
  if (alone === undefined || alone.degrees < least.degrees || !(alone.canaryVariance > 0)) return 0
  const scale = (never.above === undefined ? -1 : 1) * (Math.abs(limit) || Math.sqrt(alone.canaryVariance))
  const logs = beyondEffects.map(([effect, weight]) => {
    const shift = effect * scale
    return (
      Math.log(weight) +
      temper((shift * alone.difference - (shift * shift) / 2) / alone.canaryVariance, 1, alone.degrees)
    )
  })
  return logSumExp(logs)
}

/** A stable arm that is exactly the limit. */
const certain = (limit: number, size: number): { readonly y: Float64Array; readonly d: Float64Array } => ({
  y: new Float64Array(size).fill(limit),
  d: new Float64Array(size).fill(1),
})
