export { type CompiledRollout, type CompiledRuleset, compileRuleset, recompile } from './compile.ts'
export { decide, decisionOf, sliceOf } from './decide.ts'
export { decideAll } from './decide-all.ts'
export type { DecideContext, Decision, HeadersLike, Reason, User } from './decision.ts'
export { reasons } from './decision.ts'
export type { DecideEnvironment, UserAgent } from './environment.ts'
export { explain } from './explain.ts'
export {
  type PageChoices,
  type PageTemplate,
  pageChoices,
  pageRollout,
  pageTemplate,
  projectPage,
  splitVariant,
} from './page.ts'
export { newResolution, type Resolution, resolve } from './resolve.ts'
export type { ExplainedDecision, TraceStep } from './trace.ts'
export { anonymousOf, idOf, unitAt, unitOf } from './unit.ts'
export { createUserAgentReader, type UserAgentLibraries } from './user-agent-reader.ts'
