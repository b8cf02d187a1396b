import { existsSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { quoted, quotedIn, readmeFile, readResults, resultsFile } from '../bench/results.ts'
import { tableOf } from '../bench/row.ts'

it('the README quotes what was measured, all of it', () => {
  const readme = readFileSync(readmeFile, 'utf8')
  const results = readResults()
  expect(quotedIn(readme, results)).toBe(readme)
  const there = quoted.filter((name) => existsSync(new URL(`../bench/${name}.ts`, import.meta.url)))
  expect(Object.keys(results.benchmarks)).toEqual(expect.arrayContaining(there))
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
