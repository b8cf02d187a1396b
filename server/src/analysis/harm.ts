import type { RolloutDefinition } from '../rollout/definition.ts'
import { logSumExp } from './e-value.ts'
import type { JudgedMetric } from './judge-metric.ts'
import type { Verdict, VerdictReason } from './judgement.ts'
import { harmSentence, limitSentence, sliceSentence } from './sentences.ts'

/** A guard that only alerts, and has reason to. */
export function isAlerting({ planned, found, proven }: JudgedMetric, definition: RolloutDefinition): boolean {
  if (planned.guard?.action !== 'alert' || found.guard?.dismissed === true) return false
  return proven && found.logHarm >= logNeeded(definition)
}

/** Evidence at which harm is acted on: log 1/α. */
const logNeeded = (definition: RolloutDefinition): number => Math.log(1 / definition.analysis.alpha)

export interface Combined {
  readonly log: number
  readonly needed: number
}

/** log Σ wᵢMᵢ over the guards that act (STATISTICS 3.6): one error budget for the whole rollout. */
export function combine(judged: readonly JudgedMetric[], definition: RolloutDefinition): Combined {
  const acting = judged.filter(isActing)
  const log =
    acting.length === 0 ? 0 : logSumExp(acting.map(({ planned, found }) => Math.log(planned.weight) + found.logHarm))
  return { log, needed: logNeeded(definition) }
}

/** Has a part of the error budget and may spend it: not dismissed, and not beyond a limit that stable is beyond as well. */
const isActing = ({ planned, found, cause }: JudgedMetric): boolean =>
  planned.weight > 0 && found.guard?.dismissed !== true && !(cause === 'limit' && found.limit?.isShared === true)

export function harmVerdict(
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
  const sentence = sentenceOf(worst, log, definition)
  const reasons = ranked
    .filter(({ share }) => share >= 0)
    .map(
      ({ planned, found, cause }): VerdictReason => ({
        code: codes[cause],
        metric: planned.key,
        sentence: found.sentence,
      }),
    )
  return { label: worst.planned.guard?.action === 'pause' ? 'pause' : 'revert', sentence, reasons }
}

const codes = { harm: 'harm', limit: 'limit', slice: 'slice-harm' } as const

function sentenceOf({ planned, found, cause }: JudgedMetric, log: number, definition: RolloutDefinition): string {
  const [slice] = found.slices ?? []
  if (cause === 'limit' && found.limit !== undefined) return limitSentence(planned, found.limit, log, definition)
  if (cause === 'slice' && slice !== undefined) return sliceSentence(planned, slice, log, definition)
  return harmSentence(planned, found, log, definition)
}
