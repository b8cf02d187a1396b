import type { CheckName, Stage } from '../../rollout/definition.ts'
import type { EpochBuckets } from '../evidence.ts'
import type { CheckFinding, JudgeInput, Judgement } from '../judgement.ts'
import type { Memory } from '../memory.ts'
import { oddsText, percent, span, whole } from '../sentences.ts'
import { fewerRequests, requestRatio, shareDispersion } from '../tests/request-share.ts'
import { isByFewUsers } from './few-users.ts'
import { activeShare, fellSilent, silentCrowd } from './reporting.ts'
import { findCulprit, logSampleRatio, sampleRatioNeeded } from './sample-ratio.ts'
import { findIncident, incidentSentence } from './shared-incident.ts'

export interface Checked {
  readonly sampleRatio: Judgement['sampleRatio']
  /** What failed, most important first. */
  readonly findings: readonly CheckFinding[]
}

/** Canary outcomes that must be missing before a canary counts as silent. */
const silentExpected = 30
/** Share of the instances whose local breaker has to be open, once two are (or the only one is). */
const breakerShare = 0.5
/** Units that come in both arms: more than so many, and than this share of all, are no accident of single users. */
const crossed = { units: 10, share: 0.005 } as const
/** Time buckets without any outcome after which evidence is stale, and as many times what is usual between two with some. */
const stale = { ticks: 12, gaps: 10 } as const
/** Partial loss: at least this much of the canary's requests has to be missing. */
const missingRatio = 0.9
const crowd = 100

interface Look {
  readonly input: JudgeInput
  readonly memory: Memory
  readonly stage: Stage
  readonly comparing: boolean
}

/** Whether the evidence can be trusted, and whether there is any: before anything is compared (STATISTICS 3.6, 6, 8). */
export function checkEvidence(input: JudgeInput, memory: Memory): Checked {
  const { weight, index } = input.stage
  const look = {
    ...{ input, memory, stage: input.definition.stages[index] as Stage },
    comparing: weight > 0 && weight < 100,
  }
  const sampleRatio = checkSampleRatio(look)
  const found = [
    tripped(look),
    localBreakers(look),
    mismatch(look, sampleRatio),
    missingReports(look),
    bothArms(look),
    sharedIncident(look),
    noData(look),
    staleEvidence(look),
    tooFewUnits(look),
  ]
  return { sampleRatio, findings: found.filter((finding) => finding !== undefined) }
}

/** A check that a person has told to be ignored for now only tells. */
function finding({ input }: Look, check: CheckName, code: CheckFinding['code'], sentence: string): CheckFinding {
  const action = input.dismissed.includes(check) ? 'alert' : input.definition.checks[check]
  return { check, code, action, sentence }
}

/** A lack of evidence keeps the stage waiting; a stricter policy acts when the stage has had its time. */
function lack(look: Look, check: CheckName, code: CheckFinding['code'], sentence: string): CheckFinding {
  const found = finding(look, check, code, sentence)
  const isOver = look.input.stage.elapsedMs >= look.stage.holdMs
  return isOver || found.action === 'alert' ? found : { ...found, action: 'hold' }
}

function checkSampleRatio({ input, memory, comparing }: Look): Judgement['sampleRatio'] {
  const needed = sampleRatioNeeded(memory.planned)
  const { canary, stable } = memory.units
  if (!comparing || canary + stable === 0) return { logEvidence: 0, needed, mismatch: false }
  const share = input.stage.weight / 100
  const logEvidence = logSampleRatio([canary, stable], [share, 1 - share])
  return { logEvidence, needed, mismatch: logEvidence >= needed }
}

function tripped({ memory, stage, input, comparing }: Look): CheckFinding | undefined {
  const trip = memory.tripped
  if (trip === undefined) return undefined
  // One user's storm of retries is no outage; harm of few users is for statistics to tell.
  if (comparing && isByFewUsers(input.buckets, memory.epoch, trip.failed)) return undefined
  return {
    code: 'circuit-breaker',
    action: 'revert',
    sentence: `${percent(trip.failed / trip.n)} of ${whole(trip.n)} canary requests failed within one time bucket of stage ${stage.name}${trip.compared ? ' while stable was well' : ''}: taken back at once, without waiting for statistics.`,
  }
}

