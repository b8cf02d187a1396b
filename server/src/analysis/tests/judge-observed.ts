import type { Findings, MetricLook } from '../judge-metric.ts'
import { logShown } from '../non-inferiority.ts'
import { figures } from './figures.ts'
import { lookAtObserved, newObserved } from './observed.ts'
import { overStages } from './over-stages.ts'

/** Figures that somebody else measures, compared by their order. */
export function judgeObserved({ planned, memory, own }: MetricLook): Findings {
  const observed = own.observed ?? newObserved
  const look = lookAtObserved(observed)
  const canary = figures(observed.canary.count, observed.canary.sum)
  return {
    canary,
    stable: figures(observed.stable.count, observed.stable.sum),
    harm: overStages(look.harm, memory.planned),
    ...(planned.never === undefined
      ? {}
      : { limit: { canary, logEvidence: overStages(look.beyond, memory.planned), isShared: false } }),
    dispersion: 1,
    degrees: Number.POSITIVE_INFINITY,
    within: {
      margin: planned.margin ?? {},
      logEvidence: look.within,
      shown: look.within >= logShown ? 'sequential' : undefined,
      monitorOnly: false,
    },
    proven: {},
    memory: own,
  }
}
