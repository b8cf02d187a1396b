import { describe, expect, it } from 'vitest'
import { type ProjectionInput, projectRuleset } from './project-ruleset.ts'
import { definitionOf, now, progressAt, stateIn } from './samples.ts'
import type { RolloutState } from './state.ts'

function projected(state: RolloutState, changes: object = {}, metrics: ProjectionInput['metrics'] = []) {
  const ruleset = projectRuleset({
    environment: { name: 'production', unitSalt: 'unit-salt', rulesetVersion: 7, holdback: 0 },
    rollouts: [{ key: 'checkout-v2', definition: definitionOf(changes), state }],
    cohorts: [{ definition: { key: 'beta', description: 'for people', when: { plan: 'beta' } }, members: undefined }],
    metrics,
  })
  return { ruleset, rollout: ruleset.rollouts['checkout-v2'] }
}

const variants = [{ name: 'stable' }, { name: 'canary' }]
const base = { salt: 'aaaabbbbccccdddd', hash: 1, epoch: 3, weight: 5, variants }

describe('projectRuleset', () => {
  it('names the environment and leaves out what is for people', () => {
    expect(projected({ phase: 'draft' }).ruleset).toEqual({
      version: 7,
      environment: 'production',
      unitSalt: 'unit-salt',
      rollouts: { 'checkout-v2': { phase: 'draft', salt: '', hash: 1, epoch: 0, weight: 0, variants } },
      cohorts: { beta: { when: { plan: 'beta' } } },
    })
  })

  it('tells payloads, and not the schema that they were held to', () => {
    const arms = [{ name: 'stable' }, { name: 'canary', payload: { color: 'red' } }]
    const { rollout } = projected({ phase: 'draft' }, { variants: arms, payloadSchema: { type: 'object' } })
    expect(rollout).toEqual({ phase: 'draft', salt: '', hash: 1, epoch: 0, weight: 0, variants: arms })
  })

  it('lets the cohorts of the stages so far in, and leaves out every field that says nothing', () => {
    expect(projected(stateIn('running')).rollout).toEqual({
      ...base,
      phase: 'running',
      stage: 'beta',
      cohorts: ['internal', 'beta'],
    })
  })

  it('tells all that an SDK decides and counts by', () => {
    const progress = progressAt({ overrides: { u1: 'canary' }, thresholds: { version: 1, ms: [100, 200] } })
    const rules = [{ name: 'qa', header: 'X-Canary', serve: 'canary' }]
    const { rollout } = projected(
      { phase: 'running', progress },
      {
        unit: 'company',
        rules,
        deadman: '10m',
        unitSample: 0.5,
        breaker: false,
        metrics: [{ key: 'purchase', kind: 'conversion', event: 'buy' }],
      },
    )
    expect(rollout).toEqual({
      ...base,
      phase: 'running',
      stage: 'beta',
      cohorts: ['internal', 'beta'],
      unit: 'company',
      rules,
      overrides: { u1: 'canary' },
      thresholds: { version: 1, ms: [100, 200] },
      events: ['buy'],
      unitSample: 0.5,
      deadmanMs: 600_000,
      breaker: false,
    })
  })

  it('names the events of metrics of the environment that a guard or gate refers to, and no others', () => {
    const metric = (key: string) =>
      ({ key, kind: 'conversion', better: 'higher', event: `${key}-event`, windowMs: 1000 }) as const
    const file = {
      metrics: [{ key: 'purchase', kind: 'conversion', event: 'purchase-event' }],
      guards: [{ metric: 'purchase', worseThan: { relative: 0.9 }, action: 'pause' }],
    }
    const own = projected(stateIn('running'), file, [metric('signup')])
    expect(own.rollout?.events).toEqual(['purchase-event'])
  })

  it('names the winner of a rollout that has succeeded', () => {
    expect(projected(stateIn('succeeded')).rollout).toEqual({
      ...base,
      weight: 100,
      phase: 'succeeded',
      winner: 'canary',
    })
  })

  it('gives nobody anything to get past a revert by', () => {
    const progress = progressAt({ weight: 0, overrides: { u1: 'canary' } })
    const { rollout } = projected({ phase: 'reverted', progress, why: '', endedAt: now })
    expect(rollout).toEqual({ ...base, weight: 0, phase: 'reverted' })
  })

  it('marks a rollout that pages may know of in every phase', () => {
    for (const phase of ['draft', 'running', 'succeeded', 'reverted'] as const) {
      expect(projected(stateIn(phase), { browser: true }).rollout).toMatchObject({ phase, browser: true })
      expect(projected(stateIn(phase), { browser: false }).rollout).not.toHaveProperty('browser')
    }
  })

  it('leaves out archived rollouts', () => {
    expect(projected(stateIn('archived')).ruleset.rollouts).toEqual({})
  })
})
