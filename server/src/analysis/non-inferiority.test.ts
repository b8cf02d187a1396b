import { describe, expect, it } from 'vitest'
import type { Gate } from '../rollout/definition.ts'
import { parseRollout } from '../rollout/parse.ts'
import { marginAtFinalLook, newStageTest } from './non-inferiority.ts'
import { planMetrics } from './plan.ts'

function errorRate(gates: readonly Gate[] = []) {
  const parsed = parseRollout({
    key: 'checkout',
    stages: [{ name: 'full', weight: 100 }],
    guards: [{ metric: 'error_rate', worseThan: { relative: 1.5 }, action: 'revert' }],
    gates,
  })
  const planned = parsed.ok ? planMetrics(parsed.definition)[0] : undefined
  if (planned === undefined) throw new Error('no metric was planned')
  return planned
}

/** 200 failures of 20 000 requests on each side. */
const counts = { n1: 20_000, x1: 200, n0: 20_000, x0: 200 }
const stage = { ...newStageTest, counts, bad: 400, total: 40_000 }
const wanted = { margin: { relative: 1.6 }, monitorOnly: false }
const marginAt = (factor: number, metric = errorRate()) =>
  marginAtFinalLook(stage, metric, wanted, { factor, armNoise: 0, maxMargin: 3 })

describe('the margin of a guard at a final look', () => {
  it('stands while the stage has brought enough to show it', () => {
    expect(marginAt(1)).toEqual(wanted)
  })

  it('becomes the narrowest that can be shown where users differ: exp(4.3·√(D·(1/n₁p + 1/n₀p)·(1 − p)))', () => {
    const { margin, monitorOnly } = marginAt(4)
    expect(margin.relative).toBeCloseTo(Math.exp(4.3 * Math.sqrt((4 * 2 * 0.99) / 200)), 2)
    expect(monitorOnly).toBe(false)
  })

  it('is none where only a margin beyond maxMargin could be shown', () => {
    expect(marginAt(8).monitorOnly).toBe(true)
  })

  it('never moves where a gate asks for it', () => {
    expect(marginAt(8, errorRate([{ metric: 'error_rate', noWorseThan: { relative: 1.6 } }]))).toEqual(wanted)
  })
})
