import { seededRandom } from '@pipit/shared/testing'
import { describe, expect, it } from 'vitest'
import { parseRollout, type RolloutDefinition } from '../../rollout/index.ts'
import { addTick, logEvidence, newHarmProcess, startMass } from '../harm-process.ts'
import { addStageTick, lookAtStage, newStageTest } from '../non-inferiority.ts'
import { type PlannedMetric, planMetrics } from '../plan.ts'
import { timeToRevert } from './harm-growth.ts'
import { planRollout } from './plan-rollout.ts'

/** What the planner predicts against what the judge's own processes do with Bernoulli counts. */

const none = { factor: 1, degrees: Number.POSITIVE_INFINITY }
const seed = 20240601

/** A binomial number: waiting times between events for rare ones, which all of these are. */
function binomial(random: () => number, n: number, p: number): number {
  const step = Math.log(1 - p)
  let found = 0
  const wait = (): number => Math.floor(Math.log(1 - random()) / step)
  for (let at = wait(); at < n; at += 1 + wait()) found++
  return found
}

/** Canary requests until the harm process of an error rate with weight 0.7 of the budget reaches it, 20 canary requests a tick at 1 %. */
function requestsToRevert(random: () => number, p0: number, p1: number): number {
  const settings = { down: false, prior: 0.01, null: { kind: 'stable' }, planned: 4 } as const
  let process = newHarmProcess(false, 0)
  for (let tick = 1; ; tick++) {
    const counts = { n1: 20, x1: binomial(random, 20, p1), n0: 1980, x0: binomial(random, 1980, p0) }
    process = addTick(process, counts, settings)
    const log = Math.log(0.7) + logEvidence(process, false, 0.02, () => none)
    if (log >= Math.log(100) || tick > 5000) return tick * 20
  }
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number

describe(`predictions, seed ${seed}`, () => {
  // Published medians of whole rollouts are 1360, 5300, 259 and 480. The law is too soon where few ticks or
  // few errors decide: evidence comes in ticks of 20 canary requests, the base rate has to be learned, and errors come whole.
  it.each([
    [0.01, 0.02, 0.15],
    [0.01, 0.015, 0.15],
    [0.05, 0.1, 0.25],
    [0.001, 0.01, 0.3],
  ])('of the median time to a revert hold for %f becoming %f, within %f', (p0, p1, tolerance) => {
    const random = seededRandom(seed)
    const simulated = median(Array.from({ length: 1000 }, () => requestsToRevert(random, p0, p1)))
    const spending = { alpha: 0.01, weight: 0.7, mass: startMass.start, down: false, null: { kind: 'stable' } } as const
    const { n } = timeToRevert({ p0, p1, share: 0.01 }, spending, 0.5)
    expect(Math.abs(Math.log(simulated / n)), `simulated ${simulated}, predicted ${n}`).toBeLessThan(tolerance)
  })

  // Chances between 0 and 1, so that an error would show.
  it.each([20, 40, 80])('of the chance to show a margin hold at %i requests/s', (requestsPerSecond) => {
    const { definition, metric } = gate()
    const predicted = planRollout(definition, { requestsPerSecond, errorRate: 0.01 }).stages[0]?.metrics[0]
    const runs = 1000
    const random = seededRandom(seed)
    const shown = Array.from({ length: runs }, () => shownAt(random, metric, requestsPerSecond * 5))
    // Three Monte-Carlo errors, and 5 points that the normal laws are off.
    const off = (chance: number): number => 3 * Math.sqrt((chance * (1 - chance)) / runs) + 0.05
    for (const [ticks, chance] of [
      [120, predicted?.passedAtHalf ?? -1],
      [240, predicted?.passedAtEnd ?? -1],
    ] as const) {
      const found = shown.filter((tick) => tick <= ticks).length / runs
      expect(Math.abs(found - chance), `simulated ${found}, predicted ${chance}`).toBeLessThan(off(chance))
    }
  })
})

/** A gate on errors within 1.5 times stable, in a stage of 20 % and at most 20 minutes. */
function gate(): { readonly definition: RolloutDefinition; readonly metric: PlannedMetric } {
  const parsed = parseRollout({
    key: 'simulated',
    stages: [
      { name: 'fifth', weight: 20, maxHold: '20m' },
      { name: 'all', weight: 100 },
    ],
    gates: [{ metric: 'error_rate', noWorseThan: { relative: 1.5 } }],
  })
  if (!parsed.ok) throw new Error('the rollout is valid')
  const [metric] = planMetrics(parsed.definition)
  if (metric === undefined) throw new Error('the rollout has a gate')
  return { definition: parsed.definition, metric }
}

/** The tick of 5 s at which an equal canary with 1 % errors has shown the margin; infinite where it does not in 20 minutes. */
function shownAt(random: () => number, metric: PlannedMetric, perTick: number): number {
  const margin = { relative: 1.5 }
  let test = newStageTest
  for (let tick = 7; tick <= 240; tick++) {
    const n1 = perTick / 5
    const n0 = perTick - n1
    const counts = { n1, x1: binomial(random, n1, 0.01), n0, x0: binomial(random, n0, 0.01) }
    const added = addStageTick(test, metric, { counts, added: counts, scaled: undefined }, margin)
    test = lookAtStage(added, metric, margin, none, 0.02, { elapsedMs: tick * 5000, maxHoldMs: 1_200_000 })
    if (test.shown !== undefined) return tick
  }
  return Number.POSITIVE_INFINITY
}
