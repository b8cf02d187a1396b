export type { DecideContext, Decision, HeadersLike, Reason, User } from './decision.ts'
export { reasons } from './decision.ts'
