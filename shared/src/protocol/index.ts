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
export type {
  PageDecision,
  PageEvent,
  PageOutcome,
  PagePost,
  PageReport,
  PageResult,
  PageRollout,
  PageRuleset,
  PageUser,
} from './page.ts'
export { encodeMessage, type Parsed, parseSdkMessage, parseServerMessage } from './parse.ts'
export type { PageOutcomes, PastPageEvent } from './parse-page-items.ts'
export {
  type PagePostEnvelope,
  parsePagePost,
  type ReadPagePost,
  type ReadPageReport,
  type UnpackedPageReport,
} from './parse-page-post.ts'
export { applyPatch, changesRolloutsOnly, diffRulesets, patchedRollouts } from './patch.ts'
