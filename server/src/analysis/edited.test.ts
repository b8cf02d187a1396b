import { describe, expect, it } from 'vitest'
import { parseRollout, type RolloutDefinition } from '../rollout/index.ts'
import { type ArmTick, type EpochBuckets, userBuckets } from './evidence.ts'
import { foldTick } from './fold.ts'
import { judge } from './judge.ts'
import type { Judgement, JudgeState, StageView } from './judgement.ts'
import { startJudge } from './memory.ts'

const definitionOf = (file: object): RolloutDefinition => {
  const parsed = parseRollout({
    key: 'checkout',
    stages: [
      { name: 'part', weight: 50, hold: '60s', maxHold: '10m' },
      { name: 'full', weight: 100 },
    ],
    ...file,
  })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues))
  return parsed.definition
}

const guard = (rest: object = {}) => ({
  guards: [{ metric: 'error_rate', worseThan: { relative: 1.5 }, action: 'revert', ...rest }],
})
const gate = (relative: number) => ({ gates: [{ metric: 'error_rate', noWorseThan: { relative } }] })

interface Ticks {
  readonly from: number
  readonly to: number
  readonly canary?: Partial<ArmTick>
  readonly stable?: Partial<ArmTick>
}

function fold(definition: RolloutDefinition, before: JudgeState, { from, to, canary, stable }: Ticks): JudgeState {
  const usual: ArmTick = { n: 1000, failed: 10, timed: 0, over: [], exposed: 100, conversions: {} }
  let state = before
  for (let tick = from; tick < to; tick++) {
    state = foldTick(definition, state, {
      tick,
      epoch: 1,
      stage: 0,
      thresholdsVersion: 0,
      canary: { ...usual, ...canary },
      stable: { ...usual, ...stable },
      forcedCanary: { n: 0, failed: 0, exposed: 0 },
    })
  }
  return state
}

const even = (total: number, among = userBuckets): Float64Array =>
  new Float64Array(userBuckets).fill(total / among, 0, among)

function look(
  definition: RolloutDefinition,
  state: JudgeState,
  rest: {
    readonly stage?: Partial<StageView>
    readonly dismissed?: readonly string[]
    readonly buckets?: EpochBuckets
    readonly now?: number
  } = {},
): Judgement {
  const table = { n: even(20_000), failed: even(256), timed: even(0), over: [] }
  return judge({
    definition,
    state,
    stage: { epoch: 1, index: 0, weight: 50, elapsedMs: 120_000, approvalMissing: false, ...rest.stage },
    buckets: [rest.buckets ?? { epoch: 1, thresholdsVersion: 0, canary: table, stable: table }],
    dismissed: rest.dismissed ?? [],
    breakers: { open: 0, instances: 2 },
    now: rest.now ?? 1,
  })
}

describe('a rollout edited while it runs', () => {
  it('has a guard that was added later revert like any other', () => {
    const before = definitionOf({ guards: [{ metric: 'latency_p99', worseThan: { relative: 1.5 }, action: 'pause' }] })
    const after = definitionOf(guard())
    const quiet = fold(before, startJudge(before), { from: 0, to: 10 })
    const harmless = look(after, fold(after, quiet, { from: 10, to: 30 }))
    expect(harmless.label).toBe('advance')
    expect(harmless.logHarm).toBeGreaterThan(Math.log(0.06) - 1)
    expect(harmless.logHarm).toBeLessThan(0)
    expect(look(after, fold(after, quiet, { from: 10, to: 30, canary: { failed: 20 } })).label).toBe('revert')
  })

  it('does not hold what was evidence against "no worse than stable" against a margin', () => {
    const before = definitionOf(guard({ worseThan: { relative: 3 }, action: 'alert' }))
    const after = definitionOf(guard({ worseThan: { relative: 3 }, null: 'margin' }))
    const doubled = { canary: { failed: 20 } }
    const known = fold(before, startJudge(before), { from: 0, to: 40, ...doubled })
    expect(look(before, known).alerts).toEqual(['error_rate'])
    expect(look(after, known).label).toBe('hold')
    expect(look(after, fold(after, known, { from: 40, to: 60, ...doubled })).label).toBe('hold')
  })

  it('has to show a tighter margin anew', () => {
    const loose = definitionOf({ guards: [], ...gate(3) })
    const tight = definitionOf({ guards: [], ...gate(1.05) })
    const slightlyWorse = { canary: { failed: 12 } }
    const shown = look(loose, fold(loose, startJudge(loose), { from: 0, to: 20, ...slightlyWorse }))
    expect(shown.label).toBe('advance')
    expect(look(tight, shown.state).label).toBe('hold')
    expect(look(tight, fold(tight, shown.state, { from: 20, to: 40, ...slightlyWorse })).label).toBe('hold')
  })

  it('counts no more conversions than units at risk where the metric came after the exposures', () => {
    const definition = definitionOf({
      guards: [{ metric: 'buy', worseThan: { relative: 0.9 }, action: 'pause' }],
      metrics: [{ key: 'buy', kind: 'conversion', event: 'buy' }],
    })
    const state = fold(definition, startJudge(definition), {
      from: 0,
      to: 20,
      canary: { conversions: { buy: { atRisk: 0, converted: 3 } } },
      stable: { conversions: { buy: { atRisk: 2, converted: 9 } } },
    })
    expect(look(definition, state).logHarm).toBeLessThan(Math.log(2))
  })
})

