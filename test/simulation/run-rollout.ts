import {
  foldTick,
  type Judgement,
  type JudgeState,
  judge,
  proposeThresholds,
  startJudge,
  type Tick,
  thresholdsFor,
} from '@pipit/server/analysis'
import {
  type RolloutDefinition,
  type RolloutEvent,
  type RolloutState,
  stageView,
  transition,
} from '@pipit/server/rollout'
import { seededRandom } from '@pipit/shared/testing'
import { createTraffic, type Moment, type Traffic } from './traffic.ts'
import type { World } from './world.ts'

/** How one simulated rollout went. */
export interface RunResult {
  readonly end: 'succeeded' | 'reverted' | 'undecided'
  /** The code of the verdict's first reason. */
  readonly reason: string
  /** Stage at the end. */
  readonly stage: number
  readonly ticks: number
  /** Canary requests since the harm began, and users whose canary requests failed. */
  readonly canaryRequests: number
  readonly usersHit: number
  /** Stages that a person had to wave through because they stayed undecided. */
  readonly waved: readonly number[]
  /** An advance from a stage with less than one request of the canary or of stable. */
  readonly blindAdvances: number
  readonly sentence: string
}

export interface RunOptions {
  /** True: an undecided stage is waved through by a person; false: the run ends there. */
  readonly wavesThrough: boolean
  /** Sees each look: after the judge, before the machine moves. */
  readonly onLook?: (look: Look) => void
}

export interface Look {
  readonly judgement: Judgement
  readonly tick: Tick
  readonly limits: readonly number[]
  readonly stage: number
  readonly traffic: Traffic
}

export const tickMs = 5000
const tickLimit = 2400

/**
 * One rollout on simulated traffic through the real fold, the real judge and the real machine, looked at after every tick, until it ends.
 * The same seed gives the same rollout.
 */
export function runRollout(
  world: World,
  definition: RolloutDefinition,
  seed: number,
  options: RunOptions = { wavesThrough: true },
): RunResult & { readonly traffic: Traffic; readonly last: Moment | undefined } {
  const traffic = createTraffic(world, seededRandom(seed))
  const actor = { kind: 'engine', name: 'simulation' } as const
  const waved: number[] = []
  let now = 0
  let blindAdvances = 0
  let said = { sentence: '', reason: '' }
  let last: Moment | undefined
  let memory: JudgeState = startJudge(definition)
  let state: RolloutState = move({ phase: 'draft' }, { type: 'start', salt: 'simulation-salt-' })
  let stage = 0

  function move(from: RolloutState, event: RolloutEvent): RolloutState {
    const moved = transition(definition, from, event, { now, actor })
    if (!moved.ok) throw new Error(moved.message)
    return moved.state
  }

  function lookOnce(tick: number): void {
    if (state.phase !== 'running') return
    const { progress } = state
    stage = progress.stage
    const moment: Moment = {
      tick,
      stage,
      epoch: progress.epoch,
      weight: progress.weight,
      thresholds: progress.thresholds,
    }
    last = moment
    const { drawn, late } = traffic.tick(moment)
    now = (tick + 1) * tickMs
    for (const bucket of [...late, drawn]) memory = foldTick(definition, memory, bucket)
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
    said = { sentence: judgement.sentence, reason: judgement.reasons[0]?.code ?? '' }
    options.onLook?.({ judgement, tick: drawn, limits: progress.thresholds.ms, stage, traffic })
    if (judgement.label === 'advance' && isBlind(judgement, view.weight)) blindAdvances++
    state = withLimits(move(state, { type: 'judged', label: judgement.label, sentence: said.sentence }), stage)
    if (state.phase === 'paused' && said.reason === 'inconclusive' && options.wavesThrough) {
      waved.push(stage)
      state = withLimits(move(state, { type: 'advance' }), stage)
    }
  }

  /** Fixes the latency limits where the machine has none, and anew at each stage, as the engine does. */
  function withLimits(moved: RolloutState, before: number): RolloutState {
    if (moved.phase !== 'running') return moved
    const { progress } = moved
    const isNew = progress.stage !== before
    if (!isNew && progress.thresholds.ms.length === thresholdsFor(definition).length) return moved
    const ms = proposeThresholds(definition, traffic.stableLatency)
    return ms === undefined ? moved : move(moved, { type: 'thresholds-fixed', ms })
  }

  let tick = 0
  while (state.phase === 'running' && tick < tickLimit) lookOnce(tick++)
  const end = state.phase === 'succeeded' ? 'succeeded' : state.phase === 'reverted' ? 'reverted' : 'undecided'
  const { canaryRequests, usersHit } = traffic
  return { end, stage, canaryRequests, usersHit, ticks: tick, waved, blindAdvances, ...said, traffic, last }
}

/** Whether a comparison was passed although an arm had reported nothing at all. */
function isBlind({ metrics }: Judgement, weight: number): boolean {
  if (weight <= 0 || weight >= 100) return false
  return metrics.every(({ canary, stable }) => canary.n === 0 || stable.n === 0)
}
