import { bucketOf, saltedHash } from '../hash/index.ts'
import { type Cohort, explainCondition } from '../rules/index.ts'
import type { CompiledRule, CompiledRuleset } from './compile.ts'
import { decide } from './decide.ts'
import type { DecideContext, User } from './decision.ts'
import { type DecideEnvironment, nowhere } from './environment.ts'
import { type Asked, membership, percent } from './explain-asked.ts'
import { eligibilitySteps } from './explain-eligibility.ts'
import { explainMatchers } from './explain-rule.ts'
import { attributesOf } from './resolve.ts'
import type { Split } from './split.ts'
import type { ExplainedDecision, TraceStep } from './trace.ts'
import { unitOf } from './unit.ts'

/**
 * Decides as `decide` does and tells every step on the way: each rule and what it compared, the buckets, the weight. For people; takes its
 * time, and is no exposure.
 */
export function explain(
  ruleset: CompiledRuleset | undefined,
  key: string,
  user: User | undefined,
  context?: DecideContext,
  environment: DecideEnvironment = nowhere,
): ExplainedDecision {
  const drawn: number[] = []
  const { now, random } = environment
  const recording: DecideEnvironment = {
    ...environment,
    now: now && once(now),
    random:
      random &&
      (() => {
        const value = random()
        drawn.push(value)
        return value
      }),
  }
  const decision = decide(ruleset, key, user, context, recording)
  const rollout = ruleset?.rollout(key)
  if (ruleset === undefined || rollout === undefined) {
    const text = ruleset === undefined ? 'there is no ruleset yet' : `there is no rollout "${key}" in the ruleset`
    return { ...decision, trace: [{ step: 'phase', decided: true, text: `${text}: stable` }] }
  }
  const attributes = typeof user === 'string' ? { id: user } : attributesOf(user)
  const unit = unitOf(rollout, user, recording)
  const asked: Asked = { ruleset, rollout, user, attributes, context, environment: recording, unit, decision }
  return { ...decision, trace: traceOf(asked, drawn[0]) }
}

/** The clock goes on while a decision is explained: every step sees the time that decided. */
function once(read: () => number): () => number {
  let known: number | undefined
  return () => {
    known ??= read()
    return known
  }
}

/** All steps up to the one that decided. */
function traceOf(asked: Asked, drawn: number | undefined): readonly TraceStep[] {
  const { rollout, decision, unit } = asked
  const steps: TraceStep[] = [phaseStep(asked)]
  const ended = (): boolean => steps.at(-1)?.decided === true
  if (ended()) return steps
  if (decision.reason === 'breaker' || decision.reason === 'deadman') return [...steps, forcedStep(decision.reason)]
  for (const list of [eligibilitySteps, overrideSteps, ruleSteps, cohortSteps]) {
    for (const step of list(asked)) {
      steps.push(step)
      if (step.decided) return steps
    }
  }
  if (!rollout.deciding) return [...steps, { step: 'phase', decided: true, text: `everybody gets ${decision.variant}` }]
  if (unit === undefined && !rollout.byRequest) {
    return [
      ...steps,
      { step: 'no-unit', decided: true, text: 'the user has neither an id nor what the rollout assigns: stable' },
    ]
  }
  return [...steps, rollout.byRequest ? requestStep(asked, drawn) : splitStep(asked, unit ?? '')]
}

function phaseStep({ rollout, decision }: Asked): TraceStep {
  const { phase } = rollout.source
  const decided = decision.reason === 'phase' && phase !== 'succeeded'
  return {
    step: 'phase',
    decided,
    text: decided ? `the rollout is ${phase}: ${decision.variant} for everybody` : `the rollout is ${phase}`,
  }
}

const forcedStep = (step: 'breaker' | 'deadman'): TraceStep => ({
  step,
  decided: true,
  text:
    step === 'breaker'
      ? 'the breaker of this SDK is open: the canary fails far more than stable here, so stable'
      : 'this SDK has been without the server for longer than the rollout allows: stable',
})

function overrideSteps({ rollout, unit }: Asked): readonly TraceStep[] {
  if (!rollout.deciding || rollout.overrides === undefined) return []
  const arm = unit === undefined ? undefined : rollout.overrides.get(unit)
  if (arm === undefined) return [{ step: 'override', decided: false, text: 'no override for this unit' }]
  return [
    { step: 'override', decided: true, text: `an override gives ${arm.name} to this unit`, ...(unit && { unit }) },
  ]
}

