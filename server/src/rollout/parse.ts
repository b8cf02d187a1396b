import type { Issue } from '@pipit/shared/base'
import { nearest, type Rule, type Variant, validateCondition, validateRules } from '@pipit/shared/rules'
import type { z } from 'zod'
import { checkRollout } from './check.ts'
import { checkMetric } from './check-metrics.ts'
import type {
  CheckAction,
  CheckName,
  CohortInput,
  Gate,
  Guard,
  Limit,
  MetricDefinition,
  RolloutDefinition,
  Stage,
} from './definition.ts'
import { checkEligibility, checkNeighbours, type Neighbour } from './eligibility.ts'
import type { JsonSchema } from './payload/keywords.ts'
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
  /** The environment's other rollouts that are not archived. */
  readonly rollouts?: readonly Neighbour[]
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
    ...checkEligibility(definition, known.metrics),
    ...(known.rollouts === undefined ? [] : checkNeighbours(definition, known.rollouts)),
  ]
  return issues.length === 0 ? { ok: true, definition } : { ok: false, issues }
}

/** Whether it has a condition or members is for whoever knows those that it has already. */
export function parseCohort(input: unknown): ParseResult<CohortInput> {
  const parsed = parseBy(cohortSchema, input)
  if (!parsed.ok) return parsed
  const { key, description, when, members } = parsed.data
  const issues = when === undefined ? [] : validateCondition(when, 'when')
  if (issues.length > 0) return { ok: false, issues }
  return {
    ok: true,
    definition: {
      key,
      ...(description === undefined ? {} : { description }),
      ...(when === undefined ? {} : { when: when as NonNullable<CohortInput['when']> }),
      ...(members === undefined ? {} : { members: [...new Set(members)] }),
    },
  }
}

export function parseMetric(input: unknown): ParseResult<MetricDefinition> {
  const parsed = parseBy(metricSchema, input)
  if (!parsed.ok) return parsed
  const definition = metricOf(parsed.data)
  const issues = checkMetric(definition, '')
  return issues.length === 0 ? { ok: true, definition } : { ok: false, issues }
}

const defaultQueryMs = 30_000
const defaultWindowMs = 7 * 86_400_000

function metricOf(input: z.infer<typeof metricSchema>): MetricDefinition {
  const { key, description, better } = input
  const base = { key, better: better ?? 'higher', ...(description === undefined ? {} : { description }) }
  if (input.kind === 'external') {
    if (input.query === undefined) return { ...base, kind: 'external' }
    const { every, ...query } = input.query
    return { ...base, kind: 'external', query: { ...query, everyMs: every ?? defaultQueryMs } }
  }
  const windowMs = input.window ?? defaultWindowMs
  if (input.kind === 'conversion') return { ...base, kind: input.kind, event: input.event, windowMs }
  const cap = input.cap === undefined ? {} : { cap: input.cap }
  if (input.kind === 'ratio') {
    return { ...base, kind: 'ratio', numerator: input.numerator, denominator: input.denominator, windowMs, ...cap }
  }
  return { ...base, kind: input.kind, event: input.event, windowMs, ...cap }
}

/** Missing or doubtful evidence keeps a stage from advancing; evidence that cannot be trusted stops the rollout until a person looks. */
const defaultChecks: { readonly [K in CheckName]: CheckAction } = {
  sampleRatio: 'pause',
  missingReports: 'pause',
  bothArms: 'pause',
  tooFewUnits: 'hold',
  staleEvidence: 'hold',
  noData: 'hold',
  sharedIncident: 'hold',
}

function complete(input: RolloutInput): RolloutDefinition {
  return {
    key: input.key,
    ...(input.description === undefined ? {} : { description: input.description }),
    ...peopleOf(input),
    variants: (input.variants ?? [{ name: 'stable' }, { name: 'canary' }]) as readonly Variant[],
    ...(input.payloadSchema === undefined ? {} : { payloadSchema: input.payloadSchema as JsonSchema }),
    rules: (input.rules ?? []) as unknown as readonly Rule[],
    stages: input.stages.map((stage) => completeStage(stage, input.assign === 'request')),
    guards: (input.guards ?? []).map(guardOf),
    gates: (input.gates ?? []).map(gateOf),
    metrics: (input.metrics ?? []).map(metricOf),
    revertTo: input.revertTo ?? 'zero',
    onInconclusive: input.onInconclusive ?? 'pause',
    breaker: input.breaker ?? true,
    ...(input.deadman === undefined ? {} : { deadmanMs: input.deadman }),
    unitSample: input.unitSample ?? 1,
    ...(input.browser === true ? { browser: true as const } : {}),
    slices: input.slices ?? [],
    checks: { ...defaultChecks, ...present(input.checks ?? {}) },
    analysis: {
      tickMs: input.analysis?.tick ?? 5000,
      alpha: input.analysis?.alpha ?? 0.01,
      warmupMs: input.analysis?.warmup ?? 30_000,
      armNoise: input.analysis?.armNoise ?? 0.02,
      maxMargin: input.analysis?.maxMargin ?? 3,
    },
  }
}

/** Optional fields as they are in a definition: absent instead of `undefined`. */
type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> }
function present<T extends object>(fields: T): Present<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<T>
}

type GuardInput = NonNullable<RolloutInput['guards']>[number]
type GateInput = NonNullable<RolloutInput['gates']>[number]

function guardOf({ metric, action, null: null_, worseThan, never, weight }: GuardInput): Guard {
  return {
    metric,
    ...(worseThan === undefined ? {} : { worseThan: present(worseThan) }),
    ...(never === undefined ? {} : { never: limitOf(never) }),
    action,
    null: null_ ?? 'stable',
    ...(weight === undefined ? {} : { weight }),
  }
}

/** The schema lets exactly one side through. */
const limitOf = ({ above, below }: NonNullable<GuardInput['never']>): Limit =>
  above === undefined ? { below: below ?? 0 } : { above }

function gateOf({ metric, noWorseThan, betterThan, weight }: GateInput): Gate {
  return {
    metric,
    ...(noWorseThan === undefined ? {} : { noWorseThan: present(noWorseThan) }),
    ...present({ betterThan, weight }),
  }
}

/** What is assigned, and who may take part. */
function peopleOf({ unit, assign, prerequisites = [], layer }: RolloutInput): Partial<RolloutDefinition> {
  return {
    ...(unit === undefined ? {} : { unit }),
    ...(assign === 'request' ? { assign } : {}),
    ...(prerequisites.length === 0
      ? {}
      : {
          prerequisites: prerequisites.map(({ rollout, variant }) => ({
            rollout,
            ...(variant === undefined ? {} : { variant }),
          })),
        }),
    ...(layer === undefined ? {} : { layer }),
  }
}

function completeStage(stage: RolloutInput['stages'][number], byRequest: boolean): Stage {
  const holdMs = stage.hold ?? 0
  const cohorts = stage.cohorts ?? []
  return {
    name: stage.name,
    weight: Math.round(stage.weight * 1000) / 1000,
    cohorts,
    holdMs,
    maxHoldMs: stage.maxHold ?? 4 * Math.max(holdMs, 300_000),
    approval: stage.approval ?? false,
    // Requests that are dealt out by themselves expose no units.
    minUnits: stage.minUnits ?? (byRequest ? 0 : stage.weight > 0 ? 30 : cohorts.length > 0 ? 1 : 0),
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
