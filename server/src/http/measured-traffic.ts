import { decodeSketch } from '@pipit/shared/sketch'
import type { Tick } from '../analysis/index.ts'
import type { PlanTraffic } from '../analysis/planner/index.ts'
import { errorKind } from '../rollout/index.ts'
import type { RolloutRecord, Stores } from '../storage/ports.ts'

/** How far back traffic is measured. */
const measuredMs = 3_600_000
/** Fewer time buckets say nothing about a rate. */
const leastTicks = 3

/** Traffic and stable's figures as the evidence of the present run has them, of its last hour; undefined while there is too little. */
export async function measuredTraffic(
  evidence: Pick<Stores['evidence'], 'ticks' | 'latency'>,
  record: RolloutRecord,
  now: number,
): Promise<PlanTraffic | undefined> {
  const { definition, id, runEpoch } = record
  const { tickMs } = definition.analysis
  const through = Math.floor(now / tickMs) - 1
  const after = through - Math.ceil(measuredMs / tickMs)
  const ticks = await evidence.ticks(id, { fromEpoch: runEpoch, after, through })
  const first = ticks[0]?.tick
  const last = ticks.at(-1)?.tick
  if (first === undefined || last === undefined || last - first + 1 < leastTicks) return undefined
  const seconds = ((last - first + 1) * tickMs) / 1000
  const both = (of: (arm: Tick['stable']) => number): number => sum(ticks, (tick) => of(tick.canary) + of(tick.stable))
  const requests = both((arm) => arm.n)
  if (requests === 0) return undefined
  const stable = sum(ticks, (tick) => tick.stable.n)
  const users = both((arm) => arm.exposed)
  const latency = await latencyOf(evidence, record, ticks.at(-1)?.epoch ?? runEpoch)
  return {
    requestsPerSecond: requests / seconds,
    ...(users > 0 ? { usersPerSecond: users / seconds } : {}),
    ...(stable > 0 ? { errorRate: sum(ticks, (tick) => tick.stable.failed) / stable } : {}),
    ...(latency === undefined ? {} : { latency }),
    metrics: Object.fromEntries([...kindRates(record, ticks, stable), ...conversionRates(ticks)]),
  }
}

const sum = (ticks: readonly Tick[], of: (tick: Tick) => number): number =>
  ticks.reduce((total, tick) => total + of(tick), 0)

type Rates = [string, { readonly rate: number }][]

function kindRates({ definition }: RolloutRecord, ticks: readonly Tick[], requests: number): Rates {
  if (requests === 0) return []
  return [...definition.guards, ...definition.gates].flatMap(({ metric }) => {
    const kind = errorKind(metric)
    if (kind === undefined) return []
    return [[metric, { rate: sum(ticks, (tick) => tick.stable.kinds?.[kind] ?? 0) / requests }]]
  })
}

function conversionRates(ticks: readonly Tick[]): Rates {
  const keys = new Set(ticks.flatMap((tick) => Object.keys(tick.stable.conversions)))
  return [...keys].flatMap((key) => {
    const atRisk = sum(ticks, (tick) => tick.stable.conversions[key]?.atRisk ?? 0)
    const converted = sum(ticks, (tick) => tick.stable.conversions[key]?.converted ?? 0)
    return atRisk > 0 ? [[key, { rate: Math.min(1, converted / atRisk) }]] : []
  })
}

async function latencyOf(
  evidence: Pick<Stores['evidence'], 'latency'>,
  { id }: RolloutRecord,
  epoch: number,
): Promise<PlanTraffic['latency']> {
  const encoded = await evidence.latency(id, epoch, 'stable')
  const sketch = encoded === undefined ? undefined : decodeSketch(encoded)
  const p50 = sketch?.quantile(0.5)
  const p99 = sketch?.quantile(0.99)
  return p50 === undefined || p99 === undefined || !(p50 > 0 && p99 > p50) ? undefined : { p50, p99 }
}
