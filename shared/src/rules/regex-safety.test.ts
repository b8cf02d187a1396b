import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseRegex, type RegexNode } from './regex-parse.ts'
import { regexFault, regexSteps } from './regex-safety.ts'

describe('regular expressions that are taken', () => {
  it.each([
    '-12-25$',
    '(Mobile|Tablet)',
    'iPhone|iPad|iPod',
    '@shop\\.example$',
    '^[\\w.+-]+@[\\w-]+\\.[\\w.-]+$',
    '^\\d+\\.\\d+\\.\\d+$',
    '^v?[0-9]+(\\.[0-9]+)*$',
    '^(?:[a-z0-9]+-)*[a-z0-9]+$',
    '^[a-f0-9]{8}(-[a-f0-9]{4}){3}-[a-f0-9]{12}$',
    '.*@example\\.com',
    '.*foo.*',
    '^.*foo.*bar',
    'Mozilla.*Firefox\\/[0-9.]+',
    '(?<os>Windows|Mac OS X) [\\d._]+',
    '^https?://[^/]+/checkout',
    '(^|,)beta(,|$)',
    '[[\\]-]x',
    'j\u00fcrgen|\\u00fc\\x41\\t',
  ])('%s', (pattern) => {
    expect(regexFault(pattern)).toBeUndefined()
  })
})

describe('regular expressions that are refused', () => {
  const slow = /^can take too long/
  const empty = /^repeats a group that can be empty/
  it.each<[string, RegExp]>([
    ['(a+)+$', slow],
    ['(x+x+)+y', slow],
    ['(a|aa)+$', slow],
    ['^(\\w|\\d)*$', slow],
    ['a*a*a*b', slow],
    ['foo.*bar.*baz', slow],
    [`${'a?'.repeat(30)}${'a'.repeat(30)}`, slow],
    [`${'(a|a)'.repeat(28)}b`, slow],
    [`${'(|)'.repeat(30)}$`, slow],
    ['^(([a-z])+.)+[A-Z]([a-z])+$', slow],
    ['(a?){28}b', empty],
    ['(.*)*x', empty],
    ['(a{100}){100}', /^repeats by too large counts/],
    ['(a)\\1', /^uses a back reference/],
    ['(?<n>a)\\k<n>', /^uses a back reference/],
    ['(?<!a)b', /^uses look-around/],
    ['\\p{L}', /^uses \\p/],
    ['\\Afoo', /^uses \\A/],
    ['(', /^is not a regular expression/],
    ['a'.repeat(257), /^is longer than 256/],
    [`${'('.repeat(40)}a${')'.repeat(40)}`, /^has groups in groups too deep/],
  ])('%s', (pattern, message) => {
    expect(regexFault(pattern)).toMatch(message)
  })

  it('where only the case of letters tells two repetitions apart, when case does not count', () => {
    expect(regexFault('^([a-z]+[A-Z]+)+$')).toBeUndefined()
    expect(regexFault('^([a-z]+[A-Z]+)+$', true)).toMatch(slow)
  })
})

/** Matches by trying everything in order, as engines do, and counts the characters and anchors it looks at. */
function triedSteps(tree: RegexNode, text: string): number {
  let steps = 0
  type Next = (at: number) => boolean
  const match = (node: RegexNode, at: number, next: Next): boolean => {
    switch (node.type) {
      case 'empty':
        steps++
        return (node.start ? at === 0 : !node.asserts || at === text.length) && next(at)
      case 'set':
        steps++
        return at < text.length && ((node.set >> BigInt(text.charCodeAt(at))) & 1n) === 1n && next(at + 1)
      case 'sequence': {
        const from = (i: number, here: number): boolean =>
          i === node.items.length ? next(here) : match(node.items[i] as RegexNode, here, (there) => from(i + 1, there))
        return from(0, at)
      }
      case 'choice':
        return node.items.some((item) => match(item, at, next))
      case 'repeat': {
        const again = (round: number, here: number): boolean =>
          (round < node.max &&
            match(node.item, here, (there) => (there > here || round < node.min) && again(round + 1, there))) ||
          (round >= node.min && next(here))
        return again(0, at)
      }
    }
  }
  for (let at = 0; at <= text.length; at++) if (match(tree, at, () => true)) break
  return steps
}

describe('the bound of steps', () => {
  const atom = fc.constantFrom('a', 'b', '[ab]', '.', '^', '$', '(?:)')
  const quantifier = fc.constantFrom('', '', '*', '+', '?', '{2}', '{0,3}', '{2,}')
  const pattern = fc.letrec<{ node: string }>((tie) => ({
    node: fc.oneof(
      { depthSize: 'medium', withCrossShrink: true },
      atom,
      fc.tuple(tie('node'), quantifier).map(([inner, count]) => `(?:${inner})${count}`),
      fc.array(tie('node'), { minLength: 2, maxLength: 4 }).map((parts) => parts.join('')),
      fc.tuple(tie('node'), tie('node')).map(([a, b]) => `(?:${a}|${b})`),
    ),
  })).node

  it('is above what any text takes', () => {
    let met = 0
    fc.assert(
      fc.property(pattern, fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 10 }), (source, letters) => {
        const tree = parseRegex(source, false)
        let bound = 0
        try {
          bound = regexSteps(tree, 10)
        } catch {
          // Refused for repeating what can be empty.
          return
        }
        if (bound > 1e6) return
        met++
        expect(triedSteps(tree, letters.join(''))).toBeLessThanOrEqual(bound)
      }),
      { numRuns: 5000 },
    )
    expect(met).toBeGreaterThan(1000)
  })
})
