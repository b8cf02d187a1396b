import { describe, expect, it } from 'vitest'
import { HttpProblem } from '../problem.ts'
import { bodyLimits, decodeUtf8, parseJson, parseYaml } from './parse-body.ts'

function refusal(run: () => unknown): HttpProblem {
  try {
    run()
  } catch (error) {
    if (error instanceof HttpProblem) return error
    throw error
  }
  throw new Error('it was taken')
}

describe('a YAML body', () => {
  it('is taken as the JSON it stands for', () => {
    const text = 'key: a\nstages: &s\n  - { name: x, weight: 5.5, approval: true, nothing: ~ }\nagain: *s\n'
    const stages = [{ name: 'x', weight: 5.5, approval: true, nothing: null }]
    expect(parseYaml(text)).toEqual({ key: 'a', stages, again: stages })
  })

  it('reads texts as YAML 1.2 has them: no and on are texts', () => {
    expect(parseYaml('a: no\nb: on\nc: 2026-11-20\nd: 0o17')).toEqual({ a: 'no', b: 'on', c: '2026-11-20', d: 15 })
  })

  it('is refused with every fault and its line', () => {
    const { code, extras } = refusal(() => parseYaml('a: [1\nb: "x\nc: 1\nc: 2'))
    expect(code).toBe('malformed-yaml')
    expect(extras.errors?.length).toBeGreaterThan(1)
    expect(extras.errors?.[0]?.message).toMatch(/^line \d+, column \d+: /)
  })

  it.each([
    ['a key given twice', 'a: 1\na: 2', /line 2, column 1: Map keys must be unique/],
    ['two documents', 'a: 1\n---\nb: 2', /multiple documents/],
    ['an unknown alias', 'a: *nobody', /nobody/],
    ['infinity', 'a:\n  - .inf', /must be a finite number/],
    ['a key that is no text', '? [1, 2]\n: x', /string keys|keys must be strings/i],
    ['a tab where spaces belong', 'a:\n\t- 1', /line 2/],
    ['an unknown tag', 'a: !!binary aGk=\nb: !mine x', /tag|kind of value/i],
  ])('with %s is refused', (_what, text, message) => {
    const { extras } = refusal(() => parseYaml(text))
    expect(extras.errors?.map((issue) => `${issue.path} ${issue.message}`).join('\n')).toMatch(message)
  })

  it('cannot blow up by its aliases', () => {
    const bomb = Array.from({ length: 12 }, (_, i) =>
      i === 0
        ? 'a0: &a0 [x, x, x, x, x, x, x, x, x]'
        : `a${i}: &a${i} [${Array(9)
            .fill(`*a${i - 1}`)
            .join(', ')}]`,
    ).join('\n')
    expect(refusal(() => parseYaml(bomb)).message).toMatch(/grows too large by its aliases/)
  })

  it('that holds itself is refused', () => {
    expect(refusal(() => parseYaml('a: &a\n  b: *a')).code).toBe('malformed-yaml')
  })

  it.each([
    ['[', 100_000],
    ['- ', 20_000],
    ['{a: ', 20_000],
    ['a:\n', 2],
  ])('nested by %j is refused beyond the bound', (opening, times) => {
    const text =
      opening === 'a:\n'
        ? Array.from({ length: 200 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')
        : opening.repeat(times)
    expect(refusal(() => parseYaml(text)).code).toBe('malformed-yaml')
  })
})

describe('a JSON body', () => {
  it('is refused with the place of its fault and advice', () => {
    const problem = refusal(() => parseJson('{"key":"a",\n"weight":05}'))
    expect(problem).toMatchObject({
      code: 'malformed-json',
      extras: { members: { line: 2, column: 11, position: 22 } },
    })
    expect(problem.message).toMatch(/line 2, column 11 \(position 22\).*mend it there/)
  })

  it('is refused when nested too deep', () => {
    const text = '['.repeat(bodyLimits.depth + 1) + ']'.repeat(bodyLimits.depth + 1)
    expect(refusal(() => parseJson(text)).message).toMatch(/deeper than 64 levels; flatten it/)
  })

  it('that is not UTF-8 is refused with the place', () => {
    const problem = refusal(() => decodeUtf8(new Uint8Array([0x7b, 0x22, 0xff]), 'malformed-json'))
    expect(problem.message).toMatch(/not UTF-8: what stands at character 2/)
  })
})
