import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addTrendTick, newTrend, type Trend, trendView } from './trend.ts'

const tickMs = 5000
/** Every tick `n` requests of which x(tick) are bad. */
function told(ticks: number, x: (tick: number) => number, n = 1000): Trend {
  let trend = newTrend
  for (let tick = 0; tick < ticks; tick++) trend = addTrendTick(trend, tick, tick * tickMs, { x: x(tick), n })
  return trend
}

describe('the trend of a metric', () => {
  it('is steady while nothing changes', () => {
    expect(
      trendView(
        told(500, (tick) => 8 + (tick % 5)),
        tickMs,
      ),
    ).toEqual({ state: 'steady' })
  })

  it('shifts when the level does, from where it began', () => {
    const up = trendView(
      told(110, (tick) => (tick < 100 ? 10 : 22)),
      tickMs,
    )
    expect(up.state).toBe('level-shift')
    expect(up.since).toBe(100 * tickMs)
    expect(up.to).toBeCloseTo(0.022, 2)
    expect(
      trendView(
        told(130, (tick) => (tick < 100 ? 40 : 10)),
        tickMs,
      ),
    ).toMatchObject({ state: 'level-shift' })
  })

  it('tells one tick beyond all others as a spike', () => {
    const view = trendView(
      told(101, (tick) => (tick === 100 ? 200 : 10)),
      tickMs,
    )
    expect(view).toMatchObject({ state: 'spike', since: 100 * tickMs, to: 0.2 })
  })

  it('says nothing before it has learned what is usual', () => {
    expect(told(59, (tick) => (tick < 30 ? 0 : 900)).event).toBeUndefined()
  })

  it('is finite, plain and of constant size, whatever comes', () => {
    const tick = fc.record({ n: fc.constantFrom(0, 1, 1000, 1e9), bad: fc.constantFrom(0, 1e-9, 0.5, 1) })
    fc.assert(
      fc.property(fc.array(tick, { minLength: 70, maxLength: 120 }), (ticks) => {
        const trend = ticks.reduce(
          (before, { n, bad }, i) => addTrendTick(before, i, i * 3_600_000, { x: Math.floor(n * bad), n }),
          newTrend,
        )
        expect(JSON.parse(JSON.stringify(trend))).toEqual(trend)
        expect(JSON.stringify(trend).length).toBeLessThan(4000)
      }),
      { numRuns: 300, seed: 20_261_121 },
    )
  })
})
