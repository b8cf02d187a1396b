import { describe, expect, it } from 'vitest'
import type { RolloutDefinition } from './definition.ts'
import { context, definitionOf, now, progressAt, stateIn, stateOf } from './samples.ts'
import type { RolloutState, Transition } from './state.ts'
import { transition } from './transition.ts'

const stages = definitionOf().stages.map(({ name, weight, approval }) => ({ name, weight, approval }))

function edited(changes: object, state: RolloutState = stateIn('running'), before?: RolloutDefinition): Transition {
  return transition(definitionOf(changes), state, { type: 'edited', before: before ?? definitionOf() }, context)
}

const withStage = (name: string, change: object) =>
  stages.map((stage) => (stage.name === name ? { ...stage, ...change } : stage))

describe('edit of a rollout under way', () => {
  it('stays in the stage of the same name when stages to come change', () => {
    const result = edited({ stages: [...stages.slice(0, 2), { name: 'quarter', weight: 25 }, ...stages.slice(2)] })
    expect(stateOf(result, 'running').progress).toEqual(progressAt())
  })

  it('puts a changed weight of the current stage in force under a new epoch', () => {
    const result = edited({ stages: withStage('beta', { weight: 10 }) })
    expect(stateOf(result, 'running').progress).toEqual(progressAt({ weight: 10, epoch: 4, stageStartedAt: now }))
  })

  it('keeps a weight set by hand when the stage keeps its own', () => {
    const state = { phase: 'running', progress: progressAt({ weight: 7 }) } as const
    const result = edited({ description: 'better' }, state)
    expect(stateOf(result, 'running').progress.weight).toBe(7)
  })

  it('opens a rollout to pages, and closes it, without a new epoch', () => {
    expect(stateOf(edited({ browser: true }), 'running').progress).toEqual(progressAt())
    const open = definitionOf({ browser: true })
    expect(stateOf(edited({}, stateIn('running'), open), 'running').progress).toEqual(progressAt())
  })

  it('refuses to lose the stage that is under way', () => {
    const result = edited({ stages: stages.filter(({ name }) => name !== 'beta') })
    expect(result).toMatchObject({ ok: false, code: 'invalid-edit', message: expect.stringContaining('"beta"') })
  })

  it('refuses to change the stages passed already', () => {
    for (const passed of [
      withStage('internal', { weight: 1 }),
      withStage('internal', { name: 'staff' }),
      stages.slice(1),
      [{ name: 'first', weight: 0 }, ...stages],
    ]) {
      const result = edited({ stages: passed })
      expect(result).toMatchObject({
        ok: false,
        code: 'invalid-edit',
        message: expect.stringContaining('internal (0 %)'),
      })
    }
  })

  it('deals the users of an arm that goes, and of a new one, with as few moves as possible', () => {
    const three = [{ name: 'stable' }, { name: 'canary' }, { name: 'b' }]
    const before = definitionOf({ variants: three })
    const without = edited({ variants: [{ name: 'stable' }, { name: 'b' }] }, stateIn('running'), before)
    expect(without).toMatchObject({ ok: true, state: { progress: { epoch: 4 } } })
    const four = edited({ variants: [...three, { name: 'c', share: 2 }] }, stateIn('running'), before)
    expect(four).toMatchObject({
      state: {
        progress: {
          deal: [
            ['canary', 25_000],
            ['c', 50_000],
            ['b', 75_000],
            ['c', 100_000],
          ],
        },
      },
    })
    // As if it had always been so: nothing to remember.
    expect(JSON.stringify(edited({ variants: three }, stateIn('running')))).not.toMatch('deal')
  })

  it('refuses to assign another unit, or to count in other ticks', () => {
    expect(edited({ unit: 'company' })).toMatchObject({ ok: false, code: 'invalid-edit' })
    expect(edited({ analysis: { tick: '1s' } })).toMatchObject({ ok: false, code: 'invalid-edit' })
  })

  it('begins a new epoch when an arm is added, for the units are dealt anew', () => {
    const result = edited({ variants: [{ name: 'stable' }, { name: 'canary' }, { name: 'canary-b' }] })
    expect(stateOf(result, 'running').progress).toEqual(progressAt({ epoch: 4, stageStartedAt: now }))
  })

  it('fixes latency limits anew when what is compared of latencies changes, and only then', () => {
    const progress = progressAt({ thresholds: { version: 1, ms: [100, 200] } })
    const guard = { metric: 'latency_p99', worseThan: { relative: 2 }, action: 'revert' }
    const before = definitionOf({ guards: [guard] })
    const same = edited({ guards: [guard, { ...guard, metric: 'error_rate' }] }, { phase: 'running', progress }, before)
    expect(stateOf(same, 'running').progress.thresholds).toEqual({ version: 1, ms: [100, 200] })
    const other = edited({ guards: [{ ...guard, worseThan: { relative: 3 } }] }, { phase: 'running', progress }, before)
    expect(stateOf(other, 'running').progress.thresholds).toEqual({ version: 1, ms: [] })
  })

  it('waits no longer for an approval that is not asked for any more', () => {
    const result = edited({ stages: withStage('beta', { approval: false }) }, stateIn('awaiting-approval'))
    expect(stateOf(result, 'running').progress.epoch).toBe(3)
  })

  it('leaves a paused rollout paused', () => {
    const result = edited({ stages: withStage('beta', { weight: 10 }) }, stateIn('paused'))
    expect(stateOf(result, 'paused')).toMatchObject({ pausedAt: now, progress: { weight: 10, epoch: 4 } })
  })
})

describe('edit of a rollout that is over', () => {
  it('refuses to remove the winner', () => {
    const variants = [{ name: 'stable' }, { name: 'canary-b' }]
    expect(edited({ variants }, stateIn('succeeded'))).toMatchObject({ ok: false, code: 'invalid-edit' })
  })

  it('is refused when it is archived', () => {
    expect(edited({}, stateIn('archived'))).toMatchObject({ ok: false, code: 'illegal-in-phase' })
  })
})
