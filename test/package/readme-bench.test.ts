import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { merged, quotedIn, readmeFile, readResults, resultsFile } from '../bench/results.ts'
import { tableOf } from '../bench/row.ts'
import { slopeOf } from '../soak/slope.ts'

it('the README quotes what was measured, all of it', () => {
  const readme = readFileSync(readmeFile, 'utf8')
  const results = readResults()
  expect(quotedIn(readme, results)).toBe(readme)
  expect(Object.keys(results.benchmarks)).not.toEqual([])
  // What JSON makes of a figure that is none.
  expect(readFileSync(resultsFile, 'utf8')).not.toContain('null')
})

it('a table says what is claimed, what was measured, and whether that is enough', () => {
  const row = { claim: 'fan-out', ours: '12 ms', bar: 'at most 2 x', met: false, note: 'a note' } as const
  expect(
    tableOf([
      { ...row, floor: '4 ms', ratio: 3 },
      { ...row, claim: 'other', met: 'unmeasured' },
    ]),
  ).toBe(
    [
      '| claim       | ours  | floor | ratio  | bar         | met        |',
      '| ----------- | ----- | ----- | ------ | ----------- | ---------- |',
      '| fan-out (1) | 12 ms | 4 ms  | 3.00 x | at most 2 x | **no**     |',
      '| other (1)   | 12 ms |       |        | at most 2 x | unmeasured |',
      '',
      '1. a note',
    ].join('\n'),
  )
})

it('a benchmark that is run again replaces what is known of it, and another machine all', () => {
  const rowOf = (ours: string) => ({ claim: 'a', ours, bar: 'b', met: true })
  const of = (ours: string) => ({ date: '2026-01-02', rows: [rowOf(ours)] })
  const known = { machine: 'one', benchmarks: { wire: of('1'), record: of('2') } }
  expect(merged(known, 'one', { wire: of('3') }).benchmarks).toEqual({ wire: of('3'), record: of('2') })
  expect(merged(known, 'two', { wire: of('3') }).benchmarks).toEqual({ wire: of('3') })
  const quotation = quotedIn(readFileSync(readmeFile, 'utf8'), known)
  expect(quotation).toContain(
    '2026-01-02, one, server and clients together on it: 2 of 2 bars met. Not measured there yet: fanout, ',
  )
  expect(quotedIn(quotation, known)).toBe(quotation)
})

it('a line of least squares has the slope of what it goes through', () => {
  const straight = slopeOf([0, 1, 2, 3].map((minute) => [minute, 100 + 5 * minute] as const))
  expect(straight).toMatchObject({ first: 100, last: 115 })
  expect(straight.perMinute).toBeCloseTo(5)
  expect(straight.uncertainty).toBeCloseTo(0)
  const noisy = slopeOf([0, 1, 2, 3, 4, 5].map((minute) => [minute, 100 + (minute % 2) * 8] as const))
  expect(Math.abs(noisy.perMinute)).toBeLessThan(noisy.uncertainty)
})
