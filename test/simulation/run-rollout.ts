import { foldTick, type JudgeState, judge, proposeThresholds, startJudge, thresholdsFor } from '@pipit/server/analysis'
import {
  parseRollout,
  type RolloutDefinition,
  type RolloutEvent,
  type RolloutState,
  stageView,
  transition,
} from '@pipit/server/rollout'
import { seededRandom } from '@pipit/shared/testing'
import { createTraffic, type Traffic, type World } from './traffic.ts'

/** How one simulated rollout went. */
export interface RunResult {
  readonly end: 'succeeded' | 'reverted' | 'undecided'
  /** Canary requests until the end. */
  readonly canaryRequests: number
  readonly ticks: number
  /** Stages that a person had to wave through because they stayed undecided. */
  readonly wavedThrough: number
  readonly sentence: string
}

const tickMs = 5000
const tickLimit = 2000

/** The ramp of the published figures: 1, 5, 25, 50 % with ten minutes a stage. */
export function ramp(): RolloutDefinition {
  const parsed = parseRollout({
    key: 'simulated',
    stages: [
      ...[1, 5, 25, 50].map((weight) => ({ name: `at-${weight}`, weight, hold: '10m', maxHold: '20m' })),
      { name: 'full', weight: 100 },
    ],
    guards: [
      { metric: 'error_rate', worseThan: { relative: 1.5 }, action: 'revert' },
      { metric: 'latency_p50', worseThan: { relative: 1.5 }, action: 'revert', weight: 0.07 },
      { metric: 'latency_p90', worseThan: { relative: 1.5 }, action: 'revert', weight: 0.06 },
      { metric: 'latency_p99', worseThan: { relative: 1.5 }, action: 'revert', weight: 0.07 },
      { metric: 'purchase', worseThan: { relative: 0.9 }, action: 'revert' },
    ],
    metrics: [{ key: 'purchase', kind: 'conversion', event: 'purchase' }],
  })
  if (!parsed.ok) throw new Error(parsed.issues.map(({ path, message }) => `${path} ${message}`).join('; '))
  return parsed.definition
}

/**
 * One rollout on simulated traffic through the real fold, the real judge and the real machine, looked at after every tick, until it ends.
 * A stage that pauses undecided is waved through, so that every harmless rollout goes up the whole ramp.
 */
export function runRollout(world: World, definition: RolloutDefinition, seed: number): RunResult {
  const traffic = createTraffic(world, seededRandom(seed))
  const actor = { kind: 'engine', name: 'simulation' } as const
  let now = 0
  let wavedThrough = 0
  let sentence = ''
  let memory: JudgeState = startJudge(definition)
  let state: RolloutState = move({ phase: 'draft' }, { type: 'start', salt: 'simulation-salt-' })

  function move(from: RolloutState, event: RolloutEvent): RolloutState {
    const moved = transition(definition, from, event, { now, actor })
    if (!moved.ok) throw new Error(moved.message)
    return moved.state
  }

  function lookOnce(tick: number): void {
    if (state.phase !== 'running') return
    const { progress } = state
    const drawn = traffic.tick(tick, progress.epoch, progress.weight, progress.thresholds)
    now = (tick + 1) * tickMs
    memory = foldTick(definition, memory, { ...drawn, stage: progress.stage })
    const view = stageView(definition, state, now)
    if (view === undefined) return
    const judgement = judge({
      definition,
      state: memory,
      stage: view,
      buckets: traffic.buckets(),
      dismissed: [],
      breakers: { open: 0, instances: 1 },
      now,
    })
    memory = judgement.state
    sentence = judgement.sentence
    state = withLimits(move(state, { type: 'judged', label: judgement.label, sentence }), traffic, definition, move)
    if (state.phase === 'paused') {
      if (judgement.reasons[0]?.code !== 'inconclusive') return
      wavedThrough++
      state = withLimits(move(state, { type: 'advance' }), traffic, definition, move)
    }
  }

  let tick = 0
  while (state.phase === 'running' && tick < tickLimit) lookOnce(tick++)
  const end = state.phase === 'succeeded' ? 'succeeded' : state.phase === 'reverted' ? 'reverted' : 'undecided'
  return { end, canaryRequests: traffic.canaryRequests, ticks: tick, wavedThrough, sentence }
}

/** Fixes the latency limits where the machine has none, and anew at each stage, as the engine does. */
function withLimits(
  state: RolloutState,
  traffic: Traffic,
  definition: RolloutDefinition,
  move: (from: RolloutState, event: RolloutEvent) => RolloutState,
): RolloutState {
  if (state.phase !== 'running') return state
  const { progress } = state
  const isNew = traffic.buckets().at(-1)?.epoch !== progress.epoch
  if (!isNew && progress.thresholds.ms.length === thresholdsFor(definition).length) return state
  const ms = proposeThresholds(definition, traffic.stableLatency)
  return ms === undefined ? state : move(state, { type: 'thresholds-fixed', ms })
}
