export { type CompiledRollout, type CompiledRuleset, compileRuleset } from './compile.ts'
export { decide } from './decide.ts'
export type { DecideContext, Decision, HeadersLike, Reason, User } from './decision.ts'
export { reasons } from './decision.ts'
