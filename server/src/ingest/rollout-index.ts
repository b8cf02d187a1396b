import { comparedMetrics, type EventSum, eventSums, type MetricDefinition, progressOf } from '../rollout/index.ts'
import type { ExposureMetrics, Stores } from '../storage/ports.ts'

type ConversionMetric = Extract<MetricDefinition, { readonly kind: 'conversion' }>

interface ConversionUse {
  readonly rollout: IngestRollout
  readonly metric: ConversionMetric
}

/** What an event adds to a metric of values: to what is counted, and to what it is divided by. */
export interface ValueUse {
  readonly rollout: IngestRollout
  readonly metric: Exclude<MetricDefinition, ConversionMetric | { readonly kind: 'external' }>
  readonly y: EventSum['of'] | undefined
  readonly d: EventSum['of'] | undefined
}

/** What ingest needs to know of a rollout. */
export interface IngestRollout {
  readonly id: string
  readonly epoch: number
  readonly runEpoch: number
  readonly variants: ReadonlySet<string>
  readonly tickMs: number
  readonly thresholdsVersion: number
  /** How many latency limits that version names. */
  readonly limits: number
  /** Users are being decided on: exposures are still to come. */
  readonly isOpen: boolean
  /** What a first exposure counts besides itself. */
  readonly counted: Pick<ExposureMetrics, 'conversions' | 'perUnit' | 'perEvent'>
  readonly slices: readonly string[]
}

export interface IngestIndex {
  readonly version: number
  readonly rollouts: ReadonlyMap<string, IngestRollout>
  /** By event name: which metrics of which rollouts count it. */
  readonly byEvent: ReadonlyMap<
    string,
    { readonly conversions: readonly ConversionUse[]; readonly values: readonly ValueUse[] }
  >
}

const openPhases: ReadonlySet<string> = new Set(['running', 'paused', 'awaiting-approval'])

/**
 * The rollouts of an environment as ingest sees them, read again only when the ruleset's version has moved: a batch of reports
 * costs one small read. Undefined where there is no such environment.
 */
export function createRolloutIndex(): (stores: Stores, environment: string) => Promise<IngestIndex | undefined> {
  const known = new Map<string, IngestIndex>()
  return async (stores, environment) => {
    const record = await stores.environments.get(environment)
    if (record === undefined) return undefined
    const cached = known.get(environment)
    if (cached?.version === record.rulesetVersion) return cached
    const made = await read(stores, environment, record.rulesetVersion)
    known.set(environment, made)
    return made
  }
}

async function read(stores: Stores, environment: string, version: number): Promise<IngestIndex> {
  const shared = (await stores.metrics.list(environment)).map((record) => record.definition)
  const rollouts = new Map<string, IngestRollout>()
  const byEvent = new Map<string, { conversions: ConversionUse[]; values: ValueUse[] }>()
  const use = (event: string): { conversions: ConversionUse[]; values: ValueUse[] } => {
    const found = byEvent.get(event) ?? { conversions: [], values: [] }
    byEvent.set(event, found)
    return found
  }
  for (const record of await stores.rollouts.list(environment)) {
    const progress = progressOf(record.state)
    if (progress === undefined) continue
    const metrics = comparedMetrics(record.definition, shared)
    const rollout: IngestRollout = {
      id: record.id,
      epoch: progress.epoch,
      runEpoch: record.runEpoch,
      variants: new Set(record.definition.variants.map((variant) => variant.name)),
      tickMs: record.definition.analysis.tickMs,
      thresholdsVersion: progress.thresholds.version,
      limits: progress.thresholds.ms.length,
      isOpen: openPhases.has(record.state.phase),
      counted: countedAtExposure(metrics),
      slices: record.definition.slices,
    }
    rollouts.set(record.key, rollout)
    for (const metric of metrics) {
      if (metric.kind === 'conversion') use(metric.event).conversions.push({ rollout, metric })
      else if (metric.kind !== 'external') addValueUses(use, rollout, metric)
    }
  }
  return { version, rollouts, byEvent }
}

function countedAtExposure(metrics: readonly MetricDefinition[]): IngestRollout['counted'] {
  const keys = (...kinds: readonly MetricDefinition['kind'][]): string[] =>
    metrics.filter(({ kind }) => kinds.includes(kind)).map(({ key }) => key)
  return { conversions: keys('conversion'), perUnit: keys('sum', 'count'), perEvent: keys('mean', 'ratio') }
}

/** One use for each event of a metric; an event that is both numerator and denominator is one use. */
function addValueUses(
  use: (event: string) => { readonly values: ValueUse[] },
  rollout: IngestRollout,
  metric: ValueUse['metric'],
): void {
  const [counted, divisor] = eventSums(metric)
  for (const event of new Set(eventSums(metric).map((sum) => sum.event))) {
    const y = counted?.event === event ? counted.of : undefined
    const d = divisor?.event === event ? divisor.of : undefined
    use(event).values.push({ rollout, metric, y, d })
  }
}
