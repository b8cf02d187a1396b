import { describe, expect, it } from 'vitest'
import { allDefaults, parseLimits } from './limits.ts'

const messages = (text: string) => {
  const result = parseLimits(text)
  return result.ok ? [] : result.issues.map(({ path, message }) => `${path} ${message}`)
}

describe('PIPIT_LIMITS', () => {
  it('takes numbers, and durations where time is meant', () => {
    expect(parseLimits('maxSockets=30000, slowMs=10s requestMs=1500,')).toEqual({
      ok: true,
      limits: { maxSockets: 30_000, slowMs: 10_000, requestMs: 1500 },
    })
    expect(parseLimits('')).toEqual({ ok: true, limits: {} })
  })

  it('says which name may be meant', () => {
    expect(messages('maxSocket=1')).toEqual(['PIPIT_LIMITS maxSocket is no limit; did you mean maxSockets?'])
    expect(messages('xyzzy=1')).toEqual([expect.stringMatching(/xyzzy is no limit; there are requestHeadMs, /)])
  })

  it.each([
    'maxSockets',
    'maxSockets=',
    'maxSockets=0',
    'maxSockets=-1',
    'maxSockets=1.5',
    'maxSockets=10s',
    'maxSockets=1=2',
    'slowMs=0s',
    'slowMs=25d',
    'slowMs=1e3',
  ])('refuses %s', (text) => {
    expect(messages(text)).toEqual([expect.stringMatching(/^PIPIT_LIMITS \w+ must be /)])
  })

  it('refuses a name that is given twice, and tells all faults at once', () => {
    expect(messages('slowMs=1s,slowMs=2s,maxSockets=x')).toEqual([
      'PIPIT_LIMITS slowMs is given twice',
      'PIPIT_LIMITS maxSockets must be a whole number from 1; it is "x"',
    ])
  })

  it('may be set to each default', () => {
    const text = Object.entries(allDefaults).map(([name, value]) => `${name}=${value}`)
    expect(parseLimits(text.join(','))).toEqual({ ok: true, limits: allDefaults })
  })
})