function localBreakers({ input: { breakers } }: Look): CheckFinding | undefined {
  const { open, instances } = breakers
  const enough = instances === 1 ? 1 : 2
  if (open < enough || open < breakerShare * instances) return undefined
  return {
    code: 'local-breakers',
    action: 'revert',
    sentence: `${whole(open)} of ${whole(instances)} instances have stopped serving the canary by themselves, because it fails far more than stable there.`,
  }
}

function mismatch(look: Look, sampleRatio: Judgement['sampleRatio']): CheckFinding | undefined {
  if (!sampleRatio.mismatch) return undefined
  const { input, memory } = look
  const { units } = memory
  const { weight } = input.stage
  const share = units.canary / (units.canary + units.stable)
  const missing =
    share * 100 < weight ? ' Canary users are missing: does it crash before it reports, or is telemetry lost?' : ''
  const where = culpritText(look, sampleRatio.needed)
  return finding(
    look,
    'sampleRatio',
    'sample-ratio',
    `${percent(share)} of ${whole(units.canary + units.stable)} users reached the canary instead of ${weight} % (evidence ${oddsText(sampleRatio.logEvidence)}); no comparison can be trusted until that is explained.${where}${missing}`,
  )
}

function culpritText({ input, memory }: Look, needed: number): string {
  const culprit = findCulprit(input.exposedBy ?? {}, memory.units, input.stage.weight / 100, needed)
  if (culprit === undefined) return ''
  const { attribute, value, canary, units, expected } = culprit
  return ` It comes from ${attribute} ${value}: ${whole(canary)} of its ${whole(units)} users are on the canary instead of about ${whole(expected)}; the others are as planned.`
}

/** Stable's outcomes come in and the canary's do not: not from the start, not any more, or only a part of them. */
function missingReports(look: Look): CheckFinding | undefined {
  const { input, memory, comparing } = look
  const { units, outcomes, reporting } = memory
  if (!comparing) return undefined
  const silence = (sentence: string): CheckFinding => finding(look, 'missingReports', 'canary-silent', sentence)
  const active = activeShare(presentBuckets(look), units.stable)
  if (fellSilent(reporting, units.canary, active)) {
    const { ticks, outcomes: heard } = reporting.silence
    return silence(
      `the canary has stopped reporting: nothing came from it for ${span(ticks * input.definition.analysis.tickMs)}, while stable reported ${whole(heard)} requests. No data does not count as good data.`,
    )
  }
  if (outcomes.canary === 0 && units.stable > 0) {
    const expected = (outcomes.stable * units.canary) / units.stable
    if (expected < silentExpected) return undefined
    // How many are active cannot be told of more users than buckets tell apart: then the requests themselves have to say it.
    const isSilent = units.canary * active >= silentCrowd || lostReports(look) !== undefined
    if (!isSilent) return undefined
    return silence(
      `${whole(units.canary)} users are on the canary and none of their requests was reported, where about ${whole(expected)} were due: no data does not count as good data.`,
    )
  }
  return partlyMissing(look)
}

/** The user buckets of the stage under way. */
function presentBuckets({ input, memory }: Look): EpochBuckets | undefined {
  const last = input.buckets.at(-1)
  return last?.epoch === memory.epoch ? last : undefined
}

/** The canary's users make fewer requests than stable's, or fewer of theirs are reported. */
function partlyMissing(look: Look): CheckFinding | undefined {
  const lost = lostReports(look)
  if (lost === undefined) return undefined
  return finding(
    look,
    'missingReports',
    'missing-reports',
    `only ${percent(lost.ratio)} of the requests that the canary's users were due have been reported (evidence ${oddsText(lost.log)}): either it loses reports, which are likely its failures, or people use it less.`,
  )
}

/** What part of the requests that were due has come, and the log evidence that some are missing, where that is enough. */
function lostReports(look: Look): { readonly ratio: number; readonly log: number } | undefined {
  const { input, memory } = look
  const share = { ...memory.outcomes, weight: input.stage.weight / 100 }
  const ratio = requestRatio(share)
  if (ratio === undefined || ratio >= missingRatio) return undefined
  const buckets = presentBuckets(look)
  // A few users may all be idle at once, and without their buckets nothing says how unequal they are.
  if (buckets === undefined || memory.units.canary < crowd) return undefined
  const log = fewerRequests(share, shareDispersion(buckets))
  return log < sampleRatioNeeded(memory.planned) ? undefined : { ratio, log }
}

