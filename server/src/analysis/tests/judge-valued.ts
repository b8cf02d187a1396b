import { ratioAround } from '../estimate.ts'
import type { Findings, MetricLook } from '../judge-metric.ts'
import type { MetricJudgement } from '../judgement.ts'
import type { MeanContrast } from '../mean-evidence.ts'
import { figures } from './figures.ts'
import { overStages } from './over-stages.ts'
import { lookAtValued, newValued } from './valued.ts'

const nothing = figures(0, 0)

/** Means, sums, counts and ratios per unit. */
export function judgeValued({ planned, input, memory, own, stage, comparing }: MetricLook): Findings {
  const before = own.valued ?? newValued
  const { analysis } = input.definition
  const last = input.buckets.at(-1)
  const buckets = comparing && last?.epoch === memory.epoch ? last : undefined
  const look = lookAtValued(before, planned, buckets, {
    elapsedMs: input.stage.elapsedMs,
    holdMs: stage.holdMs,
    maxHoldMs: stage.maxHoldMs,
    maxMargin: analysis.maxMargin,
  })
  const { contrast, tables } = look
  const valued = memory.comparing ? look.memory : before
  const begun = (ended: readonly number[], now: number): readonly number[] =>
    memory.comparing ? [...ended, now] : ended
  const ratio = contrast === undefined ? undefined : intervalOf(contrast)
  const canary =
    contrast === undefined ? nothing : figures(contrast.canaryUnits, contrast.canary * contrast.canaryUnits)
  const limit = overStages(begun(valued.ended.beyond, valued.beyond), memory.planned)
  return {
    canary,
    stable: contrast === undefined ? nothing : figures(contrast.stableUnits, contrast.stable * contrast.stableUnits),
    ...(ratio === undefined ? {} : { ratio }),
    harm: overStages(begun(valued.ended.harm, valued.harm), memory.planned),
    ...(planned.never === undefined ? {} : { limit: { canary, logEvidence: limit, isShared: false } }),
    dispersion: 1,
    degrees: contrast === undefined || tables === undefined ? Number.POSITIVE_INFINITY : contrast.degrees,
    within: {
      margin: planned.margin ?? {},
      logEvidence: look.within,
      shown: valued.shown,
      monitorOnly: look.monitorOnly,
    },
    better: look.better,
    proven: {},
    memory: valued === own.valued ? own : { ...own, valued },
  }
}

/** The ratio of means with its always-valid interval, by the delta method on the worst-of-three variance; for positive means only. */
function intervalOf({ canary, stable, variance, canaryVariance }: MeanContrast): MetricJudgement['ratio'] {
  if (!(canary > 0 && stable > 0 && variance > 0)) return undefined
  const spread = Math.max(variance - canaryVariance, 0) / stable ** 2 + canaryVariance / canary ** 2
  return ratioAround(canary / stable, Math.sqrt(spread))
}
