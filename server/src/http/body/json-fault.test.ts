import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { jsonFault } from './json-fault.ts'

describe('the first fault of a JSON text', () => {
  it.each([
    ['', 0, 'the text ends before its value'],
    ['  ', 2, 'the text ends before its value'],
    ['[1,]', 3, 'found ] where a value belongs'],
    ['[1 2]', 3, 'found 2 where a comma or the end of the array belongs'],
    ['{"a" 1}', 5, 'found 1 where a colon belongs'],
    ['{a:1}', 1, 'found a where the name of a field in double quotes belongs'],
    ['{"a":1,}', 7, 'found } where the name of a field in double quotes belongs'],
    ['[1}', 2, '} closes nothing that is open here'],
    ['{"a":[1', 7, 'the text ends inside an array'],
    ['"abc', 4, 'the text ends inside a string'],
    ['"a\nb"', 2, 'a string must not hold U+000A as it is; write it as an escape'],
    ['"\\x"', 1, 'an escape that JSON does not know'],
    ['01', 1, '1 after the end of the value'],
    ['nul', 0, 'found n where a value belongs'],
    ['NaN', 0, 'found N where a value belongs'],
    ['[1e999]', 1, 'a number that is too large'],
    ['1 1', 2, '1 after the end of the value'],
    ['\ufeff1', 0, 'found U+FEFF where a value belongs'],
  ])('of %j is at %i', (text, position, message) => {
    expect(jsonFault(text, 8)).toMatchObject({ kind: 'malformed', position, message })
  })

  it('has a line and a column, counted from 1', () => {
    expect(jsonFault('{\n  "a": 1,\n  "b": x\n}', 8)).toMatchObject({ line: 3, column: 8 })
  })

  it('is nesting beyond the bound, however deep, without running out of stack', () => {
    expect(jsonFault('[[[[]]]]', 4)).toBeUndefined()
    expect(jsonFault('[[[[[]]]]]', 4)).toMatchObject({ kind: 'too-deep', position: 4 })
    expect(jsonFault('['.repeat(1_000_000), 64)).toMatchObject({ kind: 'too-deep', position: 64 })
    expect(jsonFault('{"a":'.repeat(1_000_000), 64)).toMatchObject({ kind: 'too-deep' })
  })

  it('is there exactly where JSON.parse refuses, but for numbers that it makes infinite', () => {
    const broken = fc.tuple(fc.json(), fc.nat(), fc.string({ maxLength: 2 })).map(([text, at, more]) => {
      const cut = at % (text.length + 1)
      return text.slice(0, cut) + more + text.slice(cut + 1)
    })
    fc.assert(
      fc.property(fc.oneof(fc.json(), broken, fc.string()), (text) => {
        expect(jsonFault(text, 1000) === undefined).toBe(parses(text))
      }),
      { numRuns: 2000 },
    )
  })
})

function parses(text: string): boolean {
  let fits = true
  try {
    JSON.parse(text, (_key, value: unknown) => {
      if (value === Infinity || value === -Infinity) fits = false
      return value
    })
    return fits
  } catch {
    return false
  }
}
