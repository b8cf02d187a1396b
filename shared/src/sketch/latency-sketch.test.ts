import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeSketch, edgeAbove, LatencySketch } from './latency-sketch.ts'

const of = (values: readonly number[]): LatencySketch => {
  const sketch = new LatencySketch()
  for (const value of values) sketch.add(value)
  return sketch
}
const merged = (...sketches: readonly LatencySketch[]): LatencySketch => {
  const all = new LatencySketch()
  for (const sketch of sketches) all.merge(sketch)
  return all
}

/** Zero, tiny, ordinary and huge latencies in ms. */
const latency = fc.oneof(
  fc.constant(0),
  fc.double({ min: 1e-9, max: 1e-3, noNaN: true }),
  fc.double({ min: 1e-3, max: 1e6, noNaN: true }),
  fc.double({ min: 1e7, max: 1e12, noNaN: true }),
)
const latencies = fc.array(latency, { maxLength: 200 })

describe('the latency sketch', () => {
  it('gives every quantile within 1 % from 1 µs to 1000 s', () => {
    const value = fc.double({ min: 0.001, max: 1e6, noNaN: true, minExcluded: true })
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1, maxLength: 300 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, q) => {
          const sorted = [...values].sort((a, b) => a - b)
          const exact = sorted[Math.floor(q * (sorted.length - 1))] as number
          const got = of(values).quantile(q) as number
          expect(Math.abs(got - exact) / exact).toBeLessThanOrEqual(0.01)
        },
      ),
    )
  })

  it('merges like addition: in any order, in any grouping, with nothing as zero', () => {
    fc.assert(
      fc.property(latencies, latencies, latencies, (a, b, c) => {
        const together = of([...a, ...b, ...c]).encode()
        expect(merged(of(a), of(b), of(c)).encode()).toBe(together)
        expect(merged(of(c), merged(of(a), of(b))).encode()).toBe(together)
        expect(merged(of(a), new LatencySketch()).encode()).toBe(of(a).encode())
      }),
    )
  })

  it('puts a value into the bin that the logarithm says', () => {
    const value = fc.double({ min: 2 ** -12, max: 2 ** 25, noNaN: true })
    fc.assert(
      fc.property(
        fc.oneof(
          value,
          fc.integer({ min: -11, max: 24 }).map((exponent) => 2 ** exponent),
        ),
        (ms) => {
          const exact = (Math.log2(ms) + 10) * 35
          // Within rounding of an edge either bin is right.
          fc.pre(Number.isInteger(exact) || Math.abs(exact - Math.round(exact)) > 1e-9)
          const bin = of([ms]).bins.indexOf(1)
          expect(bin).toBe(Math.min(34 * 35 - 1, Math.max(0, Math.ceil(exact))))
        },
      ),
      { numRuns: 5000 },
    )
  })

  it('comes back from its text', () => {
    fc.assert(
      fc.property(latencies, (values) => {
        const sketch = of(values)
        const back = decodeSketch(sketch.encode())
        expect(back?.count).toBe(sketch.count)
        expect(back?.bins).toEqual(sketch.bins)
      }),
    )
  })

  it('counts every value ≥ 0 and ignores what is none', () => {
    expect(of([0, 1e-12, 5, 1e300]).count).toBe(4)
    expect(of([-1, Number.NaN, Number.POSITIVE_INFINITY]).count).toBe(0)
    expect(new LatencySketch().quantile(0.5)).toBeUndefined()
  })

  it('counts exactly above the edge of a bin', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.01, max: 1e5, noNaN: true }), { minLength: 1 }),
        fc.double({ min: 0.01, max: 1e5, noNaN: true }),
        (values, ms) => {
          const edge = edgeAbove(ms)
          // Values within rounding of the edge may fall on either side of it.
          fc.pre(values.every((value) => Math.abs(value - edge) > edge * 1e-9))
          expect(of(values).countAbove(ms)).toBe(values.filter((value) => value > edge).length)
        },
      ),
    )
  })

  it('refuses every text that is no sketch', () => {
    for (const text of [
      '*',
      'A',
      '.',
      'A.',
      '.B',
      'A.A',
      'AA.B',
      'A.BB',
      'A.B.',
      'gA.B',
      'A.hA',
      '____.B',
      `A.${'_'.repeat(64)}`,
      '👍',
    ])
      expect(decodeSketch(text), text.slice(0, 10)).toBeUndefined()
    expect(decodeSketch(`${'A'.repeat(15_000)}.${'B'.repeat(15_000)}`)).toBeUndefined()
    const character = fc.constantFrom(...'ABCfghz019-_.')
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: character, maxLength: 12 })), (text) => {
        const sketch = decodeSketch(text)
        if (sketch !== undefined) expect(sketch.encode()).toBe(text)
      }),
      { numRuns: 2000 },
    )
  })
})
