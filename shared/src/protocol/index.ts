export type {
  Ack,
  Applied,
  BreakerState,
  Cadence,
  DroppedCounts,
  EventItem,
  ExposureCell,
  Hello,
  OutcomeCell,
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
export { closeCodes, protocolVersion, wireErrorCodes, wireLimits } from './messages.ts'
export { encodeMessage, type Parsed, parseSdkMessage, parseServerMessage } from './parse.ts'
export { applyPatch, diffRulesets } from './patch.ts'
