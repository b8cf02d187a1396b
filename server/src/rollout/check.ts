import type { Issue } from '@pipit/shared/base'
import { checkMetrics, duplicates } from './check-metrics.ts'
import type { MetricDefinition, RolloutDefinition } from './definition.ts'
import { checkPayloads } from './payload/check-payloads.ts'

/** True for 0 to 100 in steps of 0.001. */
export function isWeight(value: number): boolean {
  return value >= 0 && value <= 100 && isStep(value)
}

/** A multiple of 0.001, give or take the error of a double. */
export function isStep(value: number): boolean {
  return Math.abs(value * 1000 - Math.round(value * 1000)) < 1e-6
}

/** Faults that need more than one field of a rollout to see. */
export function checkRollout(
  definition: RolloutDefinition,
  environmentMetrics: readonly MetricDefinition[] | undefined,
): Issue[] {
  return [
    ...checkStages(definition),
    ...checkVariants(definition),
    ...checkPayloads(definition),
    ...checkMetrics(definition, environmentMetrics),
    ...checkSlices(definition),
    ...checkAnalysis(definition),
  ]
}

function checkStages({ stages }: RolloutDefinition): Issue[] {
  const issues = duplicates(
    stages.map((stage) => stage.name),
    (i) => `stages[${i}].name`,
    'the name of a stage',
  )
  stages.forEach((stage, i) => {
    const before = stages[i - 1]
    if (before !== undefined && stage.weight < before.weight) {
      issues.push({
        path: `stages[${i}].weight`,
        message: `is ${stage.weight}, less than the ${before.weight} of the stage before; weights do not fall`,
      })
    }
    if (stage.maxHoldMs < stage.holdMs)
      issues.push({ path: `stages[${i}].maxHold`, message: 'must be at least as long as hold' })
  })
  const last = stages.at(-1)
  if (last !== undefined && last.weight !== 100) {
    issues.push({
      path: `stages[${stages.length - 1}].weight`,
      message: 'must be 100: the last stage gives everybody the canary',
    })
  }
  return issues
}

function checkVariants({ variants }: RolloutDefinition): Issue[] {
  const names = variants.map((variant) => variant.name)
  const issues = duplicates(names, (i) => `variants[${i}].name`, 'the name of a variant')
  if (names[0] !== 'stable')
    issues.push({
      path: 'variants[0].name',
      message: 'must be "stable": the first variant is the one everybody has now',
    })
  return issues
}

function checkSlices({ slices }: RolloutDefinition): Issue[] {
  return duplicates(slices, (i) => `slices[${i}]`, 'a slice')
}

function checkAnalysis({ analysis }: RolloutDefinition): Issue[] {
  if (analysis.tickMs >= 200 && analysis.tickMs <= 60_000) return []
  return [{ path: 'analysis.tick', message: 'must be from 200ms to 1m' }]
}
