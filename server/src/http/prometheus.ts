import type { IngestLoad } from '../ingest/index.ts'
import type { EnvironmentRecord } from '../storage/ports.ts'
import type { AppDeps } from './context.ts'

/**
 * The Prometheus text format (0.0.4), written by hand: a dozen numbers that their owners count already need no client library with a
 * registry of its own.
 */
export interface Sample {
  readonly name: string
  readonly help: string
  readonly kind: 'counter' | 'gauge'
  readonly values: readonly { readonly labels?: { readonly [name: string]: string }; readonly value: number }[]
}

export function prometheusText(samples: readonly Sample[]): string {
  return samples
    .flatMap(({ name, help, kind, values }) => [
      `# HELP ${name} ${help}`,
      `# TYPE ${name} ${kind}`,
      ...values.map(({ labels, value }) => `${name}${labelText(labels)} ${value}`),
    ])
    .map((line) => `${line}\n`)
    .join('')
}

function labelText(labels: { readonly [name: string]: string } | undefined): string {
  if (labels === undefined) return ''
  const escaped = (value: string): string => value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')
  return `{${Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(',')}}`
}

/** Counts answers by method and class of status. */
export interface RequestCounter {
  count(method: string, status: number): void
  sample(): Sample
}

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

export function createRequestCounter(): RequestCounter {
  const counts = new Map<string, { method: string; status: string; value: number }>()
  return {
    count(method, status) {
      // Whatever a client calls its method must not make a new series.
      const known = methods.includes(method) ? method : 'other'
      const group = `${Math.floor(status / 100)}xx`
      const key = `${known} ${group}`
      const entry = counts.get(key) ?? { method: known, status: group, value: 0 }
      entry.value++
      counts.set(key, entry)
    },
    sample: () => ({
      name: 'pipit_http_requests_total',
      help: 'HTTP requests answered.',
      kind: 'counter',
      values: [...counts.values()].map(({ method, status, value }) => ({ labels: { method, status }, value })),
    }),
  }
}

const counterSamples = (prefix: string, what: string, counters: { readonly [name: string]: number }): Sample => ({
  name: `pipit_${prefix}_total`,
  help: `${what} since the start, by what they count.`,
  kind: 'counter',
  values: Object.entries(counters).map(([kind, value]) => ({ labels: { kind }, value })),
})

/** How the disk follows what SDKs send. */
function loadSamples(load: IngestLoad): readonly Sample[] {
  const gauge = (name: string, help: string, value: number): Sample => ({
    name: `pipit_ingest_${name}`,
    help,
    kind: 'gauge',
    values: [{ value }],
  })
  return [
    gauge('waiting_reports', 'Reports that wait for their commit.', load.reports),
    gauge('waiting_weight', 'The same by what they cost to store.', load.weight),
    gauge('oldest_waits_ms', 'How long the oldest of them has waited.', load.oldestMs),
    gauge('commit_ms', 'How long the last commit took.', load.commitMs),
    gauge('failing_ms', 'For how long no commit has succeeded; 0 while they do.', load.failingSinceMs ?? 0),
  ]
}

/** How SDKs report is told with the ruleset; where that cannot be read, nobody is told anything new. */
async function evidenceAge({ hub, ingest }: AppDeps, environments: readonly EnvironmentRecord[]): Promise<Sample> {
  const { oldestMs, commitMs } = ingest.load()
  const values: Sample['values'][number][] = []
  for (const { name } of environments) {
    const edition = await hub.edition(name).catch(() => undefined)
    if (edition === undefined) continue
    values.push({ labels: { environment: name }, value: edition.cadence.flushMs + oldestMs + commitMs })
  }
  return {
    name: 'pipit_evidence_age_ms',
    help: 'How long ago something may have happened at an SDK that is connected, and not be in the evidence yet.',
    kind: 'gauge',
    values,
  }
}

/** Everything /metrics tells. No keys of rollouts and no names of people: the page needs no token. */
export async function gatherSamples(deps: AppDeps, requests: RequestCounter): Promise<readonly Sample[]> {
  const environments = await deps.storage.environments.list()
  const rollouts: { labels: { environment: string; phase: string }; value: number }[] = []
  for (const { name } of environments) {
    const byPhase = new Map<string, number>()
    for (const { state } of await deps.storage.rollouts.list(name)) {
      byPhase.set(state.phase, (byPhase.get(state.phase) ?? 0) + 1)
    }
    for (const [phase, value] of byPhase) rollouts.push({ labels: { environment: name, phase }, value })
  }
  const { sockets, ...hub } = deps.hub.counters()
  return [
    requests.sample(),
    counterSamples('ingest', 'Counts of the ingest', deps.ingest.counters()),
    ...loadSamples(deps.ingest.load()),
    await evidenceAge(deps, environments),
    counterSamples('push', 'Counts of the push hub', hub),
    counterSamples('retention', 'Old rows that were added up or dropped', deps.retention.counters()),
    { name: 'pipit_sockets', help: 'Open SDK sockets.', kind: 'gauge', values: [{ value: sockets ?? 0 }] },
    {
      name: 'pipit_instances',
      help: 'SDK instances heard lately, servers and pages.',
      kind: 'gauge',
      values: environments.flatMap(({ name }) => {
        const instances = deps.hub.instances(name)
        const pages = instances.filter((instance) => instance.kind === 'page').length
        return [
          { labels: { environment: name, kind: 'server' }, value: instances.length - pages },
          { labels: { environment: name, kind: 'page' }, value: pages },
        ]
      }),
    },
    { name: 'pipit_rollouts', help: 'Rollouts by phase.', kind: 'gauge', values: rollouts },
    {
      name: 'process_resident_memory_bytes',
      help: 'Resident memory.',
      kind: 'gauge',
      values: [{ value: process.memoryUsage.rss() }],
    },
  ]
}
