import { seededRandom } from '@pipit/shared/clock'
import { LatencySketch } from '@pipit/shared/sketch'
import { describe, expect, it } from 'vitest'
import { classicReport } from './classic/report.ts'
import { scoreOf } from './score.ts'
import { fine, guard, lookAt } from './situation.ts'

const purchase = [{ key: 'purchase', kind: 'conversion', event: 'purchase' }]

describe('the score', () => {
  it('is 100 where everything is shown', () => {
    const score = scoreOf(lookAt({ canary: fine, stable: fine }))
    expect(score).toMatchObject({ score: 100, label: 'pass' })
    expect(score.metrics).toEqual([
      {
        metric: 'error_rate',
        classification: 'within',
        score: 100,
        towardsRevert: expect.any(Number),
        towardsAdvance: 100,
        weight: 1,
      },
    ])
  })

  it('weighs metrics as their guards, and leaves out what has no data', () => {
    const sells = (converted: number) => ({ ...fine, conversions: { purchase: { atRisk: 100, converted } } })
    const guards = [guard({ weight: 3 }), guard({ metric: 'purchase', worseThan: { relative: 0.9 }, weight: 1 })]
    const file = { guards, metrics: purchase }
    const half = scoreOf(lookAt({ canary: sells(1), stable: sells(4), ticks: 60, file }))
    expect(half.metrics.map(({ classification }) => classification)).toEqual(['within', 'worse'])
    expect(half).toMatchObject({ score: 75, label: 'marginal' })
    const unsold = scoreOf(lookAt({ canary: fine, stable: fine, file }))
    expect(unsold.metrics.map(({ classification }) => classification)).toEqual(['within', 'no-data'])
    expect(unsold.score).toBe(100)
  })

  it('is none where nobody has reported, and 0 where everything is worse', () => {
    expect(scoreOf(lookAt({ ticks: 0 }))).toMatchObject({ label: 'no-data' })
    const bad = scoreOf(lookAt({ canary: { ...fine, failed: 40 }, stable: fine }))
    expect(bad).toMatchObject({ score: 0, label: 'fail' })
    expect(bad.metrics[0]?.towardsRevert).toBe(100)
  })
})

describe('the classic report', () => {
  const sketch = (median: number, seed: number): LatencySketch => {
    const random = seededRandom(seed)
    const made = new LatencySketch()
    for (let i = 0; i < 5000; i++) made.add(median * Math.exp(random() - 0.5))
    return made
  }
  const report = (situation: Parameters<typeof lookAt>[0], seed = 1) =>
    classicReport({
      judgement: lookAt(situation),
      share: 0.5,
      latency: { canary: sketch(60, 3), stable: sketch(40, 4) },
      buckets: undefined,
      random: seededRandom(seed),
    })

  it('says of itself that it is not for deciding', () => {
    const found = report({ canary: { ...fine, failed: 20 }, stable: fine })
    expect(found.note).toBe('fixed horizon: for reading, not for deciding')
    const [errors] = found.proportions
    expect(errors).toMatchObject({ metric: 'error_rate', canaryAbove: expect.closeTo(1, 6) })
    expect(errors?.z).toBeCloseTo(8.99, 1)
    expect(errors?.newcombe[0]).toBeGreaterThan(0)
    expect(found.sampleRatio?.p).toBe(1)
  })

  it('compares latencies, and gives the same answer to everybody who asks', () => {
    const found = report({ canary: fine, stable: fine })
    expect(found.latency?.mannWhitney?.cles).toBeGreaterThan(0.8)
    const [low, high] = found.latency?.medianDifference ?? [0, 0]
    expect(low).toBeGreaterThan(15)
    expect(high).toBeLessThan(25)
    expect(found.latency?.quantiles[0]?.canary?.interval[0]).toBeLessThan(61)
    expect(report({ canary: fine, stable: fine })).toEqual(found)
  })

  it('survives empty arms and equal rates', () => {
    expect(report({ ticks: 0 }).proportions).toEqual([])
    const all = report({ canary: { ...fine, failed: 1000 }, stable: { ...fine, failed: 1000 }, ticks: 1 })
    expect(all.proportions[0]?.z).toBeUndefined()
    expect(JSON.parse(JSON.stringify(all))).toEqual(all)
  })
})
