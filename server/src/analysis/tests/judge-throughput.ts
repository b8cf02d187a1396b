import { ratioAround } from '../estimate.ts'
import type { Findings, MetricLook } from '../judge-metric.ts'
import type { ArmFigures } from '../judgement.ts'
import { feasibleErrors, finalZ, logShown } from '../non-inferiority.ts'
import { overStages } from './over-stages.ts'
import {
  enoughRequests,
  fewerRequests,
  type RequestShare,
  requestRatio,
  shareDispersion,
  shareScore,
} from './request-share.ts'
import { newValued, type ValuedMemory } from './valued.ts'

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
  const valued = isSeen && theta !== undefined && look.warm ? withLook(looked, within, score, look) : looked
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

function figures(n: number, x: number): ArmFigures {
  return n > 0 ? { n, x, rate: x / n } : { n, x }
}

function withLook(memory: ValuedMemory, within: number, score: number, { input, stage }: MetricLook): ValuedMemory {
  if (memory.shown !== undefined) return memory
  if (within >= logShown) return { ...memory, shown: 'sequential' }
  const { elapsedMs } = input.stage
  const due = elapsedMs >= stage.maxHoldMs ? 2 : elapsedMs >= stage.maxHoldMs / 2 ? 1 : 0
  if (due <= memory.looks) return memory
  const shown = due === 1 ? ('first-final-look' as const) : ('second-final-look' as const)
  return { ...memory, looks: due, ...(score > (finalZ[due - 1] as number) ? { shown } : {}) }
}

/** A guard whose margin the spread of users leaves no hope to show by the first final look is only watched; a gate waits. */
function isTooWide({ planned, input, stage }: MetricLook, error: number, theta: number): boolean {
  const { elapsedMs } = input.stage
  if (planned.gated || elapsedMs < stage.holdMs) return false
  const then = error * Math.sqrt(Math.min(1, elapsedMs / (stage.maxHoldMs / 2)))
  return feasibleErrors * then > Math.abs(Math.log(theta))
}
