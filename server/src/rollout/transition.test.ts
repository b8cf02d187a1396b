import { describe, expect, it } from 'vitest'
import { context, definitionOf, events, now, progressAt, salt, stateIn, stateOf, states } from './samples.ts'
import { transition } from './transition.ts'

const no = '–'
/** Phase that each event leads to, by phase; `=` where nothing is to be done, `–` where it is refused. */
const table: { readonly [event in keyof typeof events]: readonly string[] } = {
  // draft, scheduled, running, paused, awaiting-approval, succeeded, reverted, archived
  start: ['running', 'running', '=', no, '=', no, no, no],
  'start later': ['scheduled', 'scheduled', '=', no, '=', no, no, no],
  pause: [no, no, 'paused', '=', 'paused', no, no, no],
  resume: [no, no, '=', 'running', '=', no, no, no],
  advance: [no, no, 'running', 'running', 'running', no, no, no],
  approve: [no, no, 'running', 'paused', 'running', no, no, no],
  reject: [no, no, 'paused', '=', 'paused', no, no, no],
  'set-weight': [no, no, 'running', 'paused', 'running', no, no, no],
  revert: [no, 'draft', 'reverted', 'reverted', 'reverted', 'reverted', '=', no],
  complete: [no, no, 'succeeded', 'succeeded', 'succeeded', '=', no, no],
  restart: [no, no, no, 'running', no, 'running', 'running', no],
  archive: ['archived', 'archived', no, no, no, 'archived', 'archived', '='],
  override: [no, no, 'running', 'paused', 'awaiting-approval', no, no, no],
  dismiss: [no, no, 'running', 'paused', 'awaiting-approval', no, no, no],
  edited: ['draft', 'scheduled', 'running', 'paused', 'awaiting-approval', 'succeeded', 'reverted', no],
  clock: ['=', 'running', '=', '=', '=', '=', '=', '='],
  'judged hold': [no, no, '=', '=', '=', no, no, no],
  'judged advance': [no, no, 'awaiting-approval', '=', '=', no, no, no],
  'judged pause': [no, no, 'paused', '=', 'paused', no, no, no],
  'judged revert': [no, no, 'reverted', 'reverted', 'reverted', no, no, no],
  'thresholds-fixed': [no, no, 'running', 'paused', 'awaiting-approval', no, no, no],
}

describe('the table of transitions', () => {
  for (const [name, row] of Object.entries(table)) {
    for (const [i, state] of states.entries()) {
      const expected = row[i] as string
      const outcome = expected === no ? 'is refused' : expected === '=' ? 'changes nothing' : `leads to ${expected}`
      it(`${name} while ${state.phase} ${outcome}`, () => {
        const result = transition(definitionOf(), state, events[name as keyof typeof events], context)
        if (!result.ok) {
          expect(expected).toBe(no)
          expect(result.code).toBe('illegal-in-phase')
          expect(result.message).toContain(state.phase)
        } else if ('unchanged' in result) {
          expect(expected).toBe('=')
          expect(result.state).toBe(state)
        } else {
          expect(result.state.phase).toBe(expected)
          expect(result.summary).not.toBe('')
        }
      })
    }
  }
})

describe('start', () => {
  it('begins at the first stage by the given salt', () => {
    const { progress } = stateOf(transition(definitionOf(), { phase: 'draft' }, events.start, context), 'running')
    expect(progress).toEqual({
      ...progressAt({ salt, epoch: 1, stage: 0, weight: 0, startedAt: now, stageStartedAt: now }),
    })
  })

  it('refuses a time that is over, and one in another unit than milliseconds', () => {
    for (const at of [now, now - 1, 1_700_000_000, Number.NaN, 1e300]) {
      const result = transition(definitionOf(), { phase: 'draft' }, { type: 'start', at, salt }, context)
      expect(result).toMatchObject({ ok: false, code: 'in-the-past' })
    }
  })

  it('by the clock waits until it is due and keeps the salt of the schedule', () => {
    const scheduled = stateOf(
      transition(definitionOf(), { phase: 'draft' }, events['start later'], context),
      'scheduled',
    )
    expect(transition(definitionOf(), scheduled, events.clock, context)).toMatchObject({ unchanged: true })
    const later = { ...context, now: now + 1000 }
    const running = stateOf(transition(definitionOf(), scheduled, events.clock, later), 'running')
    expect(running.progress).toMatchObject({ salt, startedAt: now + 1000 })
  })

  it('at the same time again changes nothing', () => {
    const scheduled = stateOf(
      transition(definitionOf(), { phase: 'draft' }, events['start later'], context),
      'scheduled',
    )
    expect(transition(definitionOf(), scheduled, events['start later'], context)).toMatchObject({ unchanged: true })
  })
})

