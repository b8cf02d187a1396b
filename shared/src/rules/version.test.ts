import fc from 'fast-check'
import { compare } from 'semver'
import { describe, expect, it } from 'vitest'
import { versionKey } from './version.ts'

const order = (a: unknown, b: unknown): number => {
  const [left, right] = [versionKey(a), versionKey(b)]
  return left < right ? -1 : left > right ? 1 : 0
}

const core = fc.oneof(fc.nat(3), fc.nat(120), fc.constantFrom(9, 10, 99, 100, Number.MAX_SAFE_INTEGER))
/** Numbers without leading zeros, words, and words that look like numbers; short, so that they meet. */
const identifier = fc.oneof(
  fc.nat(12).map(String),
  fc.constantFrom('alpha', 'beta', 'rc', 'rc-1', 'RC', '-', '--', '0a', '-1', 'x', 'A', 'a'),
  fc
    .string({ unit: fc.constantFrom(...'0aA-z9'.split('')), minLength: 1, maxLength: 4 })
    .filter((text) => !/^0\d+$/.test(text)),
)
const version = fc
  .record({
    core: fc.tuple(core, core, core),
    prerelease: fc.array(identifier, { maxLength: 3 }),
    build: fc.array(identifier, { maxLength: 2 }),
    v: fc.constantFrom('', 'v'),
  })
  .map(
    ({ core: numbers, prerelease, build, v }) =>
      v +
      numbers.join('.') +
      (prerelease.length === 0 ? '' : `-${prerelease.join('.')}`) +
      (build.length === 0 ? '' : `+${build.join('.')}`),
  )

describe('the order of versions', () => {
  it("is semver's", () => {
    let near = 0
    fc.assert(
      fc.property(version, version, fc.boolean(), (a, other, sameCore) => {
        const b = sameCore ? a.replace(/[-+].*$/s, '') + other.replace(/^[^-+]*/, '') : other
        const expected = compare(a, b)
        if (sameCore && expected !== 0) near++
        expect(order(a, b), `${a} and ${b}`).toBe(expected)
      }),
      { numRuns: 20_000 },
    )
    expect(near).toBeGreaterThan(5000)
  })

  it('is that of the specification, section 11', () => {
    const listed = [
      '1.0.0-alpha',
      '1.0.0-alpha.1',
      '1.0.0-alpha.beta',
      '1.0.0-beta',
      '1.0.0-beta.2',
      '1.0.0-beta.11',
      '1.0.0-rc.1',
      '1.0.0',
      '2.0.0',
      '2.1.0',
      '2.1.1',
    ]
    for (let i = 1; i < listed.length; i++) expect(order(listed[i - 1], listed[i]), listed[i]).toBe(-1)
  })

  it.each<[unknown, unknown, number]>([
    ['1', '1.0.0', 0],
    ['1.2', '1.2.0', 0],
    ['v1.2', '1.2.0+build.5', 0],
    [1.2, '1.2.0', 0],
    ['1.2.3.0', '1.2.3', 0],
    ['1.2.3.4', '1.2.3', 1],
    ['1.2.3.4', '1.2.4', -1],
    ['1.2.3.10', '1.2.3.9', 1],
    ['1.2.3-rc', '1.2.3.1-rc', -1],
    ['1.2.3', '1.2.3.1-rc', -1],
    ['1-rc.1', '1.0.0-rc.1', 0],
    ['1.2-rc.1', '1.2', -1],
    ['1.2-rc.1', '1.1.9', 1],
    ['1-2-3', '1.2.3', 0],
    ['1-2-3-rc', '1.2.3-rc', 0],
    ['1.02.3', '1.2.3', 0],
    ['1.0.123456789012345678901', '1.0.99999999999999999999', 1],
    [' 1.2.3 ', '1.2.3', 0],
    ['unknown', '999.0.0', 1],
    ['1.x', '1.999', 1],
    [undefined, '0.0.0', 0],
    ['', '0', 0],
    [null, '0.0.0-rc', 1],
    [true, '0.0.1', -1],
    ['1'.repeat(129), '0.0.1', -1],
  ])('%j and %j: %i', (a, b, expected) => {
    expect(order(a, b)).toBe(expected)
    expect(order(b, a)).toBe(expected === 0 ? 0 : -expected)
  })
})
