import type { Issue } from '@pipit/shared/base'
import { comparedMetrics, progressOf } from '../rollout/index.ts'
import type { RolloutRecord, Stores } from '../storage/ports.ts'
import type { Observed, ObserveFault } from './api.ts'

const deciding: ReadonlySet<string> = new Set(['running', 'paused', 'awaiting-approval'])

/** Takes figures of external metrics in, all or none, as of `now`. Call inside a transaction. */
export async function observe(
  stores: Stores,
  environment: string,
  rollout: string,
  items: readonly Observed[],
  now: number,
): Promise<ObserveFault | undefined> {
  const record = await stores.rollouts.get(environment, rollout)
  if (record === undefined) {
    return { code: 'not-found', message: `there is no rollout "${rollout}" in ${environment}` }
  }
  const { definition, state } = record
  const progress = progressOf(state)
  if (progress === undefined || !deciding.has(state.phase)) {
    const message = `${rollout} is ${state.phase}: figures are taken while it is running or paused`
    return { code: 'illegal-in-phase', message }
  }
  const issues = await faultsOf(stores, record, items)
  if (issues.length > 0) return { code: 'invalid', issues }
  const tick = Math.floor(now / definition.analysis.tickMs)
  for (const { metric, variant, value } of items) {
    const arm = variant === 'stable' ? 'stable' : 'canary'
    await stores.evidence.observe({
      ...{ rolloutId: record.id, epoch: progress.epoch, tick, metric, arm },
      ...{ sum: value, count: 1 },
    })
  }
  return undefined
}

async function faultsOf(
  stores: Stores,
  { environment, definition }: RolloutRecord,
  items: readonly Observed[],
): Promise<Issue[]> {
  const shared = (await stores.metrics.list(environment)).map((entry) => entry.definition)
  const external = comparedMetrics(definition, shared).filter(({ kind }) => kind === 'external')
  const keys = new Set(external.map(({ key }) => key))
  const variants = new Set(definition.variants.map(({ name }) => name))
  const known = [...keys].join(', ') || 'none'
  return items.flatMap(({ metric, variant }, i) => {
    const issues: Issue[] = []
    if (!keys.has(metric)) {
      const message = `"${metric}" is no external metric of ${definition.key}; there are: ${known}`
      issues.push({ path: `observations[${i}].metric`, message })
    }
    if (!variants.has(variant)) {
      const message = `there is no variant "${variant}"; there are ${[...variants].join(', ')}`
      issues.push({ path: `observations[${i}].variant`, message })
    }
    return issues
  })
}
