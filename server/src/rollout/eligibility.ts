import type { Issue } from '@pipit/shared/base'
import { type LayerRange, nearest } from '@pipit/shared/rules'
import { duplicates } from './check-metrics.ts'
import type { MetricDefinition, RolloutDefinition } from './definition.ts'
import { comparedMetrics } from './project-ruleset.ts'

/** Another rollout of the same environment that is not archived. */
export type Neighbour = Pick<RolloutDefinition, 'key' | 'variants' | 'unit' | 'assign' | 'prerequisites' | 'layer'>

/** Prerequisites that may be followed one through the other; SDKs follow no further. */
const chainLimit = 8
/** Decisions about prerequisites, and theirs, that one decision may take: SDKs make them anew along each way. */
const decisionLimit = 100

/** Faults of who may take part that the rollout shows by itself. */
export function checkEligibility(
  definition: RolloutDefinition,
  environmentMetrics: readonly MetricDefinition[] | undefined,
): Issue[] {
  const { key, prerequisites = [], layer, unit } = definition
  const issues = duplicates(
    prerequisites.map(({ rollout }) => rollout),
    (i) => `prerequisites[${i}].rollout`,
    'a prerequisite',
  )
  if (Array.isArray(unit)) issues.push(...duplicates(unit, (i) => `unit[${i}]`, 'an attribute of the unit'))
  prerequisites.forEach(({ rollout, variant }, i) => {
    if (rollout === key) issues.push({ path: `prerequisites[${i}].rollout`, message: 'is this rollout itself' })
    if (variant === 'stable') {
      const message =
        'is "stable", which nearly everybody has; name another variant, or leave it out to ask for any but stable'
      issues.push({ path: `prerequisites[${i}].variant`, message })
    }
  })
  if (layer !== undefined && layer.from >= layer.to) {
    issues.push({ path: 'layer.to', message: `is ${layer.to}; it must be more than from, which is ${layer.from}` })
  }
  return definition.assign === 'request' ? [...issues, ...checkByRequest(definition, environmentMetrics)] : issues
}

/** What needs somebody who comes back makes no sense where each request is dealt out by itself. */
function checkByRequest(
  definition: RolloutDefinition,
  environmentMetrics: readonly MetricDefinition[] | undefined,
): Issue[] {
  const issues: Issue[] = []
  const because = 'needs a unit, and with assign: request there is none'
  if (definition.unit !== undefined)
    issues.push({ path: 'unit', message: `has no use with assign: request; leave one out` })
  if (definition.layer !== undefined) issues.push({ path: 'layer', message: because })
  if (definition.unitSample < 1) issues.push({ path: 'unitSample', message: because })
  definition.stages.forEach(({ minUnits }, i) => {
    if (minUnits > 0) issues.push({ path: `stages[${i}].minUnits`, message: `${because}; leave it out, or make it 0` })
  })
  const counted = comparedMetrics(definition, environmentMetrics ?? []).filter(({ kind }) => kind !== 'external')
  const perUnit = new Set(counted.map(({ key }) => key))
  for (const list of ['guards', 'gates'] as const) {
    definition[list].forEach(({ metric }, i) => {
      if (!perUnit.has(metric)) return
      issues.push({ path: `${list}[${i}].metric`, message: `"${metric}" counts what units do: it ${because}` })
    })
  }
  return issues
}

/** Faults that show only among the environment's other rollouts: prerequisites that are not there or go round, parts of a layer taken twice. */
export function checkNeighbours(definition: Neighbour, others: readonly Neighbour[]): Issue[] {
  return [
    ...checkPrerequisites(definition, others),
    ...checkChain(definition, others),
    ...checkDependents(definition, others),
    ...checkLayer(definition, others),
  ]
}

function checkPrerequisites({ prerequisites = [] }: Neighbour, others: readonly Neighbour[]): Issue[] {
  return prerequisites.flatMap(({ rollout, variant }, i): Issue[] => {
    const path = `prerequisites[${i}]`
    const other = others.find(({ key }) => key === rollout)
    if (other === undefined) {
      const meant = nearest(
        rollout,
        others.map(({ key }) => key),
      )
      const hint = meant === undefined ? 'make it first' : `did you mean "${meant}"?`
      return [{ path: `${path}.rollout`, message: `there is no rollout "${rollout}" that is not archived; ${hint}` }]
    }
    if (other.assign === 'request') {
      const message = `"${rollout}" deals out each request by itself: nobody has a variant of it to keep`
      return [{ path: `${path}.rollout`, message }]
    }
    const names = other.variants.map(({ name }) => name)
    if (variant === undefined || names.includes(variant)) return []
    return [
      { path: `${path}.variant`, message: `"${variant}" is no variant of ${rollout}; it has ${names.join(', ')}` },
    ]
  })
}

