import type { Stage } from '../rollout/definition.ts'
import { isAlerting } from './harm.ts'
import type { JudgedMetric } from './judge-metric.ts'
import type { CheckFinding, JudgeInput, Verdict, VerdictReason } from './judgement.ts'
import { betterText, capitalised, limitText, marginText, oddsText, span, title } from './sentences.ts'

/** Evidence of harm at which a stage is held although nothing is shown yet. */
const logHold = Math.log(10)

/** What the checks and the tests say, as far as it bears on going on. */
export interface Standing {
  readonly judged: readonly JudgedMetric[]
  /** log Σ wᵢMᵢ. */
  readonly logHarm: number
  /** Checks that keep the stage waiting. */
  readonly waiting: readonly CheckFinding[]
}

/** Whether the stage may end: by time alone where nothing can be compared, else by everything it has to show. */
export function progressVerdict(input: JudgeInput, standing: Standing): Verdict {
  const { definition, stage } = input
  const { judged, logHarm } = standing
  const current = definition.stages[stage.index] as Stage
  const missing = [...timeMissing(stage.elapsedMs, current), ...evidenceMissing(input, standing)]
  if (missing.length === 0) return advance(input, judged)
  const waiting = missing.filter((reason) => reason.code === 'hold-time')
  if (stage.elapsedMs >= current.maxHoldMs && waiting.length === 0) return inconclusive(input, judged, missing, logHarm)
  return { label: 'hold', sentence: `Holding: ${missing[0]?.sentence ?? ''}`, reasons: missing }
}

function timeMissing(elapsedMs: number, current: Stage): VerdictReason[] {
  const left = current.holdMs - elapsedMs
  return left <= 0 ? [] : [{ code: 'hold-time', sentence: `stage ${current.name} has to last another ${span(left)}.` }]
}

/** What is missing before a comparison stage may end. */
function evidenceMissing({ definition, stage }: JudgeInput, { judged, logHarm, waiting }: Standing): VerdictReason[] {
  const lacks = waiting.filter(({ code }) => code === 'no-data')
  if (lacks.length > 0) return lacks.map(reasonOf)
  if (stage.weight <= 0 || stage.weight >= 100) return waiting.map(reasonOf)
  const missing: VerdictReason[] = []
  if (logHarm >= logHold) {
    const sentence = `harm is suspected (odds ${oddsText(logHarm)}); it has to fade or be proven first.`
    missing.push({ code: 'harm-suspected', sentence })
  }
  missing.push(...waiting.map(reasonOf))
  if (stage.elapsedMs < definition.analysis.warmupMs) {
    const sentence = `the first ${span(definition.analysis.warmupMs)} of a stage are its warm-up.`
    missing.push({ code: 'warm-up', sentence })
  }
  return [...missing, ...judged.flatMap(sharedLimit), ...judged.flatMap(notShown), ...judged.flatMap(notBetter)]
}

const reasonOf = ({ code, sentence }: CheckFinding): VerdictReason => ({ code, sentence })

/** Both arms are beyond a guard's limit: not the canary's doing, and no time to go on. */
function sharedLimit({ planned, found, cause }: JudgedMetric): VerdictReason[] {
  if (cause !== 'limit' || found.limit?.isShared !== true || found.guard?.dismissed === true) return []
  if (found.limit.logEvidence < logHold) return []
  const sentence = `${title(planned)} is beyond its limit (${limitText(planned)}) on stable as well as on the canary: an incident that both share, not the canary's doing; advances wait.`
  return [{ code: 'shared-incident', metric: planned.key, sentence }]
}

function notBetter({ planned, found }: JudgedMetric): VerdictReason[] {
  const goal = found.superiority
  if (goal === undefined || goal.passed) return []
  const why =
    found.canary.n === 0 || found.stable.n === 0
      ? 'nobody has reported it'
      : `evidence ${oddsText(goal.logEvidence)} of ${oddsText(goal.needed)}`
  const sentence = `${title(planned)} is not yet shown to be ${betterText(goal.relative)} (${why}).`
  return [{ code: 'not-better', metric: planned.key, sentence }]
}

