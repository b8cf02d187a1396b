export type {
  Ack,
  Applied,
  BreakerState,
  Cadence,
  CohortPatch,
  DroppedCounts,
  EventItem,
  ExposureCell,
  Hello,
  OutcomeCell,
  OutcomeKind,
  PagePatchMessage,
  PageRulesetMessage,
  PatchMessage,
  Ping,
  Pong,
  Report,
  RolloutPatch,
  RulesetMessage,
  SdkMessage,
  ServerMessage,
  WireError,
  WireErrorCode,
} from './messages.ts'
export { closeCodes, outcomeKinds, protocolVersion, wireErrorCodes, wireLimits } from './messages.ts'
export { type PageResult, type PageRollout, type PageRuleset, type PageUser, pageUnit } from './page.ts'
export { encodeMessage, type Parsed, parseSdkMessage, parseServerMessage } from './parse.ts'
export { applyPatch, diffRulesets } from './patch.ts'
