import { formatDuration } from '@pipit/shared/clock'

/** What the commands print, as plain text for people. */

interface Row {
  readonly [column: string]: string
}

/** Columns as wide as their widest cell. */
export function table(rows: readonly Row[]): string {
  const columns = Object.keys(rows[0] ?? {})
  const width = (column: string): number => Math.max(column.length, ...rows.map((row) => (row[column] ?? '').length))
  const line = (cell: (column: string) => string): string =>
    columns
      .map((column) => cell(column).padEnd(width(column)))
      .join('  ')
      .trimEnd()
  return [line((column) => column.toUpperCase()), ...rows.map((row) => line((column) => row[column] ?? ''))].join('\n')
}

export interface ShownRollout {
  readonly key: string
  readonly phase: string
  readonly stage?: string
  readonly weight: number
  readonly since: number
  readonly version: number
  readonly why?: string
  readonly stages: readonly { readonly name: string; readonly weight: number }[]
  readonly verdict?: {
    readonly label: string
    readonly sentence: string
    readonly units: { readonly canary: number; readonly stable: number }
  }
}

export interface ShownMetric {
  readonly metric: string
  readonly kind: string
  readonly canary: { readonly n: number; readonly rate?: number }
  readonly stable: { readonly n: number; readonly rate?: number }
  readonly sentence: string
}

export function rolloutTable(rollouts: readonly ShownRollout[]): string {
  if (rollouts.length === 0) return 'There is no rollout here yet; make one with `pipit apply -f rollout.yaml`.'
  return table(
    rollouts.map(({ key, phase, stage, weight, since, verdict }) => ({
      key,
      phase,
      stage: stage ?? '-',
      weight: `${weight} %`,
      since: time(since),
      verdict: verdict === undefined ? '-' : `${verdict.label}: ${verdict.sentence}`,
    })),
  )
}

/** What `analysis` answers, as far as it is printed. */
export interface ShownAnalysis {
  readonly judgement?: {
    readonly metrics: readonly ShownMetric[]
    readonly checks: readonly { readonly sentence: string; readonly action: string }[]
  }
  readonly score?: {
    readonly score?: number
    readonly label: string
    readonly metrics: readonly {
      readonly metric: string
      readonly classification: string
      readonly towardsRevert: number
      readonly towardsAdvance?: number
    }[]
  }
}

/** What `convergence` answers of a version, as far as it is printed. */
export interface ShownConvergence {
  readonly version: number
  readonly complete: boolean
  readonly instances: number
  readonly applied: number
  readonly behind: readonly ShownLaggard[]
  readonly unreached: readonly ShownLaggard[]
  readonly unreachedCount: number
}

interface ShownLaggard {
  readonly instance: string
  readonly version: number
  readonly sinceMs: number
}

/** How far the newest change has come: complete, or who decides by an older one. */
export function pushedText(newest: ShownConvergence | undefined): string {
  if (newest === undefined) return 'pushed   nothing since the server started'
  const { version, complete, instances, applied, behind, unreached, unreachedCount } = newest
  const named = (laggards: readonly ShownLaggard[], count: number): string => {
    const names = laggards
      .slice(0, 5)
      .map((one) => `${one.instance} (version ${one.version}, ${formatDuration(one.sinceMs)})`)
    return [...names, ...(count > names.length ? [`${count - names.length} more`] : [])].join(', ')
  }
  const late = instances - applied - unreachedCount
  return [
    `pushed   version ${version}: confirmed by ${applied} of ${instances}, ${complete ? 'complete' : 'not complete'}`,
    ...(late > 0 ? [`behind   ${named(behind, late)}`] : []),
    ...(unreachedCount > 0 ? [`missed   ${named(unreached, unreachedCount)}`] : []),
  ].join('\n')
}

export function statusText(rollout: ShownRollout, { judgement, score }: ShownAnalysis): string {
  const metrics = judgement?.metrics ?? []
  const { key, phase, stage, stages, weight, since, version, why, verdict } = rollout
  const track = stages.map(({ name, weight: share }) =>
    name === stage ? `[${name} ${share} %]` : `${name} ${share} %`,
  )
  const lines = [
    `${key}: ${phase} since ${time(since)}, ${weight} %, version ${version}`,
    `stages   ${track.join(' → ')}`,
    ...(why === undefined ? [] : [`why      ${why}`]),
    ...(verdict === undefined
      ? ['verdict  none yet']
      : [
          `verdict  ${verdict.label}: ${verdict.sentence}`,
          `units    canary ${verdict.units.canary}, stable ${verdict.units.stable}`,
        ]),
    ...(judgement?.checks ?? []).map(({ action, sentence }) => `check    ${action}: ${sentence}`),
    ...(score?.score === undefined ? [] : [`score    ${score.score.toFixed(0)} of 100: ${score.label} (for reading)`]),
  ]
  const rows = metrics.map((metric) => {
    const scored = score?.metrics.find((entry) => entry.metric === metric.metric)
    return {
      metric: metric.metric,
      canary: figure(metric, metric.canary),
      stable: figure(metric, metric.stable),
      is: scored?.classification ?? '-',
      'to revert': scored === undefined ? '-' : `${scored.towardsRevert} %`,
      'to advance': scored?.towardsAdvance === undefined ? '-' : `${scored.towardsAdvance} %`,
      says: metric.sentence,
    }
  })
  return rows.length === 0 ? lines.join('\n') : `${lines.join('\n')}\n\n${table(rows)}`
}

const rates: ReadonlySet<string> = new Set(['error_rate', 'success_rate', 'latency', 'conversion'])

function figure({ kind }: ShownMetric, { n, rate }: ShownMetric['canary']): string {
  if (rate === undefined) return '-'
  return rates.has(kind) ? `${(rate * 100).toFixed(2)} % of ${n}` : `${Number(rate.toPrecision(4))} over ${n}`
}

const time = (at: number): string => new Date(at).toISOString().replace(/\.\d+Z$/, 'Z')
