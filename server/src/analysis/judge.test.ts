import { describe, expect, it } from 'vitest'
import { parseRollout } from '../rollout/index.ts'
import type { ArmTick, EpochBuckets, Tick } from './evidence.ts'
import { userBuckets } from './evidence.ts'
import { foldTick } from './fold.ts'
import { judge } from './judge.ts'
import type { Judgement } from './judgement.ts'
import { startJudge } from './memory.ts'

interface Situation {
  readonly weight?: number
  readonly elapsedS?: number
  readonly ticks?: number
  readonly canary?: Partial<ArmTick>
  readonly stable?: Partial<ArmTick>
  readonly forced?: { readonly n: number; readonly failed: number; readonly exposed: number }
  readonly file?: object
  readonly breakers?: { readonly open: number; readonly instances: number }
  readonly dismissed?: readonly string[]
  /** User buckets that all failures of the canary fall into; all of them unless told. */
  readonly failingBuckets?: number
}

const quiet: ArmTick = { n: 0, failed: 0, timed: 0, over: [], exposed: 0, conversions: {} }

/** The same tick again and again, then a look. */
function look(situation: Situation): Judgement {
  const weight = situation.weight ?? 50
  const parsed = parseRollout({
    key: 'checkout',
    stages: [
      { name: 'part', weight, hold: '60s', maxHold: '10m', ...(weight === 0 ? { cohorts: ['internal'] } : {}) },
      { name: 'full', weight: 100 },
    ],
    guards: [{ metric: 'error_rate', worseThan: { relative: 1.5 }, action: 'revert' }],
    ...situation.file,
  })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues))
  const { definition } = parsed
  const ticks = situation.ticks ?? 24
  const canary = { ...quiet, ...situation.canary }
  const stable = { ...quiet, ...situation.stable }
  let state = startJudge(definition)
  for (let tick = 0; tick < ticks; tick++) {
    const drawn: Tick = {
      tick,
      epoch: 1,
      thresholdsVersion: 0,
      stage: 0,
      canary,
      stable,
      forcedCanary: situation.forced ?? { n: 0, failed: 0, exposed: 0 },
    }
    state = foldTick(definition, state, drawn)
  }
  const table = (arm: ArmTick, failing = userBuckets) => ({
    n: new Float64Array(userBuckets).fill((arm.n * ticks) / userBuckets),
    failed: new Float64Array(userBuckets).fill((arm.failed * ticks) / failing, 0, failing),
    timed: new Float64Array(userBuckets),
    over: [],
  })
  const buckets: EpochBuckets[] = [
    { epoch: 1, thresholdsVersion: 0, canary: table(canary, situation.failingBuckets), stable: table(stable) },
  ]
  return judge({
    definition,
    state,
    stage: { epoch: 1, index: 0, weight, elapsedMs: (situation.elapsedS ?? 120) * 1000, approvalMissing: false },
    buckets,
    dismissed: situation.dismissed ?? [],
    breakers: situation.breakers ?? { open: 0, instances: 2 },
    now: 1,
  })
}

const fine = { n: 1000, failed: 10, exposed: 100 }
const sells = (converted: number) => ({ ...fine, conversions: { purchase: { atRisk: 100, converted } } })
const purchase = (action: string) => ({
  guards: [{ metric: 'purchase', worseThan: { relative: 0.9 }, action }],
  metrics: [{ key: 'purchase', kind: 'conversion', event: 'purchase' }],
})

