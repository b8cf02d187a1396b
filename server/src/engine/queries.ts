import { comparedMetrics, type MetricDefinition, progressOf } from '../rollout/index.ts'
import type { RolloutRecord, Storage } from '../storage/ports.ts'
import { createPump, type Pump, type PumpParts } from './pump.ts'

/** Rollouts and metrics that began are noticed after at most this long. */
const noticeMs = 5000
const deciding: ReadonlySet<string> = new Set(['running', 'paused', 'awaiting-approval'])

type Asked = Extract<MetricDefinition, { readonly kind: 'external' }> & {
  readonly query: NonNullable<Extract<MetricDefinition, { readonly kind: 'external' }>['query']>
}

/** A query that does not work now. */
export interface QueryTrouble {
  readonly metric: string
  readonly failures: number
  readonly message: string
}

export interface QueriesParts extends PumpParts {
  readonly storage: Storage
  /** The one number that an expression gives; rejects with what is wrong. */
  readonly ask: (address: string, expression: string) => Promise<number>
  /** Takes the figures of both arms in; undefined when they were taken. */
  readonly observe: (
    environment: string,
    rollout: string,
    items: readonly { readonly metric: string; readonly variant: string; readonly value: number }[],
  ) => Promise<unknown>
}

/** Asks for the figures of external metrics that name a query, while their rollouts decide. What cannot be asked holds up nothing else. */
export interface Queries extends Pick<Pump, 'start' | 'stop' | 'idle'> {
  troubles(rolloutId: string): readonly QueryTrouble[]
}

export function createQueries(parts: QueriesParts): Queries {
  const { storage, clock, log, ask, observe } = parts
  const dueAt = new Map<string, number>()
  const failed = new Map<string, QueryTrouble>()

  async function askOne(
    { id, environment, key, definition }: RolloutRecord,
    { key: metric, query }: Asked,
  ): Promise<void> {
    const name = `${id}/${metric}`
    try {
      const { prometheus } = query
      const [canary, stable] = await Promise.all([ask(prometheus, query.canary), ask(prometheus, query.stable)])
      const arm = definition.variants[1]?.name ?? 'canary'
      await observe(environment, key, [
        { metric, variant: arm, value: canary },
        { metric, variant: 'stable', value: stable },
      ])
      if (failed.delete(name)) log.warn(`the query of ${metric} for ${key} works again`)
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      const failures = (failed.get(name)?.failures ?? 0) + 1
      failed.set(name, { metric, failures, message })
      if (failures === 1) log.warn(`the query of ${metric} for ${key} does not work: ${message}`)
    }
  }

  async function round(): Promise<number> {
    const now = clock.now()
    const asked = await wanted(storage)
    const names = new Set(asked.map(({ record, metric }) => `${record.id}/${metric.key}`))
    for (const known of [...dueAt.keys(), ...failed.keys()]) {
      if (names.has(known)) continue
      dueAt.delete(known)
      failed.delete(known)
    }
    const due = asked.filter(({ record, metric }) => (dueAt.get(`${record.id}/${metric.key}`) ?? 0) <= now)
    for (const { record, metric } of due) dueAt.set(`${record.id}/${metric.key}`, now + metric.query.everyMs)
    await Promise.all(due.map(({ record, metric }) => askOne(record, metric)))
    return Math.min(clock.now() + noticeMs, ...dueAt.values())
  }

  const pump = createPump(parts, { name: 'asking for external figures', round })
  return {
    start: () => pump.start(),
    stop: () => pump.stop(),
    idle: () => pump.idle(),
    troubles: (rolloutId) =>
      [...failed].flatMap(([name, trouble]) => (name.startsWith(`${rolloutId}/`) ? [trouble] : [])),
  }
}

async function wanted(storage: Storage): Promise<{ record: RolloutRecord; metric: Asked }[]> {
  const found: { record: RolloutRecord; metric: Asked }[] = []
  for (const { name } of await storage.environments.list()) {
    const shared = (await storage.metrics.list(name)).map(({ definition }) => definition)
    for (const record of await storage.rollouts.list(name)) {
      if (!deciding.has(record.state.phase) || progressOf(record.state) === undefined) continue
      for (const metric of comparedMetrics(record.definition, shared)) {
        if (metric.kind === 'external' && metric.query !== undefined)
          found.push({ record, metric: { ...metric, query: metric.query } })
      }
    }
  }
  return found
}