function bothArms(look: Look): CheckFinding | undefined {
  const { units, conflicts } = look.memory
  const all = units.canary + units.stable
  if (!look.comparing || conflicts < crossed.units || conflicts < crossed.share * all) return undefined
  return finding(
    look,
    'bothArms',
    'both-arms',
    `${whole(conflicts)} of ${whole(all)} users have been served by both arms in stage ${look.stage.name}: the arms are not different people any more; look for instances that decide by another ruleset, salt or id.`,
  )
}

function sharedIncident(look: Look): CheckFinding | undefined {
  const { definition } = look.input
  const incident = look.comparing ? findIncident(definition, look.memory) : undefined
  if (incident === undefined) return undefined
  const sentence = incidentSentence(incident, definition.analysis.tickMs)
  return finding(look, 'sharedIncident', 'shared-incident', sentence)
}

function noData(look: Look): CheckFinding | undefined {
  const { memory, stage, comparing, input } = look
  const { outcomes, units, forced } = memory
  const code = 'no-data'
  if (comparing) {
    const silent = outcomes.canary === 0 ? 'the canary' : 'stable'
    const heard = Math.max(outcomes.canary, outcomes.stable)
    if (heard > 0) {
      // One arm alone is nothing to compare, and a guard that cannot be shown must not let it pass.
      if (outcomes.canary > 0 && outcomes.stable > 0) return undefined
      const sentence = `no request of ${silent} has been reported in stage ${stage.name} yet, and ${whole(heard)} of the other arm; no data never counts as good data.`
      return lack(look, 'noData', code, sentence)
    }
    if (units.canary + units.stable > 0) return undefined
    const sentence = `no SDK has reported anything in stage ${stage.name} yet; no data never counts as good data.`
    return lack(look, 'noData', code, sentence)
  }
  if (input.stage.weight > 0 || stage.minUnits === 0 || forced.exposed < stage.minUnits || forced.n > 0)
    return undefined
  const people = `${whole(forced.exposed)} ${forced.exposed === 1 ? 'user has' : 'users have'}`
  const sentence = `${people} come to the canary in stage ${stage.name}, and none of their requests was reported; no data never counts as good data.`
  return lack(look, 'noData', code, sentence)
}

/** There were outcomes in this stage, and there are none any more: of no arm. */
function staleEvidence(look: Look): CheckFinding | undefined {
  const { memory, input, stage } = look
  const { tickMs } = input.definition.analysis
  // Staff may use a canary of theirs once an hour.
  if (memory.lastHeard === undefined || !look.comparing) return undefined
  const silentMs = input.now - (memory.lastHeard + 1) * tickMs
  const usualGap = (memory.lastHeard - memory.epochStart + 1) / Math.max(1, memory.epochTicks)
  if (silentMs < Math.max(stale.ticks, stale.gaps * usualGap) * tickMs) return undefined
  const sentence = `no outcome of either arm has come for ${span(silentMs)} in stage ${stage.name}: what is known is old.`
  return lack(look, 'staleEvidence', 'stale-evidence', sentence)
}

function tooFewUnits(look: Look): CheckFinding | undefined {
  const { memory, stage, comparing, input } = look
  const { canary, stable } = memory.units
  const code = 'too-few-units'
  if (comparing) {
    if (Math.min(canary, stable) >= stage.minUnits) return undefined
    const sentence = `stage ${stage.name} needs ${whole(stage.minUnits)} users in each arm; there are ${whole(canary)} on the canary and ${whole(stable)} on stable.`
    return lack(look, 'tooFewUnits', code, sentence)
  }
  const seen = memory.forced.exposed
  if (input.stage.weight > 0 || seen >= stage.minUnits) return undefined
  const wanted = `${whole(stage.minUnits)} ${stage.minUnits === 1 ? 'user' : 'users'}`
  const sentence = `stage ${stage.name} needs ${wanted} of its cohorts on the canary; ${seen === 0 ? 'nobody has come' : `${whole(seen)} came`} yet.`
  return lack(look, 'tooFewUnits', code, sentence)
}
