export { type DecisionEvidence, decodeEvidence, encodeEvidence } from './evidence-codec.ts'
export { type ExportedDecision, readExported } from './exported.ts'
export { type Replay, replayDecision } from './replay-decision.ts'