describe('a stage', () => {
  const definition = definitionOf(guard())

  it('does not advance when the canary falls silent, whatever was shown before', () => {
    const shown = look(definition, fold(definition, startJudge(definition), { from: 0, to: 20 }))
    expect(shown.label).toBe('advance')
    const silent = { canary: { n: 0, failed: 0, exposed: 0 } }
    const short = fold(definition, shown.state, { from: 20, to: 30, ...silent, stable: { exposed: 0 } })
    // A third of its requests are missing by then, whoever is silent.
    expect(look(definition, short).reasons.map(({ code }) => code)).toEqual(['missing-reports'])
    const long = look(definition, fold(definition, short, { from: 30, to: 60, ...silent, stable: { exposed: 0 } }))
    expect([long.label, long.sentence]).toEqual([
      'pause',
      'The canary has stopped reporting: nothing came from it for 4 min, while stable reported 40,000 requests. No data does not count as good data.',
    ])
    const back = fold(definition, long.state, { from: 60, to: 61 })
    expect(look(definition, back).label).toBe('pause')
    expect(look(definition, back, { dismissed: ['missingReports'] })).toMatchObject({
      label: 'advance',
      alerts: ['missingReports'],
    })
  })

  it('sees at once that new users of the canary leave no outcomes any more', () => {
    const heard = fold(definition, startJudge(definition), { from: 0, to: 20 })
    const crashed = fold(definition, heard, { from: 20, to: 21, canary: { n: 0, failed: 0 } })
    expect(look(definition, crashed).reasons.map(({ code }) => code)).toEqual(['canary-silent'])
  })

  it('is not alarmed by a handful of users who are idle', () => {
    const few = { canary: { n: 5, failed: 0, exposed: 1 }, stable: { exposed: 1 } }
    const heard = fold(definition, startJudge(definition), { from: 0, to: 20, ...few })
    const idle = fold(definition, heard, {
      from: 20,
      to: 120,
      canary: { n: 0, failed: 0, exposed: 0 },
      stable: { exposed: 0 },
    })
    expect(look(definition, idle).label).toBe('hold')
  })

  it('has shown nothing before its first time bucket', () => {
    const passed = look(definition, fold(definition, startJudge(definition), { from: 0, to: 20 })).state
    const next = look(definition, passed, { stage: { epoch: 2, elapsedMs: 61_000 } })
    expect(next.metrics[0]?.nonInferiority).toMatchObject({ passed: false, logEvidence: 0 })
    expect(next.label).toBe('hold')
  })
})

describe('harm that is proven', () => {
  it('is not hidden behind a louder metric that only two users are behind', () => {
    const definition = definitionOf({
      guards: [
        { metric: 'error_rate', worseThan: { relative: 1.5 }, action: 'revert' },
        { metric: 'latency_p99', worseThan: { relative: 1.5 }, action: 'pause' },
      ],
    })
    const slow = { from: 0, to: 40, canary: { failed: 20, timed: 1000, over: [60, 60] } }
    const state = fold(definition, startJudge(definition), { ...slow, stable: { timed: 1000, over: [10, 1] } })
    const stable = { n: even(40_000), failed: even(400), timed: even(40_000), over: [even(400), even(40)] }
    const twoUsers = { ...stable, failed: even(800), over: [even(2, 2), even(2, 2)] }
    const buckets = { epoch: 1, thresholdsVersion: 0, canary: twoUsers, stable }
    const found = look(definition, state, { buckets })
    expect(found.metrics.map(({ logHarm }) => Math.round(logHarm)).at(1)).toBeGreaterThan(
      found.metrics[0]?.logHarm ?? 0,
    )
    expect(found.label).toBe('revert')
    expect(found.sentence).toMatch(/^Error rate: 2 %/)
  })

  it('of a service with a request a minute is not stale between two of them', () => {
    const definition = definitionOf(guard())
    const rare = Array.from({ length: 12 }, (_, i) => i * 12)
    const state = rare.reduce(
      (memory, from) => fold(definition, memory, { from, to: from + 1 }),
      startJudge(definition),
    )
    const checksAt = (tick: number): readonly (string | undefined)[] => {
      const found = look(definition, state, { now: tick * 5000 })
      return found.checks.map(({ check }) => check)
    }
    expect(checksAt(132 + 20)).not.toContain('staleEvidence')
    expect(checksAt(132 + 200)).toContain('staleEvidence')
  })
})
