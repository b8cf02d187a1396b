import type { Issue } from '@pipit/shared/base'
import type { Gate, Guard, Limit, Margin, MetricDefinition, RolloutDefinition } from './definition.ts'
import { builtInKind, higherIsBetter, type MetricKind, metricKind, valueKinds } from './metric.ts'

interface Known {
  /** All metrics of the environment are among `metrics`. */
  readonly all: boolean
  readonly metrics: readonly MetricDefinition[]
}

/** Faults of metrics and of what guards and gates ask of them. */
export function checkMetrics(
  definition: RolloutDefinition,
  environmentMetrics: readonly MetricDefinition[] | undefined,
): Issue[] {
  const { guards, gates, metrics } = definition
  const known = { all: environmentMetrics !== undefined, metrics: [...metrics, ...(environmentMetrics ?? [])] }
  const keysOf = (list: readonly { readonly metric: string }[]): string[] => list.map(({ metric }) => metric)
  return [
    ...duplicates(
      metrics.map((metric) => metric.key),
      (i) => `metrics[${i}].key`,
      'the key of a metric',
    ),
    ...duplicates(keysOf(guards), (i) => `guards[${i}].metric`, 'guarded'),
    ...duplicates(keysOf(gates), (i) => `gates[${i}].metric`, 'a gate'),
    ...metrics.flatMap((metric, i) => checkMetric(metric, `metrics[${i}]`)),
    ...guards.flatMap((guard, i) => checkGuard(guard, `guards[${i}]`, known)),
    ...gates.flatMap((gate, i) => checkGate(gate, `gates[${i}]`, known)),
  ]
}

/** Faults of one metric; `path` is that of its definition, empty where it is the whole. */
export function checkMetric(metric: MetricDefinition, path: string): Issue[] {
  const at = (field: string): string => (path === '' ? field : `${path}.${field}`)
  const issues: Issue[] = []
  if (builtInKind(metric.key) !== undefined) {
    issues.push({ path: at('key'), message: `"${metric.key}" is built in; choose another key` })
  }
  const everyMs = metric.kind === 'external' ? metric.query?.everyMs : undefined
  if (everyMs !== undefined && everyMs < 1000) {
    issues.push({ path: at('query.every'), message: 'must be at least 1s' })
  }
  return issues
}

/** The kind of a metric, or the fault that there is none; neither where it may be a metric of the environment. */
function kindOf(metric: string, path: string, known: Known): { readonly kind?: MetricKind; readonly issues: Issue[] } {
  const kind = metricKind(metric, known.metrics)
  if (kind !== undefined) return { kind, issues: [] }
  // It may be a metric of the environment; whoever knows those checks again.
  if (!known.all) return { issues: [] }
  const names = ['error_rate', 'success_rate', 'throughput', 'latency_p99', ...known.metrics.map(({ key }) => key)]
  const message = `there is no metric "${metric}"; there are ${names.join(', ')} (and error_rate_5xx and the like, other latency_pNN)`
  return { issues: [{ path: `${path}.metric`, message }] }
}

function checkGuard({ metric, worseThan, never, null: null_ }: Guard, path: string, known: Known): Issue[] {
  const { kind, issues } = kindOf(metric, path, known)
  if (worseThan === undefined && never === undefined) {
    return [{ path, message: 'must have worseThan (against stable), never (a bound without a comparison), or both' }]
  }
  if (kind === undefined) return issues
  return [
    ...(null_ === 'margin' ? checkNull(kind, worseThan, `${path}.null`) : []),
    ...(worseThan === undefined ? [] : checkMargin(metric, kind, worseThan, `${path}.worseThan`, known)),
    ...(never === undefined ? [] : checkLimit(metric, kind, never, `${path}.never`, known)),
  ]
}

/** `null: margin` needs a margin that the harm test can be about. */
function checkNull(kind: MetricKind, worseThan: Margin | undefined, path: string): Issue[] {
  if (worseThan === undefined) return [{ path, message: 'margin is that of worseThan, which is not there' }]
  if (kind !== 'latency') return []
  return [
    { path, message: 'margin is not for latencies: theirs is in milliseconds, harm is counted in slower requests' },
  ]
}