describe('advance', () => {
  it('takes the weight of the next stage, a new epoch and a new hold', () => {
    const state = { phase: 'running', progress: progressAt({ pausedMs: 500, approvedBy: 'bob' }) } as const
    const { progress } = stateOf(transition(definitionOf(), state, events['judged advance'], context), 'running')
    expect(progress).toEqual(progressAt({ stage: 2, weight: 50, epoch: 4, stageStartedAt: now }))
  })

  it('after the last stage succeeds with the arm of the largest share', () => {
    const definition = definitionOf({
      variants: [{ name: 'stable' }, { name: 'canary', share: 1 }, { name: 'canary-b', share: 2 }],
    })
    const state = { phase: 'running', progress: progressAt({ stage: 3, weight: 100 }) } as const
    const result = transition(definition, state, events['judged advance'], context)
    expect(stateOf(result, 'succeeded')).toMatchObject({ winner: 'canary-b', progress: { weight: 100, epoch: 4 } })
  })
})

describe('approval', () => {
  it('given early is remembered and used when the stage has shown everything', () => {
    const approved = stateOf(transition(definitionOf(), stateIn('running'), events.approve, context), 'running')
    expect(approved.progress.approvedBy).toBe('ada')
    const next = stateOf(transition(definitionOf(), approved, events['judged advance'], context), 'running')
    expect(next.progress.stage).toBe(2)
    expect(next.progress.approvedBy).toBeUndefined()
  })

  it('that is asked for is told to people once', () => {
    const result = transition(definitionOf(), stateIn('running'), events['judged advance'], context)
    expect(result).toMatchObject({ effects: [{ type: 'publish' }, { type: 'notify', level: 'info' }] })
  })

  it('of a stage that asks for none changes nothing', () => {
    const state = { phase: 'running', progress: progressAt({ stage: 2, weight: 50 }) } as const
    expect(transition(definitionOf(), state, events.approve, context)).toMatchObject({ unchanged: true })
  })

  it('is taken back by a rejection', () => {
    const approved = stateOf(transition(definitionOf(), stateIn('running'), events.approve, context), 'running')
    const rejected = stateOf(
      transition(definitionOf(), approved, events.reject, { ...context, reason: 'not yet' }),
      'paused',
    )
    expect(rejected.progress.approvedBy).toBeUndefined()
    expect(rejected.why).toBe('rejected by ada: not yet')
  })
})

describe('pause', () => {
  it('does not count for the hold', () => {
    const { progress } = stateOf(transition(definitionOf(), stateIn('paused'), events.resume, context), 'running')
    expect(progress.pausedMs).toBe(1000)
  })

  it('by a verdict alerts people, by a person does not', () => {
    const byVerdict = transition(definitionOf(), stateIn('running'), events['judged pause'], context)
    expect(byVerdict).toMatchObject({ effects: [{ type: 'publish' }, { type: 'notify', level: 'alert' }] })
    const byPerson = transition(definitionOf(), stateIn('running'), events.pause, context)
    expect(byPerson).toMatchObject({ effects: [{ type: 'publish' }] })
  })
})

describe('revert', () => {
  it('goes to 0 % and names the reason of the verdict', () => {
    const result = transition(definitionOf(), stateIn('running'), events['judged revert'], context)
    expect(stateOf(result, 'reverted')).toMatchObject({ why: 'Errors doubled.', progress: { weight: 0, epoch: 4 } })
  })

  it('to the previous stage waits there for people', () => {
    const definition = definitionOf({ revertTo: 'previous-stage' })
    const state = { phase: 'running', progress: progressAt({ stage: 2, weight: 50 }) } as const
    const paused = stateOf(transition(definition, state, events['judged revert'], context), 'paused')
    expect(paused).toMatchObject({ why: 'Errors doubled.', progress: { stage: 1, weight: 5, epoch: 4 } })
  })

  it('to the previous stage is a full one where no earlier stage had a comparison', () => {
    const definition = definitionOf({ revertTo: 'previous-stage' })
    const result = transition(definition, stateIn('running'), events['judged revert'], context)
    expect(stateOf(result, 'reverted').progress.weight).toBe(0)
  })

  it('by a person is always a full one', () => {
    const definition = definitionOf({ revertTo: 'previous-stage' })
    const state = { phase: 'running', progress: progressAt({ stage: 2, weight: 50 }) } as const
    expect(transition(definition, state, events.revert, context)).toMatchObject({ state: { phase: 'reverted' } })
  })
})

describe('set-weight', () => {
  it('begins a new epoch and a new hold', () => {
    const { progress } = stateOf(
      transition(definitionOf(), stateIn('running'), events['set-weight'], context),
      'running',
    )
    expect(progress).toEqual(progressAt({ weight: 12.5, epoch: 4, stageStartedAt: now }))
  })

  it('refuses what is no weight', () => {
    for (const weight of [-1, 100.001, 0.0005, Number.NaN]) {
      const result = transition(definitionOf(), stateIn('running'), { type: 'set-weight', weight }, context)
      expect(result).toMatchObject({ ok: false, code: 'invalid-weight' })
    }
  })

  it('to the weight in force changes nothing', () => {
    const result = transition(definitionOf(), stateIn('running'), { type: 'set-weight', weight: 5 }, context)
    expect(result).toMatchObject({ unchanged: true })
  })
})

