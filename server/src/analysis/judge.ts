import type { RolloutDefinition, Stage } from '../rollout/definition.ts'
import type { VerdictLabel } from '../rollout/state.ts'
import { logSumExp } from './e-value.ts'
import { checkHealth } from './health.ts'
import { type JudgedMetric, judgeMetrics } from './judge-metric.ts'
import type { JudgeInput, Judgement, MetricJudgement, VerdictReason } from './judgement.ts'
import { leaveStage, type Memory, memoryOf, newEpoch } from './memory.ts'
import {
  betterText,
  capitalised,
  harmSentence,
  limitSentence,
  limitText,
  marginText,
  oddsText,
  span,
  title,
  whole,
} from './sentences.ts'

/** Evidence of harm at which a stage is held although nothing is shown yet. */
const logHold = Math.log(10)

/**
 * The verdict on a rollout now, from the evidence alone. In this order: what needs no statistics (the circuit breaker, open local
 * breakers), whether the evidence can be trusted (sample ratio, a silent canary), harm, and only then whether the stage has shown
 * enough to go on. Deterministic: the same input gives the same judgement.
 */
export function judge(input: JudgeInput): Judgement {
  const { definition, stage } = input
  const memory = memoryOf(input.state)
  const current = definition.stages[stage.index] as Stage
  // Before the first tick of a new epoch the memory still speaks of the one before.
  const present = memory.epoch === stage.epoch ? memory : emptyStage(memory, stage.epoch)
  const judged = judgeMetrics(input, present, current)
  const health = checkHealth(input, present)
  const harm = combine(judged, definition)
  const verdict =
    health.verdict ?? harmVerdict(judged, harm, definition) ?? progressVerdict(input, present, judged, harm.log)
  const metrics: { [key: string]: Memory['metrics'][string] } = { ...memory.metrics }
  for (const { planned, memory: looked } of judged) if (memory.epoch === stage.epoch) metrics[planned.key] = looked
  return {
    judge: memory.judge,
    at: input.now,
    epoch: stage.epoch,
    label: verdict.label,
    sentence: verdict.sentence,
    reasons: verdict.reasons,
    alerts: judged.filter((metric) => isAlerting(metric, definition)).map(({ planned }) => planned.key),
    logHarm: harm.log,
    logHarmNeeded: harm.needed,
    metrics: judged.map(({ found }): MetricJudgement => found),
    sampleRatio: health.sampleRatio,
    units: { ...present.units, needed: current.minUnits },
    forced: present.forced,
    state: { ...memory, metrics },
  }
}

interface Verdict {
  readonly label: VerdictLabel
  readonly sentence: string
  readonly reasons: readonly VerdictReason[]
}

/** The memory as it will be when the first tick of a new epoch comes: nothing is shown there yet. */
function emptyStage(memory: Memory, epoch: number): Memory {
  const { tripped: _before, ...kept } = memory
  const metrics = Object.entries(memory.metrics).map(([key, own]) => [key, leaveStage(own, memory.comparing)])
  return { ...kept, ...newEpoch, epoch, metrics: Object.fromEntries(metrics) }
}

/** A guard that only alerts, and has reason to. */
function isAlerting({ planned, found, proven }: JudgedMetric, definition: RolloutDefinition): boolean {
  if (planned.guard?.action !== 'alert' || found.guard?.dismissed === true) return false
  return proven && found.logHarm >= logNeeded(definition)
}

/** Evidence at which harm is acted on: log 1/α. */
const logNeeded = (definition: RolloutDefinition): number => Math.log(1 / definition.analysis.alpha)

interface Combined {
  readonly log: number
  readonly needed: number
}

/** log Σ wᵢMᵢ over the guards that act (STATISTICS 3.6): one error budget for the whole rollout. */
function combine(judged: readonly JudgedMetric[], definition: RolloutDefinition): Combined {
  const acting = judged.filter(isActing)
  const log =
    acting.length === 0 ? 0 : logSumExp(acting.map(({ planned, found }) => Math.log(planned.weight) + found.logHarm))
  return { log, needed: logNeeded(definition) }
}

/** Has a part of the error budget and may spend it: not dismissed, and not beyond a limit that stable is beyond as well. */
const isActing = ({ planned, found, cause }: JudgedMetric): boolean =>
  planned.weight > 0 && found.guard?.dismissed !== true && !(cause === 'limit' && found.limit?.isShared === true)

