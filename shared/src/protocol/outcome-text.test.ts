import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NumberReader, numberText } from '../base/index.ts'
import { Fault } from './check.ts'
import { decodeKind, decodeRows, encodeKind, encodeRows } from './outcome-text.ts'

interface Rows {
  readonly columns: number
  readonly buckets: readonly number[]
}

const count = fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 5000 }), fc.constant(Number.MAX_SAFE_INTEGER))

/** Any table that an SDK may hold: some or almost all buckets, any number of limits. */
const tables: fc.Arbitrary<Rows> = fc
  .tuple(
    fc.integer({ min: 0, max: 16 }),
    fc.oneof(
      fc.uniqueArray(fc.nat({ max: 255 }), { minLength: 1, maxLength: 20 }),
      fc
        .uniqueArray(fc.nat({ max: 255 }), { maxLength: 80 })
        .map((left) => all.filter((bucket) => !left.includes(bucket))),
    ),
    fc.infiniteStream(count),
  )
  .map(([limits, buckets, numbers]) => {
    const next = (most: number): number => Math.min(most, numbers.next().value as number)
    const rows = [...buckets]
      .sort((a, b) => a - b)
      .flatMap((bucket) => {
        const n = 1 + next(Number.MAX_SAFE_INTEGER - 1)
        const timed = n - next(n)
        return [bucket, n, next(n), timed, ...Array.from({ length: limits }, () => next(timed))]
      })
    return { columns: 4 + limits, buckets: rows }
  })
const all = Array.from({ length: 256 }, (_, bucket) => bucket)

describe('numbers as text', () => {
  it('come back, one after the other and part by part', () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.maxSafeNat()), { minLength: 1 }), (parts) => {
        const reader = new NumberReader(parts.map((part) => part.map(numberText).join('')).join('.'))
        const read = parts.map((part, i) => {
          if (i > 0) expect(reader.nextPart()).toBe(true)
          return part.map(() => reader.next())
        })
        expect(read).toEqual(parts)
        expect(reader.isOver).toBe(true)
        expect(reader.next()).toBe(-1)
        expect(reader.nextPart()).toBe(false)
      }),
    )
  })

  it('are one character below 32, two below 1024, and eleven at most', () => {
    expect([0, 31, 32, 1023, 1024, Number.MAX_SAFE_INTEGER].map((value) => numberText(value).length)).toEqual([
      1, 1, 2, 2, 3, 11,
    ])
  })

  it.each(['', '.', '*', ' ', 'g', 'gA', 'hA', '_________', '__________f', '___________A', 'é', '\u0100'])(
    'are not read from %j',
    (text) => {
      expect(new NumberReader(text).next()).toBe(-1)
    },
  )
})

describe('the rows of a cell as text', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(tables, (rows) => {
        expect(decodeRows(encodeRows(rows), 'at')).toEqual(rows)
      }),
    )
  })

  it('are what the wire documents', () => {
    expect(encodeRows({ columns: 5, buckets: [0, 3, 1, 2, 1, 255, 40, 0, 40, 0] })).toBe('AD-HoB.AB.AB.AB')
  })

  it('have one text: whatever is taken is written again the same', () => {
    const unit = fc.constantFrom(...'AAAABBBCDEfgh_-...*')
    const near = fc
      .tuple(tables, fc.nat(), fc.string({ unit, maxLength: 3 }), fc.nat({ max: 2 }))
      .map(([rows, place, more, cut]) => {
        const text = encodeRows(rows)
        const at = place % text.length
        return text.slice(0, at) + more + text.slice(at + cut)
      })
    let taken = 0
    fc.assert(
      fc.property(fc.oneof(near, fc.string({ unit, maxLength: 14 }), fc.string()), (text) => {
        let rows: Rows
        try {
          rows = decodeRows(text, 'at')
        } catch (fault) {
          expect(fault).toBeInstanceOf(Fault)
          return
        }
        taken++
        expect(encodeRows(rows)).toBe(text)
      }),
      { numRuns: 3000 },
    )
    expect(taken).toBeGreaterThan(100)
  })

  const dense = 'B'.repeat(256)
  it.each<[string, string, RegExp]>([
    ['nothing', '', /3 to 19 parts .* it has 1/],
    ['no rows', '..', /at least one row/],
    ['one part too few', 'AB.', /it has 2/],
    ['too many parts', `AB${'.'.repeat(20)}`, /it has 21/],
    ['a row of no outcomes', 'AA..', /n ≥ 1 .* bucket 0/],
    ['half a row', 'A..', /near row 0/],
    ['what is no number', 'A!..', /near row 0/],
    ['a number longer than it need be', 'AhA..', /near row 0/],
    ['a bucket of 256', 'gIB..', /from 0 to 255/],
    ['more failures than outcomes', 'AB.AC.', /more failed than n; bucket 0/],
    ['more without a latency than outcomes', 'AB..AC', /more untimed than n; bucket 0/],
    ['more exceedances than timed', 'AC..AB.AC', /more over_0 than timed; bucket 0/],
    ['a failure in a row that is none', 'AB.BB.', /rows below 1; failed names row 1/],
    ['a failure of zero', 'AB.AA.', /no zeros; near row 0/],
    ['a dense table of few rows', '*B..', /only there; it has 1/],
    ['too many buckets', `*${dense}B..`, /from 0 to 255/],
    ['a long run of empty buckets', `*A${numberText(Number.MAX_SAFE_INTEGER)}..`, /from 0 to 255/],
    ['empty buckets at the end', `*${dense.slice(1)}AA..`, /after the last row/],
    ['empty buckets told twice', `*AAAA${dense.slice(2)}..`, /all empty buckets in a row/],
  ])('are refused with %s', (_, text, message) => {
    expect(() => decodeRows(text, 'at')).toThrow(message)
  })
})

describe('failures of a kind as text', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(tables, fc.infiniteStream(count), (rows, numbers) => {
        const kind: number[] = []
        for (let row = 0; row < rows.buckets.length; row += rows.columns) {
          const most = Math.min(rows.buckets[row + 2] as number, numbers.next().value as number)
          if (most > 0) kind.push(rows.buckets[row] as number, most)
        }
        expect(decodeKind(encodeKind(kind, rows), rows, 'at')).toEqual(kind)
      }),
    )
  })
})
