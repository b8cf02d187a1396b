import {
  foldTick,
  type JudgeInput,
  type Judgement,
  type JudgeState,
  judge,
  proposeThresholds,
  startJudge,
  type Tick,
} from '@pipit/server/analysis'
import { seededRandom } from '@pipit/shared/testing'
import { describe, expect, it } from 'vitest'
import { fixedRamp, guardedRollout } from './plans.ts'
import { createTraffic } from './traffic.ts'
import { plain } from './worlds.ts'

const definition = guardedRollout(fixedRamp)
const ticksPerStage = 60

/** Four stages of five minutes, drawn once; limits of latency after the first minute. */
function drawn(seed: number): { readonly ticks: readonly Tick[]; readonly input: Omit<JudgeInput, 'state'> } {
  const traffic = createTraffic(plain, seededRandom(seed))
  const ticks: Tick[] = []
  let ms: readonly number[] = []
  for (let tick = 0; tick < 4 * ticksPerStage; tick++) {
    const stage = Math.floor(tick / ticksPerStage)
    const weight = definition.stages[stage]?.weight ?? 0
    if (tick === 12) ms = proposeThresholds(definition, traffic.stableLatency) ?? []
    const limits = { version: ms.length > 0 ? 1 : 0, ms }
    ticks.push(traffic.tick({ tick, epoch: stage + 1, stage, weight, thresholds: limits }).drawn)
  }
  const stage = { epoch: 4, index: 3, weight: 50, elapsedMs: ticksPerStage * 5000, approvalMissing: false }
  const breakers = { open: 0, instances: 1 }
  return {
    ticks,
    input: { definition, stage, buckets: traffic.buckets(), dismissed: [], breakers, now: ticks.length * 5000 },
  }
}

const stored = <T>(value: T): T => JSON.parse(JSON.stringify(value))

describe('evidence folded again', () => {
  it.each([11, 12, 13])(
    'gives the same judgement bit for bit, in one go or stored after each tick (seed %i)',
    (seed) => {
      const { ticks, input } = drawn(seed)
      const inOneGo = ticks.reduce((state, tick) => foldTick(definition, state, tick), startJudge(definition))
      let oneByOne: JudgeState = stored(startJudge(definition))
      for (const tick of ticks) oneByOne = stored(foldTick(stored(definition), oneByOne, stored(tick)))
      const whole: Judgement = judge({ ...input, state: inOneGo })
      expect(JSON.stringify(judge({ ...input, state: oneByOne }))).toBe(JSON.stringify(whole))
      expect(JSON.stringify(judge({ ...input, state: inOneGo }))).toBe(JSON.stringify(whole))
    },
  )

  it('has the same evidence of harm however often somebody looked meanwhile', () => {
    const { ticks, input } = drawn(14)
    const unseen = ticks.reduce((state, tick) => foldTick(definition, state, tick), startJudge(definition))
    let seen = startJudge(definition)
    for (const tick of ticks) {
      seen = foldTick(definition, seen, tick)
      const stage = { ...input.stage, epoch: tick.epoch, index: tick.stage ?? 0 }
      seen = judge({ ...input, stage, state: seen }).state
    }
    const harm = (state: JudgeState) => judge({ ...input, state }).metrics.map(({ logHarm }) => logHarm)
    expect(harm(seen)).toEqual(harm(unseen))
  })
})
