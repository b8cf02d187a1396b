import type { Judgement, Tick } from '../analysis/index.ts'
import { decodeEvidence } from './evidence-codec.ts'
import type { StoredDecision } from './replay-decision.ts'

/** A decision as a file that can be replayed anywhere, without a server. */
export interface ExportedDecision {
  readonly format: 'pipit-decision-1'
  readonly rollout: string
  readonly id: string
  readonly at: number
  readonly summary: string
  readonly judgement: Judgement
  /** Base64 of the encoded evidence. */
  readonly evidence: string
  readonly ticks: readonly Tick[]
}

/** The decision of a file's content, or what is wrong with it. */
export function readExported(
  content: unknown,
):
  | { readonly ok: true; readonly decision: StoredDecision; readonly from: ExportedDecision }
  | { readonly ok: false; readonly message: string } {
  const from = content as Partial<ExportedDecision> | null
  if (typeof from !== 'object' || from === null || from.format !== 'pipit-decision-1') {
    return { ok: false, message: 'is no exported decision; make one with `pipit replay <rollout> --export <file>`' }
  }
  const evidence = typeof from.evidence === 'string' ? decodeEvidence(Buffer.from(from.evidence, 'base64')) : undefined
  if (evidence === undefined || from.judgement === undefined || !Array.isArray(from.ticks)) {
    return { ok: false, message: 'is damaged: its evidence cannot be read' }
  }
  const decision = { judgement: from.judgement, input: evidence.input, ticks: from.ticks }
  return { ok: true, decision, from: from as ExportedDecision }
}
