import { ratioAround } from '../estimate.ts'
import type { Findings, MetricLook } from '../judge-metric.ts'
import { feasibleErrors, takeLook } from '../non-inferiority.ts'
import { figures } from './figures.ts'
import { overStages } from './over-stages.ts'
import {
  enoughRequests,
  fewerRequests,
  type RequestShare,
  requestRatio,
  shareDispersion,
  shareScore,
} from './request-share.ts'
import { newValued } from './valued.ts'

/** Requests per randomised user: whether the canary makes people use it less. Judged from the totals of the stage under way. */
export function judgeThroughput(look: MetricLook): Findings {
  const { planned, input, memory, own, comparing } = look
  const before = own.valued ?? newValued
  const buckets = input.buckets.at(-1)?.epoch === memory.epoch ? input.buckets.at(-1) : undefined
  const spread = shareDispersion(buckets)
  const share: RequestShare = { ...memory.outcomes, weight: input.stage.weight / 100 }
  const theta = planned.margin?.relative
  const isSeen = comparing && memory.comparing && share.canary + share.stable > 0
  const harmless = planned.guard?.null === 'margin' ? theta : 1
  const looked = isSeen ? { ...before, harm: fewerRequests(share, spread, harmless) } : before
  const within = isSeen && theta !== undefined ? enoughRequests(share, spread, theta) : 0
  const score = isSeen && theta !== undefined ? shareScore(share, spread, theta) : 0
  const time = { elapsedMs: input.stage.elapsedMs, maxHoldMs: look.stage.maxHoldMs }
  const valued = isSeen && theta !== undefined && look.warm ? takeLook(looked, within, () => score, time) : looked
  const error = isSeen
    ? Math.sqrt(spread.factor / (share.weight * (1 - share.weight) * (share.canary + share.stable)))
    : 0
  const ratio = isSeen ? ratioAround(requestRatio(share) ?? 0, error) : undefined
  return {
    canary: figures(memory.units.canary, share.canary),
    stable: figures(memory.units.stable, share.stable),
    ...(ratio === undefined ? {} : { ratio }),
    harm: overStages(memory.comparing ? [...valued.ended.harm, valued.harm] : valued.ended.harm, memory.planned),
    dispersion: spread.factor,
    degrees: spread.degrees,
    within: {
      margin: planned.margin ?? {},
      logEvidence: within,
      shown: valued.shown,
      monitorOnly: theta !== undefined && isTooWide(look, error, theta),
    },
    proven: { harm: (ratio?.estimate ?? 1) <= 0.97 },
    memory: valued === own.valued ? own : { ...own, valued },
  }
}

/** A guard whose margin the spread of users leaves no hope to show by the first final look is only watched; a gate waits. */
function isTooWide({ planned, input, stage }: MetricLook, error: number, theta: number): boolean {
  const { elapsedMs } = input.stage
  if (planned.gated || elapsedMs < stage.holdMs) return false
  const then = error * Math.sqrt(Math.min(1, elapsedMs / (stage.maxHoldMs / 2)))
  return feasibleErrors * then > Math.abs(Math.log(theta))
}