function checkGate({ metric, noWorseThan, betterThan, weight }: Gate, path: string, known: Known): Issue[] {
  const { kind, issues } = kindOf(metric, path, known)
  if (noWorseThan === undefined && betterThan === undefined) {
    return [{ path, message: 'must have noWorseThan (within a margin), betterThan (superiority), or both' }]
  }
  if (weight !== undefined && betterThan === undefined) {
    issues.push({ path: `${path}.weight`, message: 'is the share of a claim "better"; it needs betterThan' })
  }
  if (kind === undefined) return issues
  if (noWorseThan !== undefined) {
    issues.push(...checkMargin(metric, kind, noWorseThan, `${path}.noWorseThan`, known))
  }
  if (betterThan !== undefined) issues.push(...checkBetter(metric, kind, betterThan.relative, path, known))
  return issues
}

/** Kinds whose margin is a ratio only. */
const ratioOnly: ReadonlySet<MetricKind> = new Set([...valueKinds, 'conversion', 'latency', 'throughput', 'external'])

function checkMargin(metric: string, kind: MetricKind, margin: Margin, path: string, known: Known): Issue[] {
  const { relative, absolute } = margin
  if (relative === undefined && absolute === undefined)
    return [{ path, message: 'must have relative, absolute, or both' }]
  const issues: Issue[] = []
  const up = higherIsBetter(metric, known.metrics)
  if (relative !== undefined && up && !(relative < 1)) {
    issues.push({ path: `${path}.relative`, message: `must be below 1 for ${metric}: 0.9 tolerates a tenth less` })
  }
  if (relative !== undefined && !up && !(relative > 1)) {
    issues.push({
      path: `${path}.relative`,
      message: `must be above 1 for ${metric}: 1.5 tolerates half as much again`,
    })
  }
  if (absolute !== undefined && ratioOnly.has(kind)) {
    const instead = up ? '0.9' : '1.5'
    issues.push({ path: `${path}.absolute`, message: `is not for ${metric}; give relative, such as ${instead}` })
  }
  return issues
}

function checkBetter(metric: string, kind: MetricKind, relative: number, path: string, known: Known): Issue[] {
  if (kind === 'latency' || kind === 'throughput' || kind === 'external') {
    const message = `is not for ${metric}; superiority can be asked of error and success rates, conversions and values of users`
    return [{ path: `${path}.betterThan`, message }]
  }
  const up = higherIsBetter(metric, known.metrics)
  if (up ? relative >= 1 : relative <= 1) return []
  const example = up
    ? '1 asks for better at all, 1.05 for more than a twentieth better'
    : '1 asks for better at all, 0.9 for more than a tenth less'
  return [
    {
      path: `${path}.betterThan.relative`,
      message: `must be ${up ? 'at least' : 'at most'} 1 for ${metric}: ${example}`,
    },
  ]
}

/** Figures that go on growing while users stay have no bound that would mean the same at every moment. */
const unbounded: ReadonlySet<MetricKind> = new Set(['conversion', 'sum', 'count', 'throughput'])

function checkLimit(metric: string, kind: MetricKind, limit: Limit, path: string, known: Known): Issue[] {
  if (unbounded.has(kind)) {
    const message = `is not for ${metric}, which grows while users stay; compare it with stable by worseThan`
    return [{ path, message }]
  }
  const up = higherIsBetter(metric, known.metrics)
  const side = limit.above === undefined ? 'below' : 'above'
  if (up !== (side === 'below')) {
    return [{ path: `${path}.${side}`, message: `is the good side of ${metric}; give ${up ? 'below' : 'above'}` }]
  }
  const bound = limit.above ?? limit.below ?? 0
  const isRate = kind === 'error_rate' || kind === 'success_rate'
  if (isRate && !(bound > 0 && bound < 1)) {
    return [{ path: `${path}.${side}`, message: 'must be a rate between 0 and 1, such as 0.05' }]
  }
  if (kind === 'latency' && !(bound > 0)) {
    return [{ path: `${path}.${side}`, message: 'must be milliseconds above 0' }]
  }
  return []
}

/** Names that occur more than once, each after its first. */
export function duplicates(names: readonly string[], path: (i: number) => string, what: string): Issue[] {
  return names.flatMap((name, i) =>
    names.indexOf(name) < i ? [{ path: path(i), message: `"${name}" is ${what} twice; give each its own` }] : [],
  )
}
