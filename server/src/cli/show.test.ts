import { describe, expect, it } from 'vitest'
import { pushedText } from './show.ts'

const complete = {
  ...{ version: 12, complete: true, instances: 3, applied: 3, behind: [], unreached: [], unreachedCount: 0 },
}

describe('how far a change has come', () => {
  it('is complete, or nothing yet', () => {
    expect(pushedText(complete)).toBe('pushed   version 12: confirmed by 3 of 3, complete')
    expect(pushedText(undefined)).toBe('pushed   nothing since the server started')
  })

  it('names who is behind and who was not reached', () => {
    const behind = Array.from({ length: 6 }, (_, i) => ({ instance: `slow-${i}`, version: 11, sinceMs: 3000 }))
    const unreached = [{ instance: 'gone-1', version: 9, sinceMs: 65_000 }]
    const text = pushedText({
      ...complete,
      ...{ complete: false, instances: 10, applied: 3, behind, unreached, unreachedCount: 1 },
    })
    expect(text.split('\n')).toEqual([
      'pushed   version 12: confirmed by 3 of 10, not complete',
      expect.stringMatching(/^behind {3}slow-0 \(version 11, 3s\), .*slow-4 \(version 11, 3s\), 1 more$/),
      'missed   gone-1 (version 9, 1m5s)',
    ])
  })
})