describe('the verdict', () => {
  it.each<[string, Situation, Judgement['label'], string]>([
    [
      'everything shown',
      { canary: fine, stable: fine },
      'advance',
      'Stage part is passed, error rate shown to be within the margin: on to full (100 %).',
    ],
    [
      'before the hold is over',
      { canary: fine, stable: fine, elapsedS: 40 },
      'hold',
      'Holding: stage part has to last another 20 s.',
    ],
    [
      'nobody has reported',
      { ticks: 0 },
      'hold',
      'Holding: no SDK has reported anything in stage part yet; no data never counts as good data.',
    ],
    [
      'nobody has reported by the longest hold',
      { ticks: 0, elapsedS: 600 },
      'pause',
      'Paused: stage part has had its 10 min and is undecided: no SDK has reported anything in stage part yet; no data never counts as good data.',
    ],
    [
      'twice the errors',
      { canary: { ...fine, failed: 20 }, stable: fine },
      'revert',
      'Error rate: 2 % of 24,000 requests on the canary against 1 % of 24,000 requests on stable (ratio 2, 99 % always-valid interval 1.46–2.72): odds more than 1,000,000,000:1 against chance. False alarms of this rule happen in at most 1 of 100 rollouts.',
    ],
    [
      'twice the errors, the guard dismissed',
      { canary: { ...fine, failed: 20 }, stable: fine, dismissed: ['error_rate'] },
      'advance',
      'Stage part is passed, no guard that acts found harm: on to full (100 %).',
    ],
    [
      'twice the errors, the guard only pauses',
      {
        canary: { ...fine, failed: 20 },
        stable: fine,
        file: { guards: [{ metric: 'error_rate', worseThan: { relative: 1.5 }, action: 'pause' }] },
      },
      'pause',
      'Error rate: 2 % of 24,000 requests on the canary against 1 % of 24,000 requests on stable (ratio 2, 99 % always-valid interval 1.46–2.72): odds more than 1,000,000,000:1 against chance. False alarms of this rule happen in at most 1 of 100 rollouts.',
    ],
    [
      'twice the errors, the guard only alerts',
      {
        canary: { ...fine, failed: 20 },
        stable: fine,
        file: { guards: [{ metric: 'error_rate', worseThan: { relative: 1.5 }, action: 'alert' }] },
      },
      'advance',
      'Stage part is passed, no guard that acts found harm: on to full (100 %). Look at error rate: the guard there alerts, and only alerts.',
    ],
    [
      'everything fails on the canary',
      { ticks: 1, canary: { n: 40, failed: 30, exposed: 40 }, stable: { n: 40, failed: 0, exposed: 40 }, elapsedS: 5 },
      'revert',
      '75 % of 40 canary requests failed within one time bucket of stage part while stable was well: taken back at once, without waiting for statistics.',
    ],
    [
      'everything fails everywhere',
      { ticks: 3, canary: { n: 40, failed: 40, exposed: 40 }, stable: { n: 40, failed: 40, exposed: 40 } },
      'hold',
      'Holding: error rate is not yet shown to be within 1.5 times stable (evidence 1:1 of 40:1).',
    ],
    [
      'canary users go missing',
      { weight: 50, canary: { n: 800, failed: 8, exposed: 40 }, stable: fine },
      'pause',
      '29 % of 3,360 users reached the canary instead of 50 % (evidence more than 1,000,000,000:1); no comparison can be trusted until that is explained. Canary users are missing: does it crash before it reports, or is telemetry lost?',
    ],
    [
      'the canary is silent',
      { canary: { exposed: 100 }, stable: fine },
      'pause',
      '2,400 users are on the canary and none of their requests was reported, where about 24,000 were due: no data does not count as good data.',
    ],
    [
      'half of the instances have broken off by themselves',
      { canary: fine, stable: fine, breakers: { open: 2, instances: 4 } },
      'revert',
      '2 of 4 instances have stopped serving the canary by themselves, because it fails far more than stable there.',
    ],
    [
      'one of several instances has',
      { canary: fine, stable: fine, breakers: { open: 1, instances: 4 } },
      'advance',
      'Stage part is passed, error rate shown to be within the margin: on to full (100 %).',
    ],
    [
      'too few users',
      { ticks: 1, canary: { n: 1000, failed: 10, exposed: 20 }, stable: { n: 1000, failed: 10, exposed: 20 } },
      'hold',
      'Holding: stage part needs 30 users in each arm; there are 20 on the canary and 20 on stable.',
    ],
    [
      'a stage of cohorts, somebody came',
      { weight: 0, stable: fine, forced: { n: 3, failed: 0, exposed: 2 } },
      'advance',
      'Stage part has lasted its time with nothing against it: on to full (100 %).',
    ],
    [
      'a stage of cohorts, nobody came',
      { weight: 0, stable: fine },
      'hold',
      'Holding: stage part needs 1 user of its cohorts on the canary; nobody has come yet.',
    ],
    [
      'a stage of cohorts, all of them fail',
      { weight: 0, ticks: 1, stable: fine, forced: { n: 25, failed: 20, exposed: 5 } },
      'revert',
      '80 % of 25 canary requests failed within one time bucket of stage part while stable was well: taken back at once, without waiting for statistics.',
    ],
    [
      'no errors at all, an absolute margin',
      {
        canary: { ...fine, failed: 0 },
        stable: { ...fine, failed: 0 },
        file: { guards: [{ metric: 'error_rate', worseThan: { absolute: 0.005 }, action: 'revert' }] },
      },
      'advance',
      'Stage part is passed, error rate shown to be within the margin: on to full (100 %).',
    ],
    [
      'a stage of cohorts, they came but nothing is known of them',
      { weight: 0, stable: fine, forced: { n: 0, failed: 0, exposed: 2 } },
      'hold',
      'Holding: 48 users have come to the canary in stage part, and none of their requests was reported; no data never counts as good data.',
    ],
    [
      'a gate on a dismissed guard',
      {
        canary: { ...fine, failed: 12 },
        stable: fine,
        dismissed: ['error_rate'],
        file: { gates: [{ metric: 'error_rate', noWorseThan: { relative: 1.05 } }] },
      },
      'hold',
      'Holding: error rate is not yet shown to be within 1.05 times stable (evidence 1:2 of 40:1).',
    ],
    [
      'twice the errors, within a margin that is the null',
      {
        // The sequential test asks whether it is equal; the first final look, whether it is within.
        elapsedS: 300,
        canary: { ...fine, failed: 20 },
        stable: fine,
        file: { guards: [{ metric: 'error_rate', worseThan: { relative: 3 }, action: 'revert', null: 'margin' }] },
      },
      'advance',
      'Stage part is passed, error rate shown to be within the margin: on to full (100 %).',
    ],
    [
      'three times the errors, the margin of 1.5 is the null',
      {
        canary: { ...fine, failed: 30 },
        stable: fine,
        file: { guards: [{ metric: 'error_rate', worseThan: { relative: 1.5 }, action: 'revert', null: 'margin' }] },
      },
      'revert',
      'Error rate: 3 % of 24,000 requests on the canary against 1 % of 24,000 requests on stable (ratio 3, 99 % always-valid interval 2.22–4.05): odds more than 1,000,000,000:1 against chance. False alarms of this rule happen in at most 1 of 100 rollouts.',
    ],
    [
      'half the conversions',
      { canary: sells(2), stable: sells(4), file: purchase('pause') },
      'pause',
      'Purchase conversion: 2 % of 2,400 users on the canary against 4 % of 2,400 users on stable (ratio 0.49, 99 % always-valid interval 0.21–0.93): odds 786:1 against chance. False alarms of this rule happen in at most 1 of 100 rollouts.',
    ],
    [
      'equal conversions, but too few to show it',
      {
        ...{ ticks: 40, canary: sells(1), stable: sells(1) },
        file: { ...purchase('pause'), gates: [{ metric: 'purchase', noWorseThan: { relative: 0.9 } }] },
      },
      'hold',
      'Holding: purchase conversion is not yet shown to be within 0.9 times stable (evidence 1:1 of 40:1).',
    ],
    [
      'a metric that nobody sends, at the end of the longest hold',
      { canary: fine, stable: fine, elapsedS: 600, file: purchase('pause') },
      'pause',
      'Paused: stage part has had its 10 min and is undecided: purchase conversion is not yet shown to be within 0.9 times stable (nobody has reported it).',
    ],
    [
      'undecided at the end of the longest hold, the plan says revert',
      {
        canary: { ...fine, failed: 13 },
        stable: fine,
        elapsedS: 600,
        file: { onInconclusive: 'revert' },
      },
      'revert',
      'Stage part has had its 10 min and is undecided: error rate is not yet shown to be within 1.53 times stable (evidence 1:11 of 40:1).',
    ],
    [
      'everybody has the canary',
      { weight: 100, canary: fine },
      'advance',
      'Stage part has lasted its time with nothing against it: on to full (100 %).',
    ],
    [
      'everybody has the canary and nothing works',
      { weight: 100, ticks: 1, canary: { n: 40, failed: 40, exposed: 10 } },
      'revert',
      '100 % of 40 canary requests failed within one time bucket of stage part: taken back at once, without waiting for statistics.',
    ],
  ])('%s', (_name, situation, label, sentence) => {
    const found = look(situation)
    expect([found.label, found.sentence]).toEqual([label, sentence])
  })

  it('does not revert for the errors of two users, however many they are', () => {
    const storm = { ticks: 12, canary: { ...fine, failed: 80 }, stable: fine }
    expect(look(storm).label).toBe('revert')
    expect(look({ ...storm, failingBuckets: 2 }).label).toBe('hold')
  })

  it('survives as JSON, and gives the same verdict from it', () => {
    const parsed = parseRollout({
      key: 'x',
      stages: [{ name: 'full', weight: 100 }],
      guards: [{ metric: 'error_rate', worseThan: { relative: 2 }, action: 'revert' }],
    })
    if (!parsed.ok) throw new Error('wrong')
    const arm = { ...quiet, n: 100, failed: 3, exposed: 10 }
    let straight = startJudge(parsed.definition)
    let stored = startJudge(parsed.definition)
    for (let tick = 0; tick < 50; tick++) {
      const drawn: Tick = {
        tick,
        epoch: 1,
        thresholdsVersion: 0,
        stage: 0,
        canary: arm,
        stable: arm,
        forcedCanary: { n: 0, failed: 0, exposed: 0 },
      }
      straight = foldTick(parsed.definition, straight, drawn)
      stored = JSON.parse(JSON.stringify(foldTick(parsed.definition, stored, drawn)))
    }
    expect(stored).toEqual(straight)
  })
})
