import { describe, expect, it } from 'vitest'
import { definitionOf, now, progressAt, stateIn } from './samples.ts'
import { nextWake, stageView } from './view.ts'

describe('stageView', () => {
  it('counts the time of a stage without its pauses', () => {
    const progress = progressAt({ stageStartedAt: now - 60_000, pausedMs: 20_000 })
    expect(stageView(definitionOf(), { phase: 'running', progress }, now)).toEqual({
      epoch: 3,
      index: 1,
      weight: 5,
      elapsedMs: 40_000,
      approvalMissing: true,
    })
    const paused = { phase: 'paused', progress, pausedAt: now - 5000, why: '' } as const
    expect(stageView(definitionOf(), paused, now)?.elapsedMs).toBe(35_000)
  })

  it('is never negative when the clock was set back', () => {
    expect(stageView(definitionOf(), stateIn('running'), now - 3_600_000)?.elapsedMs).toBe(0)
  })

  it('is absent where nobody is being decided on', () => {
    for (const phase of ['draft', 'scheduled', 'succeeded', 'reverted', 'archived'] as const) {
      expect(stageView(definitionOf(), stateIn(phase), now)).toBeUndefined()
    }
  })
})

describe('nextWake', () => {
  const running = (agoMs: number) =>
    ({ phase: 'running', progress: progressAt({ stageStartedAt: now - agoMs, pausedMs: 0 }) }) as const

  it('is the start of a schedule', () => {
    expect(nextWake(definitionOf(), { phase: 'scheduled', startAt: now + 5, salt: '' }, now)).toBe(now + 5)
  })

  it('is the end of the hold, then the two final looks, then never', () => {
    const minute = 60_000
    expect(nextWake(definitionOf(), running(minute), now)).toBe(now + 29 * minute)
    expect(nextWake(definitionOf(), running(31 * minute), now)).toBe(now + 29 * minute)
    expect(nextWake(definitionOf(), running(61 * minute), now)).toBe(now + 59 * minute)
    expect(nextWake(definitionOf(), running(121 * minute), now)).toBeUndefined()
  })

  it('is the end of a dismissal where that comes first, also while paused', () => {
    const dismissed = { error_rate: { until: now + 1000, reason: '', by: 'ada' } }
    const paused = { phase: 'paused', progress: progressAt({ dismissed }), pausedAt: now, why: '' } as const
    expect(nextWake(definitionOf(), paused, now)).toBe(now + 1000)
  })
})
