import type { RolloutDefinition } from '../../rollout/definition.ts'
import type { Memory } from '../memory.ts'
import { type PlannedMetric, planMetrics } from '../plan.ts'
import { percent, title } from '../sentences.ts'
import type { Trend, TrendEvent } from '../trend.ts'

/** Arms whose trouble begins within so many ticks of each other are in the same trouble. */
const together = 24

export interface Incident {
  readonly planned: PlannedMetric
  readonly canary: TrendEvent
  readonly stable: TrendEvent
}

/** Both arms have turned for the worse at the same time, each against its own history: whatever it is, it is not the canary's doing alone. */
export function findIncident(definition: RolloutDefinition, memory: Memory): Incident | undefined {
  const now = memory.lastHeard
  if (now === undefined) return undefined
  for (const planned of planMetrics(definition)) {
    const trend = memory.metrics[planned.key]?.trend
    const canary = trend && badTurn(trend.canary, planned, now)
    const stable = trend && badTurn(trend.stable, planned, now)
    if (canary === undefined || stable === undefined) continue
    if (Math.abs(canary.since - stable.since) <= together) return { planned, canary, stable }
  }
  return undefined
}

function badTurn({ event }: Trend, { down }: PlannedMetric, now: number): TrendEvent | undefined {
  if (event === undefined || event.state === 'drift' || event.until < now) return undefined
  return event.to > event.from === !down ? event : undefined
}

export function incidentSentence({ planned, canary, stable }: Incident, tickMs: number): string {
  const time = new Date(Math.min(canary.since, stable.since) * tickMs).toISOString().slice(11, 16)
  const arm = ({ from, to }: TrendEvent): string => `from ${percent(from)} to ${percent(to)}`
  return `${title(planned)} has turned for the worse in both arms since ${time} UTC (${arm(canary)} on the canary, ${arm(stable)} on stable): an incident that both share, not the canary's doing; advances wait.`
}