function notShown({ planned, found }: JudgedMetric): VerdictReason[] {
  const shown = found.nonInferiority
  if (shown === undefined || shown.passed || shown.monitorOnly) return []
  // To ignore a guard for a while is not to waive a gate.
  if (found.guard?.dismissed === true && !planned.gated) return []
  const nothing = found.canary.n === 0 || found.stable.n === 0
  const why = nothing
    ? 'nobody has reported it'
    : `evidence ${oddsText(shown.logEvidence)} of ${oddsText(shown.needed)}`
  return [
    {
      code: 'not-shown',
      metric: planned.key,
      sentence: `${title(planned)} is not yet shown to be within ${marginText(planned, shown.margin)} (${why}).`,
    },
  ]
}

function advance({ definition, stage }: JudgeInput, judged: readonly JudgedMetric[]): Verdict {
  const current = definition.stages[stage.index] as Stage
  const next = definition.stages[stage.index + 1]
  const goal = next === undefined ? 'the rollout is complete' : `on to ${next.name} (${next.weight} %)`
  if (stage.weight <= 0 || stage.weight >= 100) {
    const sentence = `Stage ${current.name} has lasted its time with nothing against it: ${goal}.`
    return { label: 'advance', sentence, reasons: [{ code: 'no-comparison', sentence }] }
  }
  const shown = judged.filter(({ found }) => found.nonInferiority?.passed === true).map(({ planned }) => title(planned))
  const better = judged.flatMap(({ planned, found }) =>
    found.superiority?.passed === true
      ? [`${title(planned)} shown to be ${betterText(found.superiority.relative)}`]
      : [],
  )
  const within = shown.length === 0 ? [] : [`${shown.join(', ')} shown to be within the margin`]
  const proof = [...within, ...better].join(', ') || 'no guard that acts found harm'
  const alerts = judged.filter((metric) => isAlerting(metric, definition)).map(({ planned }) => title(planned))
  const warning = alerts.length === 0 ? '' : ` Look at ${alerts.join(', ')}: the guard there alerts, and only alerts.`
  const sentence = `Stage ${current.name} is passed, ${proof}: ${goal}.${warning}`
  return { label: 'advance', sentence, reasons: [{ code: 'all-shown', sentence }] }
}

/** The longest hold is over and something is still missing. */
function inconclusive(
  input: JudgeInput,
  judged: readonly JudgedMetric[],
  missing: readonly VerdictReason[],
  logHarm: number,
): Verdict {
  const { definition, stage } = input
  const current = definition.stages[stage.index] as Stage
  const reason: VerdictReason = {
    code: 'inconclusive',
    sentence: `stage ${current.name} has had its ${span(current.maxHoldMs)} and is undecided: ${missing.map(({ sentence }) => sentence).join(' ')}`,
  }
  const reasons = [reason, ...missing]
  if (definition.onInconclusive === 'revert')
    return { label: 'revert', sentence: capitalised(reason.sentence), reasons }
  const undecidedOnly = missing.every(({ code }) => code === 'not-shown' || code === 'not-better')
  if (definition.onInconclusive === 'advance' && undecidedOnly && logHarm < Math.log(2) && judged.every(farFromHarm)) {
    return { label: 'advance', sentence: `Advancing although undecided, as the plan says: ${reason.sentence}`, reasons }
  }
  return { label: 'pause', sentence: `Paused: ${reason.sentence}`, reasons }
}

/** The interval excludes twice the margin (STATISTICS 5.2). */
function farFromHarm({ planned, found }: JudgedMetric): boolean {
  const relative = found.nonInferiority?.margin.relative
  if (relative === undefined || found.ratio === undefined) return found.nonInferiority?.passed !== false
  return planned.higherIsBetter ? found.ratio.low > relative * relative : found.ratio.high < relative * relative
}