function checkChain(definition: Neighbour, others: readonly Neighbour[]): Issue[] {
  const all = new Map([...others, definition].map((neighbour) => [neighbour.key, neighbour]))
  const path = 'prerequisites'
  /** Rollouts without a fault behind them, with the longest trail that led there: many ways lead to the same ones. */
  const fine = new Map<string, number>()
  function walk(key: string, trail: readonly string[]): Issue | undefined {
    if (trail.length <= (fine.get(key) ?? -1)) return undefined
    const chain = [...trail, key].join(' → ')
    if (trail.includes(key)) return { path, message: `go round in a circle: ${chain}` }
    if (trail.length > chainLimit) return { path, message: `go through more than ${chainLimit} rollouts: ${chain}` }
    for (const { rollout } of all.get(key)?.prerequisites ?? []) {
      const fault = walk(rollout, [...trail, key])
      if (fault !== undefined) return fault
    }
    fine.set(key, trail.length)
    return undefined
  }
  // A circle that is new goes through this rollout; a chain that is too long may begin before it.
  for (const key of [definition.key, ...others.map((other) => other.key)]) {
    const fault = walk(key, [])
    if (fault !== undefined) return [fault]
  }
  const costs = new Map<string, number>()
  function costOf(key: string): number {
    const known = costs.get(key)
    if (known !== undefined) return known
    const cost = (all.get(key)?.prerequisites ?? []).reduce((sum, { rollout }) => sum + 1 + costOf(rollout), 0)
    costs.set(key, cost)
    return cost
  }
  for (const key of [definition.key, ...all.keys()]) {
    const cost = costOf(key)
    if (cost <= decisionLimit) continue
    const message = `make each decision about ${key} take ${cost} about others; at most ${decisionLimit} are taken: leave out those that another prerequisite asks for already`
    return [{ path, message }]
  }
  return []
}

/** What others ask of this rollout must stay there. */
function checkDependents(definition: Neighbour, others: readonly Neighbour[]): Issue[] {
  const names = definition.variants.map(({ name }) => name)
  return others.flatMap((other) =>
    (other.prerequisites ?? []).flatMap(({ rollout, variant }): Issue[] => {
      if (rollout !== definition.key) return []
      if (definition.assign === 'request') {
        const message = `cannot be request: rollout ${other.key} is only for those who have a variant of this one`
        return [{ path: 'assign', message }]
      }
      if (variant === undefined || names.includes(variant)) return []
      return [{ path: 'variants', message: `must keep "${variant}": it is a prerequisite of rollout ${other.key}` }]
    }),
  )
}

function checkLayer({ key, layer, unit }: Neighbour, others: readonly Neighbour[]): Issue[] {
  if (layer === undefined) return []
  const shared = others.flatMap((other) =>
    other.layer?.name === layer.name && other.key !== key ? [{ ...other, layer: other.layer }] : [],
  )
  const otherUnit = shared.find((other) => unitText(other.unit) !== unitText(unit))
  if (otherUnit !== undefined) {
    const message = `is ${unitText(unit)}, but rollout ${otherUnit.key} of layer "${layer.name}" assigns ${unitText(otherUnit.unit)}: whom they exclude would be different people`
    return [{ path: 'unit', message }]
  }
  const taken = shared.filter((other) => layer.from < other.layer.to && other.layer.from < layer.to)
  if (taken.length === 0) return []
  const who = taken.map((other) => `${rangeText(other.layer)} of ${other.key}`).join(', ')
  const free = freeRanges(shared.map((other) => other.layer))
  const rest = free.length === 0 ? 'nothing is free' : `free: ${free.map(rangeText).join(', ')}`
  return [{ path: 'layer', message: `${rangeText(layer)} of "${layer.name}" overlaps ${who}; ${rest}` }]
}

const unitText = (unit: Neighbour['unit']): string => (Array.isArray(unit) ? unit.join(', ') : String(unit ?? 'id'))
const rangeText = ({ from, to }: Pick<LayerRange, 'from' | 'to'>): string => `${from} to ${to} %`

function freeRanges(taken: readonly LayerRange[]): readonly { readonly from: number; readonly to: number }[] {
  const free: { from: number; to: number }[] = []
  let at = 0
  for (const { from, to } of [...taken].sort((a, b) => a.from - b.from)) {
    if (from > at) free.push({ from: at, to: from })
    at = Math.max(at, to)
  }
  return at < 100 ? [...free, { from: at, to: 100 }] : free
}
