/**
 * `npm run bench -- judge`: what one look costs, early and late in a rollout, with little and with much traffic: it must not depend on
 * either.
 */
import { foldTick, type JudgeState, judge, startJudge, userBuckets } from '@pipit/server/analysis'
import { parseRollout } from '@pipit/server/rollout'
import { printTimings, sideBySide } from './side-by-side.ts'

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
printTimings(
  'one look at ten metrics',
  sideBySide(
    [
      { name: 'after a minute', run: early.look },
      { name: 'after a week', run: week.look },
      { name: 'after a week at 400 000 requests a second', run: busy.look },
    ],
    20,
  ),
)
