import type { Issue } from '@pipit/shared/base'
import { nearest, type Rule, type Variant, validateCondition, validateRules } from '@pipit/shared/rules'
import { z } from 'zod'
import { checkRollout } from './check.ts'
import type { CohortDefinition, MetricDefinition, RolloutDefinition, Stage } from './definition.ts'
import { cohortSchema, metricSchema, type RolloutInput, rolloutSchema } from './schema.ts'

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
  const parsed = rolloutSchema.safeParse(input)
  if (!parsed.success) return { ok: false, issues: issuesOf(parsed.error, input) }
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
  const parsed = cohortSchema.safeParse(input)
  if (!parsed.success) return { ok: false, issues: issuesOf(parsed.error, input) }
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
  const parsed = metricSchema.safeParse(input)
  return parsed.success
    ? { ok: true, definition: metricOf(parsed.data) }
    : { ok: false, issues: issuesOf(parsed.error, input) }
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
    browser: input.browser ?? false,
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

/** `stages.2.weight` of a library as people write it: `stages[2].weight`. */
export function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, part) =>
      typeof part === 'number' ? `${text}[${part}]` : text === '' ? String(part) : `${text}.${String(part)}`,
    '',
  )
}

/** Faults of a schema as issues; an unknown field is told with the known one that is nearest. */
export function issuesOf(error: z.ZodError, input: unknown): Issue[] {
  return error.issues.flatMap((issue) => {
    const path = pathText(issue.path)
    if (issue.code !== 'unrecognized_keys') return [{ path, message: wording(issue, input) }]
    return issue.keys.map((field) => {
      const meant = nearest(field, knownFields)
      return {
        path: path === '' ? field : `${path}.${field}`,
        message: `is not known${meant === undefined || meant === field ? ' here' : `; did you mean ${meant}?`}`,
      }
    })
  })
}

const fieldsOf = (schema: z.ZodType): string[] => (schema instanceof z.ZodObject ? Object.keys(schema.shape) : [])
const knownFields: readonly string[] = [
  ...new Set([
    ...fieldsOf(rolloutSchema),
    ...fieldsOf(cohortSchema),
    ...fieldsOf(metricSchema),
    ...[
      'name',
      'weight',
      'cohorts',
      'hold',
      'maxHold',
      'approval',
      'minUnits',
      'metric',
      'worseThan',
      'noWorseThan',
      'action',
    ],
    ...['relative', 'absolute', 'null', 'tick', 'alpha', 'warmup', 'armNoise', 'maxMargin', 'share', 'payload'],
  ]),
]

function wording(issue: z.core.$ZodIssue, input: unknown): string {
  if (issue.code === 'invalid_type') {
    const found = issue.path.reduce<unknown>(
      (value, part) => (typeof value === 'object' && value !== null ? Reflect.get(value, part) : undefined),
      input,
    )
    return found === undefined
      ? `is missing; it must be ${article(issue.expected)}`
      : `must be ${article(issue.expected)}`
  }
  return issue.message
}

const article = (type: string): string => (/^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`)
