import type { Issue } from '@pipit/shared/base'
import { nearest, type Rule, type Variant, validateCondition, validateRules } from '@pipit/shared/rules'
import type { z } from 'zod'
import { checkMetricKey, checkRollout } from './check.ts'
import type { CohortDefinition, MetricDefinition, RolloutDefinition, Stage } from './definition.ts'
import { cohortSchema, metricSchema, type RolloutInput, rolloutSchema } from './schema.ts'
import { parseBy } from './wording.ts'

export type ParseResult<D> =
  | { readonly ok: true; readonly definition: D }
  | { readonly ok: false; readonly issues: readonly Issue[] }

/** What a definition may refer to outside itself; absent: not checked here. */
export interface KnownNames {
  readonly cohorts?: readonly string[]
  /** Keys of the environment's metrics. */
  readonly metrics?: readonly MetricDefinition[]
}

/** A rollout file's content (from JSON or YAML) as a definition with every default, or every fault with its path. */
export function parseRollout(input: unknown, known: KnownNames = {}): ParseResult<RolloutDefinition> {
  const parsed = parseBy(rolloutSchema, input)
  if (!parsed.ok) return parsed
  const definition = complete(parsed.data)
  const variants = definition.variants.map((variant) => variant.name)
  const issues = [
    ...checkRollout(definition, known.metrics),
    ...validateRules(definition.rules, { variants, cohorts: known.cohorts }, 'rules'),
    ...unknownCohorts(definition.stages, known.cohorts),
  ]
  return issues.length === 0 ? { ok: true, definition } : { ok: false, issues }
}

export function parseCohort(input: unknown): ParseResult<CohortDefinition> {
  const parsed = parseBy(cohortSchema, input)
  if (!parsed.ok) return parsed
  const { key, description, when, members } = parsed.data
  const issues = when === undefined ? [] : validateCondition(when, 'when')
  if (when === undefined && members === undefined) {
    issues.push({ path: '', message: 'must have a condition (when), a list of members, or both' })
  }
  if (issues.length > 0) return { ok: false, issues }
  return {
    ok: true,
    definition: {
      key,
      ...(description === undefined ? {} : { description }),
      ...(when === undefined ? {} : { when: when as NonNullable<CohortDefinition['when']> }),
      ...(members === undefined ? {} : { members: [...new Set(members)] }),
    },
  }
}

export function parseMetric(input: unknown): ParseResult<MetricDefinition> {
  const parsed = parseBy(metricSchema, input)
  if (!parsed.ok) return parsed
  const definition = metricOf(parsed.data)
  const issues = checkMetricKey(definition.key, 'key')
  return issues.length === 0 ? { ok: true, definition } : { ok: false, issues }
}

function metricOf({ window, description, ...rest }: z.infer<typeof metricSchema>): MetricDefinition {
  return { ...rest, windowMs: window ?? 7 * 86_400_000, ...(description === undefined ? {} : { description }) }
}

function complete(input: RolloutInput): RolloutDefinition {
  return {
    key: input.key,
    ...(input.description === undefined ? {} : { description: input.description }),
    ...(input.unit === undefined ? {} : { unit: input.unit }),
    variants: (input.variants ?? [{ name: 'stable' }, { name: 'canary' }]) as readonly Variant[],
    rules: (input.rules ?? []) as unknown as readonly Rule[],
    stages: input.stages.map(completeStage),
    guards: (input.guards ?? []).map(({ weight, ...guard }) => ({
      ...guard,
      worseThan: marginOf(guard.worseThan),
      null: guard.null ?? 'stable',
      ...(weight === undefined ? {} : { weight }),
    })),
    gates: (input.gates ?? []).map((gate) => ({ metric: gate.metric, noWorseThan: marginOf(gate.noWorseThan) })),
    metrics: (input.metrics ?? []).map(metricOf),
    revertTo: input.revertTo ?? 'zero',
    onInconclusive: input.onInconclusive ?? 'pause',
    breaker: input.breaker ?? true,
    ...(input.deadman === undefined ? {} : { deadmanMs: input.deadman }),
    unitSample: input.unitSample ?? 1,
    analysis: {
      tickMs: input.analysis?.tick ?? 5000,
      alpha: input.analysis?.alpha ?? 0.01,
      warmupMs: input.analysis?.warmup ?? 30_000,
      armNoise: input.analysis?.armNoise ?? 0.02,
      maxMargin: input.analysis?.maxMargin ?? 3,
    },
  }
}

const marginOf = ({ relative, absolute }: { relative?: number | undefined; absolute?: number | undefined }) => ({
  ...(relative === undefined ? {} : { relative }),
  ...(absolute === undefined ? {} : { absolute }),
})

function completeStage(stage: RolloutInput['stages'][number]): Stage {
  const holdMs = stage.hold ?? 0
  const cohorts = stage.cohorts ?? []
  return {
    name: stage.name,
    weight: Math.round(stage.weight * 1000) / 1000,
    cohorts,
    holdMs,
    maxHoldMs: stage.maxHold ?? 4 * Math.max(holdMs, 300_000),
    approval: stage.approval ?? false,
    minUnits: stage.minUnits ?? (stage.weight > 0 ? 30 : cohorts.length > 0 ? 1 : 0),
  }
}

function unknownCohorts(stages: readonly Stage[], cohorts: readonly string[] | undefined): Issue[] {
  if (cohorts === undefined) return []
  return stages.flatMap((stage, i) =>
    stage.cohorts.flatMap((cohort, j) => {
      if (cohorts.includes(cohort)) return []
      const meant = nearest(cohort, cohorts)
      return [
        {
          path: `stages[${i}].cohorts[${j}]`,
          message: `there is no cohort "${cohort}"${meant === undefined ? '; create it first' : `; did you mean "${meant}"?`}`,
        },
      ]
    }),
  )
}
