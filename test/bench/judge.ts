/**
 * `npm run bench -- judge`: what one look costs, early and late in a rollout, with little and with much traffic: it must not depend on
 * either, and ten metrics must cost at most 2 ms. And how many rollouts of five metrics one core folds and judges in a second: 1000 must
 * fit in.
 */
import { foldTick, type JudgeState, judge, startJudge, type Tick, userBuckets } from '@pipit/server/analysis'
import { parseRollout } from '@pipit/server/rollout'
import { seededRandom } from '@pipit/shared/testing'
import { fixedRamp, guardedRollout } from '../simulation/plans.ts'
import { createTraffic } from '../simulation/traffic.ts'
import { harmlessWorlds } from '../simulation/worlds.ts'
import type { Row } from './row.ts'
import { printTimings, sideBySide, type Timing } from './side-by-side.ts'

const parsed = parseRollout({
  key: 'judged',
  stages: [
    { name: 'half', weight: 50, hold: '30d' },
    { name: 'full', weight: 100 },
  ],
  guards: [
    { metric: 'error_rate', worseThan: { relative: 1.5 }, action: 'revert' },
    ...[50, 75, 90, 95, 99].map((q) => ({ metric: `latency_p${q}`, worseThan: { relative: 1.5 }, action: 'revert' })),
    ...['a', 'b', 'c', 'd'].map((metric) => ({ metric, worseThan: { relative: 0.9 }, action: 'pause' })),
  ],
  metrics: ['a', 'b', 'c', 'd'].map((key) => ({ key, kind: 'conversion', event: key })),
})
if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues))
const { definition } = parsed
const limits = 10

function run(ticks: number, requests: number): { state: JudgeState; look: () => number } {
  const arm = (n: number) => ({
    n,
    failed: Math.round(n / 100),
    timed: n,
    over: Array.from({ length: limits }, (_, i) => Math.round(n / (2 + i))),
    exposed: Math.round(n / 10),
    conversions: Object.fromEntries(
      ['a', 'b', 'c', 'd'].map((key) => [key, { atRisk: Math.round(n / 10), converted: Math.round(n / 200) }]),
    ),
  })
  let state = startJudge(definition)
  for (let tick = 0; tick < ticks; tick++) {
    const forcedCanary = { n: 0, failed: 0, exposed: 0 }
    state = foldTick(definition, state, {
      epoch: 1,
      tick,
      stage: 0,
      thresholdsVersion: 1,
      canary: arm(requests / 2),
      stable: arm(requests / 2),
      forcedCanary,
    })
  }
  const table = () => {
    const column = (share: number) => new Float64Array(userBuckets).fill((ticks * requests * share) / 2 / userBuckets)
    return {
      n: column(1),
      failed: column(0.01),
      timed: column(1),
      over: Array.from({ length: limits }, (_, i) => column(1 / (2 + i))),
    }
  }
  const buckets = [{ epoch: 1, thresholdsVersion: 1, canary: table(), stable: table() }]
  const stage = { epoch: 1, index: 0, weight: 50, elapsedMs: ticks * 5000, approvalMissing: false }
  const look = () => {
    let sum = 0
    for (let i = 0; i < 20; i++)
      sum += judge({
        definition,
        state,
        stage,
        buckets,
        dismissed: [],
        breakers: { open: 0, instances: 2 },
        now: ticks * 5000,
      }).logHarm
    return sum
  }
  return { state, look }
}

const early = run(12, 200)
const week = run((7 * 86_400) / 5, 200)
const busy = run((7 * 86_400) / 5, 2_000_000)
console.log(
  `memory of the judge: after a minute ${JSON.stringify(early.state).length} characters, after a week ${JSON.stringify(week.state).length}`,
)
const looks = sideBySide(
  [
    { name: 'after a minute', run: early.look },
    { name: 'after a week', run: week.look },
    { name: 'after a week at 400 000 requests a second', run: busy.look },
  ],
  20,
)
printTimings('one look at ten metrics', looks)

/** A whole ramp of four stages with users a thousand times unequal: drawn once, folded and judged over and over. */
function wholeRamp(): () => number {
  const plan = guardedRollout(fixedRamp)
  const traffic = createTraffic(harmlessWorlds['users skewed 1000x'], seededRandom(1))
  const stageTicks = 120
  const ticks: Tick[] = fixedRamp.weights.flatMap((weight, stage) =>
    Array.from({ length: stageTicks }, (_, i) => {
      const thresholds = { version: 1, ms: [40, 60, 86, 130, 161, 240] }
      return traffic.tick({ tick: stage * stageTicks + i, epoch: stage + 1, stage, weight, thresholds }).drawn
    }),
  )
  const buckets = traffic.buckets()
  return () => {
    let memory = startJudge(plan)
    let sum = 0
    for (const tick of ticks) {
      const index = tick.stage ?? 0
      const judgement = judge({
        definition: plan,
        state: foldTick(plan, memory, tick),
        stage: {
          epoch: tick.epoch,
          index,
          weight: fixedRamp.weights[index] ?? 0,
          elapsedMs: (tick.tick % stageTicks) * 5000,
          approvalMissing: false,
        },
        buckets: buckets.slice(0, tick.epoch),
        dismissed: [],
        breakers: { open: 0, instances: 2 },
        now: tick.tick * 5000,
      })
      memory = judgement.state
      sum += judgement.logHarm
    }
    return sum
  }
}

const [ramp] = sideBySide([{ name: 'fold and look, five metrics, over a ramp', run: wholeRamp() }], 480)
if (ramp !== undefined) {
  printTimings('one tick of one rollout', [ramp])
  console.log(`  ${Math.floor(1e9 / ramp.nanoseconds)} rollouts a second on one core`)
}

export function rows(): Promise<readonly Row[]> {
  const micro = (nanoseconds: number): string => `${(nanoseconds / 1000).toFixed(0)} us`
  const [first, , last] = looks as [Timing, Timing, Timing]
  const aSecond = Math.floor(1e9 / (ramp?.nanoseconds ?? Number.POSITIVE_INFINITY))
  return Promise.resolve([
    {
      ...{ claim: 'one look at ten metrics after a week at 400 000 requests a second, against after a minute' },
      ...{ ours: micro(last.nanoseconds), floor: micro(first.nanoseconds), ratio: last.ratio },
      ...{ bar: 'at most 2 ms, 1.5 x', met: last.nanoseconds <= 2e6 && last.ratio <= 1.5 },
    },
    {
      claim: 'rollouts of five metrics that one core folds and judges each second',
      ...{ ours: String(aSecond), bar: 'at least 1000', met: aSecond >= 1000 },
    },
  ])
}