describe('restart', () => {
  it('keeps the people or takes fresh ones, and always a new epoch', () => {
    const same = stateOf(transition(definitionOf(), stateIn('reverted'), events.restart, context), 'running')
    expect(same.progress).toMatchObject({ salt: 'aaaabbbbccccdddd', epoch: 4, stage: 0 })
    const fresh = transition(definitionOf(), stateIn('reverted'), { ...events.restart, people: 'fresh' }, context)
    expect(stateOf(fresh, 'running').progress).toMatchObject({ salt, epoch: 4 })
  })

  it('keeps overrides, forgets dismissals, and fixes latency limits anew under a version not used before', () => {
    const progress = progressAt({
      overrides: { u1: 'canary', u2: 'gone' },
      dismissed: { error_rate: { until: now + 1, reason: '', by: 'ada' } },
      thresholds: { version: 2, ms: [10] },
    })
    const state = { phase: 'reverted', progress, why: '', endedAt: now } as const
    const result = stateOf(transition(definitionOf(), state, events.restart, context), 'running')
    expect(result.progress).toMatchObject({
      overrides: { u1: 'canary' },
      dismissed: {},
      thresholds: { version: 2, ms: [] },
    })
  })
})

describe('complete', () => {
  it('refuses stable and unknown variants as winner', () => {
    for (const winner of ['stable', 'canary-c']) {
      const result = transition(definitionOf(), stateIn('running'), { type: 'complete', winner }, context)
      expect(result).toMatchObject({ ok: false, code: 'unknown-variant' })
    }
  })

  it('changes the winner of a rollout that has succeeded', () => {
    const definition = definitionOf({ variants: [{ name: 'stable' }, { name: 'canary' }, { name: 'canary-b' }] })
    const result = transition(definition, stateIn('succeeded'), { type: 'complete', winner: 'canary-b' }, context)
    expect(stateOf(result, 'succeeded')).toMatchObject({ winner: 'canary-b', progress: { epoch: 4 } })
  })
})

describe('override', () => {
  it('takes names of object members for units like any other', () => {
    for (const unit of ['constructor', '__proto__']) {
      const event = { type: 'override', unit, variant: 'canary' } as const
      const set = stateOf(transition(definitionOf(), stateIn('running'), event, context), 'running')
      expect(Object.entries(set.progress.overrides)).toEqual([[unit, 'canary']])
      const removed = transition(definitionOf(), set, { ...event, variant: undefined }, context)
      expect(Object.entries(stateOf(removed, 'running').progress.overrides)).toEqual([])
      const again = transition(definitionOf(), stateIn('running'), { ...event, variant: undefined }, context)
      expect(again).toMatchObject({ unchanged: true })
    }
  })

  it('refuses an unknown variant, and more than a rollout can carry', () => {
    const unknown = transition(definitionOf(), stateIn('running'), { ...events.override, variant: 'b' }, context)
    expect(unknown).toMatchObject({ ok: false, code: 'unknown-variant' })
    const overrides = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`id${i}`, 'canary']))
    const full = { phase: 'running', progress: progressAt({ overrides }) } as const
    const result = transition(definitionOf(), full, events.override, context)
    expect(result).toMatchObject({ ok: false, code: 'limit-reached' })
  })
})

describe('dismiss', () => {
  it('is over when its time is', () => {
    const event = { ...events.dismiss, until: now + 5000 }
    const set = stateOf(transition(definitionOf(), stateIn('running'), event, context), 'running')
    expect(set.progress.dismissed).toEqual({ error_rate: { until: now + 5000, reason: '', by: 'ada' } })
    const early = transition(definitionOf(), set, events.clock, { ...context, now: now + 4999 })
    expect(early).toMatchObject({ unchanged: true })
    const over = transition(definitionOf(), set, events.clock, { ...context, now: now + 5000 })
    expect(over).toMatchObject({ effects: [{ type: 'notify' }] })
    expect(stateOf(over, 'running').progress.dismissed).toEqual({})
  })

  it('names the guards there are', () => {
    const result = transition(definitionOf(), stateIn('running'), { ...events.dismiss, metric: 'latency_p99' }, context)
    expect(result).toMatchObject({ ok: false, code: 'unknown-guard', message: expect.stringContaining('error_rate') })
  })
})

describe('thresholds-fixed', () => {
  it('grows the version of the limits, not the epoch', () => {
    const result = transition(definitionOf(), stateIn('running'), events['thresholds-fixed'], context)
    const { progress } = stateOf(result, 'running')
    expect(progress).toEqual(progressAt({ thresholds: { version: 1, ms: [120, 240] } }))
    const again = transition(definitionOf(), { phase: 'running', progress }, events['thresholds-fixed'], context)
    expect(again).toMatchObject({ unchanged: true })
  })
})