function harmVerdict(
  judged: readonly JudgedMetric[],
  harm: Combined,
  definition: RolloutDefinition,
): Verdict | undefined {
  if (harm.log < harm.needed) return undefined
  const ranked = judged
    .filter(isActing)
    .map((metric) => ({ ...metric, share: Math.log(metric.planned.weight) + metric.found.logHarm }))
    .sort((a, b) => b.share - a.share)
  const proven = ranked.filter((metric) => metric.proven)
  const [worst] = proven
  if (worst === undefined) return undefined
  // Where the loudest metric is not proven (two noisy users, say), those that are have to reach the bar without it: a part of Σ wᵢMᵢ
  // is an e-process as well.
  const log = worst === ranked[0] ? harm.log : logSumExp(proven.map(({ share }) => share))
  if (log < harm.needed) return undefined
  const { limit } = worst.found
  const sentence =
    worst.cause === 'limit' && limit !== undefined
      ? limitSentence(worst.planned, limit, log, definition)
      : harmSentence(worst.planned, worst.found, log, definition)
  const reasons = ranked
    .filter(({ share }) => share >= 0)
    .map(({ planned, found, cause }): VerdictReason => ({ code: cause, metric: planned.key, sentence: found.sentence }))
  return { label: worst.planned.guard?.action === 'pause' ? 'pause' : 'revert', sentence, reasons }
}

/** Whether the stage may end: by time alone where nothing can be compared, else by everything it has to show. */
function progressVerdict(input: JudgeInput, memory: Memory, judged: readonly JudgedMetric[], logHarm: number): Verdict {
  const { definition, stage } = input
  const current = definition.stages[stage.index] as Stage
  const missing = [
    ...timeMissing(stage.elapsedMs, current),
    ...(stage.weight >= 100 ? [] : evidenceMissing(input, memory, judged, logHarm, current)),
  ]
  if (missing.length === 0) return advance(input, judged)
  const waiting = missing.filter((reason) => reason.code === 'hold-time')
  if (stage.elapsedMs >= current.maxHoldMs && waiting.length === 0) return inconclusive(input, judged, missing, logHarm)
  return { label: 'hold', sentence: `Holding: ${missing[0]?.sentence ?? ''}`, reasons: missing }
}

function timeMissing(elapsedMs: number, current: Stage): VerdictReason[] {
  const left = current.holdMs - elapsedMs
  return left <= 0 ? [] : [{ code: 'hold-time', sentence: `stage ${current.name} has to last another ${span(left)}.` }]
}

function evidenceMissing(
  input: JudgeInput,
  memory: Memory,
  judged: readonly JudgedMetric[],
  logHarm: number,
  current: Stage,
): VerdictReason[] {
  const { definition, stage } = input
  if (stage.weight <= 0) return forcedMissing(memory, current)
  const missing: VerdictReason[] = []
  if (memory.outcomes.canary + memory.outcomes.stable + memory.units.canary + memory.units.stable === 0) {
    return [
      {
        code: 'no-data',
        sentence: `no SDK has reported anything in stage ${current.name} yet; no data never counts as good data.`,
      },
    ]
  }
  if (logHarm >= logHold)
    missing.push({
      code: 'harm-suspected',
      sentence: `harm is suspected (odds ${oddsText(logHarm)}); it has to fade or be proven first.`,
    })
  const fewest = Math.min(memory.units.canary, memory.units.stable)
  if (fewest < current.minUnits) {
    missing.push({
      code: 'too-few-units',
      sentence: `stage ${current.name} needs ${whole(current.minUnits)} users in each arm; there are ${whole(memory.units.canary)} on the canary and ${whole(memory.units.stable)} on stable.`,
    })
  }
  const warmLeft = definition.analysis.warmupMs - stage.elapsedMs
  if (warmLeft > 0)
    missing.push({
      code: 'warm-up',
      sentence: `the first ${span(definition.analysis.warmupMs)} of a stage are its warm-up.`,
    })
  return [...missing, ...judged.flatMap(sharedLimit), ...judged.flatMap(notShown), ...judged.flatMap(notBetter)]
}

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

/** A stage without a split: nothing can be compared, but somebody must have used the canary. */
function forcedMissing(memory: Memory, current: Stage): VerdictReason[] {
  const seen = memory.forced.exposed
  if (seen >= current.minUnits && current.minUnits > 0 && memory.forced.n === 0) {
    return [
      {
        code: 'no-data',
        sentence: `${whole(seen)} ${seen === 1 ? 'user has' : 'users have'} come to the canary in stage ${current.name}, and none of their requests was reported; no data never counts as good data.`,
      },
    ]
  }
  if (seen >= current.minUnits) return []
  return [
    {
      code: 'too-few-units',
      sentence: `stage ${current.name} needs ${whole(current.minUnits)} ${current.minUnits === 1 ? 'user' : 'users'} of its cohorts on the canary; ${seen === 0 ? 'nobody has come' : `${whole(seen)} came`} yet.`,
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
  const proof =
    shown.length === 0 ? 'no guard that acts found harm' : `${shown.join(', ')} shown to be within the margin`
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
