import type { Stage } from '../rollout/definition.ts'
import type { VerdictLabel } from '../rollout/state.ts'
import type { JudgeInput, Judgement, VerdictReason } from './judgement.ts'
import type { Memory } from './memory.ts'
import { fellSilent } from './reporting.ts'
import { logSampleRatio, sampleRatioNeeded } from './sample-ratio.ts'
import { capitalised, oddsText, percent, span, whole } from './sentences.ts'

export interface Health {
  readonly sampleRatio: Judgement['sampleRatio']
  /** A verdict that comes before any comparison. */
  readonly verdict:
    | { readonly label: VerdictLabel; readonly sentence: string; readonly reasons: readonly VerdictReason[] }
    | undefined
}

/** Canary outcomes that must be missing before a canary counts as silent. */
const silentExpected = 30
/** Share of the instances whose local breaker has to be open, once two are (or the only one is). */
const breakerShare = 0.5

/** What comes before statistics, and whether the evidence can be trusted (STATISTICS 3.6, 6). */
export function checkHealth(input: JudgeInput, memory: Memory): Health {
  const sampleRatio = checkSampleRatio(input, memory)
  const reason =
    tripped(input, memory) ?? localBreakers(input) ?? mismatch(input, memory, sampleRatio) ?? silent(input, memory)
  if (reason === undefined) return { sampleRatio, verdict: undefined }
  const reverts = reason.code === 'circuit-breaker' || reason.code === 'local-breakers'
  return {
    sampleRatio,
    verdict: { label: reverts ? 'revert' : 'pause', sentence: capitalised(reason.sentence), reasons: [reason] },
  }
}

function checkSampleRatio({ stage }: JudgeInput, memory: Memory): Judgement['sampleRatio'] {
  const needed = sampleRatioNeeded(memory.planned)
  const { canary, stable } = memory.units
  if (stage.weight <= 0 || stage.weight >= 100 || canary + stable === 0)
    return { logEvidence: 0, needed, mismatch: false }
  const logEvidence = logSampleRatio([canary, stable], [stage.weight / 100, 1 - stage.weight / 100])
  return { logEvidence, needed, mismatch: logEvidence >= needed }
}

function tripped({ definition, stage }: JudgeInput, { tripped: trip }: Memory): VerdictReason | undefined {
  if (trip === undefined) return undefined
  const current = definition.stages[stage.index] as Stage
  return {
    code: 'circuit-breaker',
    sentence: `${percent(trip.failed / trip.n)} of ${whole(trip.n)} canary requests failed within one time bucket of stage ${current.name}${trip.compared ? ' while stable was well' : ''}: taken back at once, without waiting for statistics.`,
  }
}

function localBreakers({ breakers }: JudgeInput): VerdictReason | undefined {
  const { open, instances } = breakers
  const enough = instances === 1 ? 1 : 2
  if (open < enough || open < breakerShare * instances) return undefined
  return {
    code: 'local-breakers',
    sentence: `${whole(open)} of ${whole(instances)} instances have stopped serving the canary by themselves, because it fails far more than stable there.`,
  }
}

function mismatch(
  { stage }: JudgeInput,
  { units }: Memory,
  sampleRatio: Judgement['sampleRatio'],
): VerdictReason | undefined {
  if (!sampleRatio.mismatch) return undefined
  const share = units.canary / (units.canary + units.stable)
  const missing =
    share * 100 < stage.weight
      ? ' Canary users are missing: does it crash before it reports, or is telemetry lost?'
      : ''
  return {
    code: 'sample-ratio',
    sentence: `${percent(share)} of ${whole(units.canary + units.stable)} users reached the canary instead of ${stage.weight} % (evidence ${oddsText(sampleRatio.logEvidence)}); no comparison can be trusted until that is explained.${missing}`,
  }
}

/** Stable's outcomes come in and the canary's do not: not from the start, or not any more. */
function silent({ definition, stage }: JudgeInput, memory: Memory): VerdictReason | undefined {
  const { units, outcomes, reporting } = memory
  if (stage.weight > 0 && stage.weight < 100 && fellSilent(reporting, units.canary)) {
    const { silence } = reporting
    return {
      code: 'canary-silent',
      sentence: `the canary has stopped reporting: nothing came from it for ${span(silence.ticks * definition.analysis.tickMs)}, while stable reported ${whole(silence.outcomes)} requests. No data does not count as good data.`,
    }
  }
  if (outcomes.canary > 0 || units.stable === 0) return undefined
  const expected = (outcomes.stable * units.canary) / units.stable
  if (expected < silentExpected) return undefined
  return {
    code: 'canary-silent',
    sentence: `${whole(units.canary)} users are on the canary and none of their requests was reported, where about ${whole(expected)} were due: no data does not count as good data.`,
  }
}
