import { comparedMetrics, type MetricDefinition, progressOf } from '../rollout/index.ts'
import type { Stores } from '../storage/ports.ts'

type ConversionMetric = Extract<MetricDefinition, { readonly kind: 'conversion' }>

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
  readonly metrics: readonly ConversionMetric[]
}

export interface IngestIndex {
  readonly version: number
  readonly rollouts: ReadonlyMap<string, IngestRollout>
  /** By event name: which metrics of which rollouts count it. */
  readonly byEvent: ReadonlyMap<
    string,
    readonly { readonly rollout: IngestRollout; readonly metric: ConversionMetric }[]
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
  const byEvent = new Map<string, { rollout: IngestRollout; metric: ConversionMetric }[]>()
  for (const record of await stores.rollouts.list(environment)) {
    const progress = progressOf(record.state)
    if (progress === undefined) continue
    const rollout: IngestRollout = {
      id: record.id,
      epoch: progress.epoch,
      runEpoch: record.runEpoch,
      variants: new Set(record.definition.variants.map((variant) => variant.name)),
      tickMs: record.definition.analysis.tickMs,
      thresholdsVersion: progress.thresholds.version,
      limits: progress.thresholds.ms.length,
      isOpen: openPhases.has(record.state.phase),
      metrics: comparedMetrics(record.definition, shared).filter((metric) => metric.kind === 'conversion'),
    }
    rollouts.set(record.key, rollout)
    for (const metric of rollout.metrics) {
      if (metric.kind === 'conversion')
        byEvent.set(metric.event, [...(byEvent.get(metric.event) ?? []), { rollout, metric }])
    }
  }
  return { version, rollouts, byEvent }
}
