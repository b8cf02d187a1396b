import type { MetricJudgement } from '@pipit/server/analysis'
import { createRivals, type RivalName, rivalNames } from './rivals.ts'
import { type Look, type RunResult, runRollout, tickMs } from './run-rollout.ts'
import { type Scenario, truthOf } from './scenarios.ts'
import type { Moment, Traffic } from './traffic.ts'

/** When somebody would have taken the canary back, counted from the start of the harm. */
export interface Detection {
  readonly canaryRequests: number
  readonly seconds: number
  readonly usersHit: number
  /** Before any harm: noise. */
  readonly isFalse: boolean
}

/** One rollout of a scenario. */
export interface Outcome extends Omit<RunResult, 'sentence'> {
  readonly seed: number
  /** Where the judge reverted. */
  readonly revert?: Detection
  readonly rivals: { readonly [K in RivalName]?: Detection }
  /** Metrics whose interval has missed the truth at any look. */
  readonly uncovered: readonly string[]
}

/** Runs one seed of a scenario: the real parts until the rollout ends, the competitors until they have decided or the ramp is over. */
export function simulate(scenario: Scenario, seed: number): Outcome {
  const { world, kind } = scenario
  const definition = scenario.definition()
  const uncovered = new Set<string>()
  const rivals = createRivals(() => truthOf(scenario, limits))
  const found: { [K in RivalName]?: Detection } = {}
  const compares = kind === 'harmless' || kind === 'harmful'
  let limits: readonly number[] = []
  let harmTick = world.harm === undefined || world.harm.fromStage === 0 ? 0 : -1

  function detection(tick: number, traffic: Traffic): Detection {
    const seconds = ((tick + 1 - Math.max(0, harmTick)) * tickMs) / 1000
    return { canaryRequests: traffic.canaryRequests, seconds, usersHit: traffic.usersHit, isFalse: harmTick < 0 }
  }

  function pass(tick: Look['tick'], stage: number, traffic: Traffic): void {
    if (harmTick < 0 && stage >= (world.harm?.fromStage ?? 0)) harmTick = tick.tick
    for (const name of rivalNames) {
      // Wald's tests are told when the harm begins.
      if (harmTick < 0 && (name === 'matched' || name === 'oracle')) continue
      if (found[name] === undefined && rivals[name](tick, stage)) found[name] = detection(tick.tick, traffic)
    }
  }

  const run = runRollout(world, definition, seed, {
    wavesThrough: kind !== 'advance' && kind !== 'gate',
    onLook({ judgement, tick, limits: current, stage, traffic }) {
      limits = current
      if (compares) pass(tick, stage, traffic)
      if (kind === 'coverage')
        for (const metric of judgement.metrics) if (misses(metric, scenario)) uncovered.add(metric.metric)
    },
  })
  const { traffic, last, sentence: _, ...result } = run
  const revert = result.end === 'reverted' ? detection(result.ticks - 1, traffic) : undefined
  if (compares && last !== undefined)
    goOn(scenario, last, traffic, (tick, stage) => {
      pass(tick, stage, traffic)
      return rivalNames.every((name) => found[name] !== undefined)
    })
  return { ...result, seed, ...(revert === undefined ? {} : { revert }), rivals: found, uncovered: [...uncovered] }
}

/** The ramp as it would have gone on after the rollout ended, for the competitors. */
function goOn(
  { ramp }: Scenario,
  moment: Moment,
  traffic: Traffic,
  isOver: (tick: Look['tick'], stage: number) => boolean,
): void {
  for (let tick = moment.tick + 1; tick < ramp.weights.length * ramp.stageTicks; tick++) {
    const stage = Math.floor(tick / ramp.stageTicks)
    const epoch = moment.epoch + Math.max(0, stage - moment.stage)
    const weight = ramp.weights[stage] as number
    const { drawn } = traffic.tick({ ...moment, tick, stage, epoch, weight })
    if (isOver(drawn, stage)) return
  }
}

/** Whether the interval of a ratio leaves the true one out. Only what is known exactly is looked at. */
function misses({ metric, ratio }: MetricJudgement, { world }: Scenario): boolean {
  const isHarmed = world.harm !== undefined
  if (ratio === undefined || (isHarmed && metric !== 'error_rate')) return false
  const truth = world.harm?.errors ?? 1
  return truth < ratio.low || truth > ratio.high
}
