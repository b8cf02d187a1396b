import { nextWake, type RolloutDefinition, type RolloutState, stageView } from '../rollout/index.ts'

/** After its end a tick stays open this long for reports that are on their way. */
const settleMs = 30

/** The newest tick that is closed: no report will be counted in it any more. */
export function lastClosedTick(tickMs: number, now: number): number {
  return Math.floor((now - settleMs) / tickMs) - 1
}

/** When a tick closes while users are being decided on, or earlier where the state itself asks for it. */
export function nextLook(definition: RolloutDefinition, state: RolloutState, now: number): number | undefined {
  const own = nextWake(definition, state, now)
  if (stageView(definition, state, now) === undefined) return own
  const { tickMs } = definition.analysis
  const closes = (lastClosedTick(tickMs, now) + 2) * tickMs + settleMs
  return own === undefined ? closes : Math.min(own, closes)
}

/** The next look after a change: at once where users are being decided on, else when the state says so. */
export function firstLook(definition: RolloutDefinition, state: RolloutState, now: number): number | undefined {
  return stageView(definition, state, now) === undefined ? nextWake(definition, state, now) : now
}
