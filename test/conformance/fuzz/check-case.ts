import {
  type CompiledRuleset,
  compileRuleset,
  type Decision,
  decide,
  decideAll,
  type ExplainedDecision,
  explain,
} from '@pipit/shared/decide'
import { encodeMessage, parseServerMessage } from '@pipit/shared/protocol'
import type { Ruleset, RulesetRollout } from '@pipit/shared/rules'
import { environmentOf, type FuzzCase, rolloutKeys } from './fuzz-case.ts'
import { type Expected, modelOf } from './model.ts'

/** What a case came to: what is compared between runtimes, and what is wrong with it in this one, if anything. */
export interface Checked {
  readonly decisions: string
  readonly wrong: string | undefined
}

/** The ruleset as an SDK gets it. */
function overTheWire(ruleset: Ruleset): CompiledRuleset {
  const parsed = parseServerMessage(encodeMessage({ type: 'ruleset', ruleset, flushMs: 1000, heartbeatMs: 15_000 }))
  if (!parsed.ok) throw new Error(parsed.error.message)
  if (parsed.message.type !== 'ruleset') throw new Error('a ruleset came as another message')
  return compileRuleset(parsed.message.ruleset)
}

const fields = ['variant', 'reason', 'rule', 'unit', 'randomised'] as const satisfies readonly (keyof Expected)[]
const brief = (of: Expected): string => JSON.stringify(fields.map((field) => of[field] ?? null))

/**
 * A decision does not throw, is the model's, is the same when all are decided at once, stays when the weight is raised, and is explained as
 * it came about.
 */
export function checkCase(fuzzed: FuzzCase): Checked {
  let decisions = ''
  try {
    const { ruleset, user, context } = fuzzed
    const environment = environmentOf(fuzzed)
    const compiled = overTheWire(ruleset)
    const model = modelOf(fuzzed)
    const all = decideAll(compiled, user, context, environment)
    for (const key of rolloutKeys) {
      if (ruleset.rollouts[key] === undefined) continue
      const decision = decide(compiled, key, user, context, environment)
      decisions += `${brief(decision)}\n`
      const wrong =
        unlike(decision, model(key)) ??
        (all[key] === decision.variant ? undefined : `is ${all[key]} when all are decided at once`) ??
        afterRaise(fuzzed, key, decision) ??
        untrue(explain(compiled, key, user, context, environment), decision)
      if (wrong !== undefined) return { decisions, wrong: `${key}: ${brief(decision)} ${wrong}` }
    }
    return { decisions, wrong: undefined }
  } catch (error) {
    return { decisions, wrong: `threw ${error instanceof Error ? (error.stack ?? error.message) : String(error)}` }
  }
}

function unlike(decision: Decision, expected: Expected): string | undefined {
  return brief(decision) === brief(expected) ? undefined : `should be ${brief(expected)}`
}

/** The last step of a trace is the one that decided, and a rule matched where all that it compared holds. */
function untrue({ trace, ...explained }: ExplainedDecision, decision: Decision): string | undefined {
  if (brief(explained) !== brief(decision)) return `is ${brief(explained)} when it is explained`
  if (!trace.every(({ decided }, i) => decided === (i === trace.length - 1)))
    return 'is not decided by the last step of its trace'
  const last = trace.at(-1)
  if (last === undefined) return 'is explained by nothing'
  const step = decision.rule !== undefined ? 'rule' : decision.reason
  // Where there is no unit it may be the layer that wanted one.
  const steps: readonly unknown[] = step === 'no-unit' ? [step, 'layer'] : [step]
  if (!steps.includes(last.step) || last.name !== (decision.rule ?? last.name))
    return `is explained by ${last.step} ${last.name}`
  const wrong = trace.find(
    ({ decided, comparisons = [], step }) =>
      step === 'rule' && comparisons.length > 0 && comparisons.every(({ holds }) => holds) !== decided,
  )
  return wrong && `compares otherwise than it matches: ${wrong.name} ${wrong.decided}`
}

/** Whoever has an arm by the split keeps it at a higher weight of the same salt. */
function afterRaise(fuzzed: FuzzCase, key: string, before: Decision): string | undefined {
  const { ruleset, user, context, raised } = fuzzed
  const rollout = ruleset.rollouts[key] as RulesetRollout
  if (before.reason !== 'split' || before.variant === 'stable' || raised <= rollout.weight) return undefined
  const higher = { ...ruleset, rollouts: { ...ruleset.rollouts, [key]: { ...rollout, weight: raised } } }
  const after = decide(compileRuleset(higher), key, user, context, environmentOf(fuzzed))
  return after.variant === before.variant
    ? undefined
    : `is ${brief(after)} at ${raised} %, more than ${rollout.weight} %`
}