function ruleSteps(asked: Asked): readonly TraceStep[] {
  const { rollout, attributes, context, environment, unit } = asked
  if (!rollout.deciding) return []
  const left = rollout.unknown > 0 ? [unknownStep(rollout.unknown)] : []
  const steps = rollout.rules.map((rule): TraceStep => {
    const decided = rule.match(attributes, unit, context, environment)
    const comparisons = explainMatchers(asked, rule)
    const base = { step: 'rule', decided, name: rule.name, comparisons } as const
    if (!decided) return { ...base, text: `rule ${rule.name} does not match` }
    return { ...base, ...servedBy(rule, unit) }
  })
  return [...left, ...steps]
}

const unknownStep = (count: number): TraceStep => ({
  step: 'rule',
  decided: false,
  text: `${count} ${count === 1 ? 'rule is' : 'rules are'} left out: this version does not understand them`,
})

function servedBy({ name, arm, split }: CompiledRule, unit: string | undefined): Omit<TraceStep, 'step' | 'decided'> {
  if (arm !== undefined) return { text: `rule ${name} matches and serves ${arm.name}` }
  if (unit === undefined || split === undefined)
    return { text: `rule ${name} matches, but there is no unit to split by: stable` }
  return { text: `rule ${name} matches and splits: ${partText(split, unit)}`, ...partDetails(split, unit) }
}

function partDetails(split: Split, unit: string): Pick<TraceStep, 'unit' | 'bucket'> {
  return { unit, bucket: bucketOf(saltedHash(split.salt, unit)) }
}

/** Where a unit falls in a split by shares. */
function partText(split: Split, unit: string): string {
  const hash = saltedHash(split.salt, unit)
  const last = split.arms.length - 1
  let at = 0
  while (at < last && hash >= (split.limits[at] as number)) at++
  const inPercent = (limit: number | undefined): number => Math.round(((limit ?? 0) / 4_294_967_296) * 100_000) / 1000
  const to = at === last ? 100 : inPercent(split.limits[at])
  return `at ${percent(bucketOf(hash))}, ${split.arms[at]?.name} has ${inPercent(split.limits[at - 1])} to ${to} %`
}

function cohortSteps(asked: Asked): readonly TraceStep[] {
  const { rollout, ruleset, attributes, unit, decision } = asked
  if (!rollout.deciding) return []
  const names = rollout.source.cohorts ?? []
  return names.map((name): TraceStep => {
    const cohort: Cohort | undefined = ruleset.cohorts.cohort(name)
    const how = membership(cohort, unit, attributes)
    const decided = how !== 'not in it'
    const when = cohort?.source.when
    const comparisons = when === undefined ? [] : explainCondition(when, ruleset.cohorts, attributes)
    const text = decided
      ? `cohort ${name}, which this stage lets in: ${how}, so ${decision.variant}`
      : `not in cohort ${name}, which this stage lets in`
    return { step: 'cohort', decided, text, name, comparisons }
  })
}

function splitStep({ rollout, decision }: Asked, unit: string): TraceStep {
  const bucket = bucketOf(saltedHash(rollout.salt, unit))
  const { weight } = rollout.source
  const inside = decision.variant !== 'stable'
  const arm = inside && rollout.split !== undefined ? `; of the arms, ${partText(rollout.split, unit)}` : ''
  const text = `at ${percent(bucket)}, ${inside ? 'below' : 'not below'} the weight of ${weight} %: ${decision.variant}${arm}`
  return { step: 'split', decided: true, text, unit, bucket, from: 0, to: weight }
}

function requestStep({ rollout, decision }: Asked, drawn: number | undefined): TraceStep {
  const { weight } = rollout.source
  if (drawn === undefined)
    return { step: 'no-unit', decided: true, text: 'requests are dealt out by chance, and there is none here: stable' }
  const bucket = Math.floor(drawn * 100_000)
  const text = `each request for itself: drew ${percent(bucket)} against the weight of ${weight} %: ${decision.variant}`
  return { step: 'split', decided: true, text, bucket, from: 0, to: weight }
}
