import type { Stage } from '../rollout/definition.ts'
import { checkEvidence } from './checks/evidence-checks.ts'
import { combine, harmVerdict, isAlerting } from './harm.ts'
import { judgeMetrics } from './judge-metric.ts'
import type { CheckFinding, JudgeInput, Judgement, MetricJudgement, Verdict } from './judgement.ts'
import { leaveStage, type Memory, memoryOf, newEpoch } from './memory.ts'
import { progressVerdict } from './progress.ts'
import { capitalised } from './sentences.ts'

/**
 * The verdict on a rollout now, from the evidence alone: evidence → checks on the evidence → tests of each guard and gate → verdict. In this
 * order: what needs no statistics (the circuit breaker, open local breakers), whether the evidence can be trusted (sample ratio, missing
 * reports, units in both arms), harm, and only then whether the stage has shown enough to go on. Deterministic: the same input gives the
 * same judgement, to the bit.
 */
export function judge(input: JudgeInput): Judgement {
  const { definition, stage } = input
  const memory = memoryOf(input.state)
  const current = definition.stages[stage.index] as Stage
  // Before the first tick of a new epoch the memory still speaks of the one before.
  const present = memory.epoch === stage.epoch ? memory : emptyStage(memory, stage.epoch)
  const { sampleRatio, findings } = checkEvidence(input, present)
  const judged = judgeMetrics(input, present, current)
  const harm = combine(judged, definition)
  const waiting = findings.filter(({ action }) => action === 'hold')
  const verdict =
    checkVerdict(findings.filter(isDistrust)) ??
    harmVerdict(judged, harm, definition) ??
    checkVerdict(findings) ??
    progressVerdict(input, { judged, logHarm: harm.log, waiting })
  const metrics: { [key: string]: Memory['metrics'][string] } = { ...memory.metrics }
  for (const { planned, memory: looked } of judged) if (memory.epoch === stage.epoch) metrics[planned.key] = looked
  return {
    judge: memory.judge,
    at: input.now,
    epoch: stage.epoch,
    label: verdict.label,
    sentence: verdict.sentence,
    reasons: verdict.reasons,
    alerts: [
      ...judged.filter((metric) => isAlerting(metric, definition)).map(({ planned }) => planned.key),
      ...findings.flatMap(({ action, check }) => (action === 'alert' && check !== undefined ? [check] : [])),
    ],
    checks: findings,
    logHarm: harm.log,
    logHarmNeeded: harm.needed,
    metrics: judged.map(({ found }): MetricJudgement => found),
    sampleRatio,
    units: { ...present.units, needed: current.minUnits },
    forced: present.forced,
    state: { ...memory, metrics },
  }
}

/** What a failing canary loses of its requests, or an incident of both arms, does not hide that the canary fails more. */
const isDistrust = ({ code, action }: CheckFinding): boolean =>
  (code !== 'missing-reports' && code !== 'shared-incident') || action === 'revert'

/** Evidence that cannot be trusted comes before everything that would be read from it. */
function checkVerdict(findings: readonly CheckFinding[]): Verdict | undefined {
  const failed = findings.find(({ action }) => action === 'revert' || action === 'pause')
  if (failed === undefined || (failed.action !== 'revert' && failed.action !== 'pause')) return undefined
  const { action, code, sentence } = failed
  return { label: action, sentence: capitalised(sentence), reasons: [{ code, sentence }] }
}

/** The memory as it will be when the first tick of a new epoch comes: nothing is shown there yet. */
function emptyStage(memory: Memory, epoch: number): Memory {
  const { tripped: _before, lastHeard: _heard, ...kept } = memory
  const metrics = Object.entries(memory.metrics).map(([key, own]) => [key, leaveStage(own, memory.comparing)])
  return { ...kept, ...newEpoch, epoch, metrics: Object.fromEntries(metrics) }
}
