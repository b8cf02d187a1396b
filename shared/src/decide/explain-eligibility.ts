import { bucketOf, saltedHash } from '../hash/index.ts'
import { decide } from './decide.ts'
import { inRange, type Range } from './eligibility.ts'
import { type Asked, percent } from './explain-asked.ts'
import type { TraceStep } from './trace.ts'
import { personOf } from './unit.ts'

/** Who may take part at all, up to the first that says no. */
export function eligibilitySteps(asked: Asked): readonly TraceStep[] {
  const { eligibility } = asked.rollout
  if (eligibility === undefined) return []
  const { holdback, layer } = eligibility
  const steps: TraceStep[] = []
  if (holdback !== undefined) steps.push(...holdbackStep(asked, holdback))
  if (steps.at(-1)?.decided !== true) steps.push(...prerequisiteSteps(asked))
  if (steps.at(-1)?.decided !== true && layer !== undefined && asked.rollout.deciding)
    steps.push(layerStep(asked, layer))
  return steps
}

/** A place in a draw that several rollouts share. */
function placeIn(range: Range, unit: string): Required<Pick<TraceStep, 'unit' | 'bucket' | 'from' | 'to'>> {
  const inPercent = (limit: number): number => Math.round((limit / 4_294_967_296) * 100_000) / 1000
  return { unit, bucket: bucketOf(saltedHash(range.salt, unit)), from: inPercent(range.from), to: inPercent(range.to) }
}

function holdbackStep({ rollout, user, unit, environment }: Asked, holdback: Range): readonly TraceStep[] {
  const person = personOf(rollout, user, unit, environment)
  if (person === undefined) return []
  const decided = inRange(holdback, person)
  const place = placeIn(holdback, person)
  const text = `at ${percent(place.bucket)}; the holdback is what lies below ${place.to} %`
  return [{ step: 'holdback', decided, text: decided ? `${text}: stable` : text, ...place }]
}

function prerequisiteSteps({ ruleset, rollout, user, context, environment }: Asked): readonly TraceStep[] {
  const steps: TraceStep[] = []
  for (const { rollout: name, variant } of rollout.eligibility?.prerequisites ?? []) {
    const had = decide(ruleset, name, user, context, environment)
    const meets = variant === undefined ? had.variant !== 'stable' : had.variant === variant
    const wanted = variant ?? 'any variant but stable'
    const text = `rollout ${name} gives ${had.variant} (${had.reason}); this one is for ${wanted}`
    steps.push({ step: 'prerequisite', decided: !meets, text: meets ? text : `${text}: stable`, name })
    if (!meets) break
  }
  return steps
}

function layerStep({ rollout, unit }: Asked, layer: Range): TraceStep {
  const name = rollout.source.layer?.name ?? ''
  if (unit === undefined) {
    return { step: 'layer', decided: true, text: `nobody takes part in layer ${name} without a unit: stable`, name }
  }
  const decided = !inRange(layer, unit)
  const place = placeIn(layer, unit)
  const text = `at ${percent(place.bucket)} of layer ${name}, where the rollout has ${place.from} to ${place.to} %`
  return { step: 'layer', decided, text: decided ? `${text}: stable` : text, name, ...place }
}
