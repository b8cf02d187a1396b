import { isEvidence, type OutcomeAggregator } from '../counting/index.ts'
import type { CompiledRollout, CompiledRuleset, Decision } from '../decide/index.ts'
import { type OutcomeKind, outcomeKinds } from '../protocol/index.ts'
import type { Outcome } from './api.ts'
import type { Breakers } from './breaker.ts'

export interface RecorderParts {
  readonly outcomes: OutcomeAggregator
  readonly breakers: Breakers
  /** What is decided by now. */
  readonly rulesets: { readonly compiled: CompiledRuleset | undefined }
  readonly invalid: (code: string, message: string) => void
}

/** Takes outcomes of the application: checks them, adds them up, shows them to the local breaker. */
export function createRecorder({
  outcomes,
  breakers,
  rulesets,
  invalid,
}: RecorderParts): (decision: Decision, outcome: Outcome) => void {
  function latencyOf({ latencyMs }: Outcome): number | undefined {
    if (latencyMs === undefined) return undefined
    if (typeof latencyMs === 'number' && latencyMs >= 0 && latencyMs < Number.POSITIVE_INFINITY) return latencyMs
    invalid(
      'invalid-latency',
      `latencyMs must be a number of at least 0, not ${String(latencyMs)}; the outcome counts without it`,
    )
    return undefined
  }

  function kindOf({ ok, kind }: Outcome): OutcomeKind | undefined {
    if (ok || kind === undefined) return undefined
    if (outcomeKinds.includes(kind)) return kind
    const known = outcomeKinds.join(', ')
    invalid('invalid-kind', `kind must be one of ${known}, not ${String(kind)}; the outcome counts without it`)
    return undefined
  }

  /** Of the outcome before, as most are. */
  let ruleset: CompiledRuleset | undefined
  let key: string | undefined
  let rollout: CompiledRollout | undefined

  function rolloutOf(wanted: string): CompiledRollout | undefined {
    const { compiled } = rulesets
    if (ruleset !== compiled || key !== wanted) {
      ruleset = compiled
      key = wanted
      rollout = compiled?.rollout(wanted)
    }
    return rollout
  }

  const checked = (outcome: Outcome) => ({ ok: outcome.ok, latencyMs: latencyOf(outcome), kind: kindOf(outcome) })

  return (decision, outcome) => {
    if (typeof decision?.rollout !== 'string' || typeof outcome?.ok !== 'boolean') {
      invalid(
        'invalid-outcome',
        'outcome(decision, { ok, latencyMs }) was called with something else; it is not counted',
      )
      return
    }
    if (!isEvidence(decision.reason)) return
    const compiled = rolloutOf(decision.rollout)
    outcomes.add(decision, compiled, isPlain(outcome) ? outcome : checked(outcome))
    if (compiled?.source.breaker !== false) breakers.record(decision, outcome.ok)
  }
}

/** As almost every outcome is: with a good latency, and no kind. */
function isPlain({ latencyMs, kind }: Outcome): boolean {
  return typeof latencyMs === 'number' && latencyMs >= 0 && latencyMs < Number.POSITIVE_INFINITY && kind === undefined
}
