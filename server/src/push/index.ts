export type { Convergence, Hub, InstanceView } from './api.ts'
export { attachHub } from './attach.ts'
export { instanceFault, reportResponse, rulesetResponse, type SdkRequest } from './http-fallback.ts'
export { type Authenticate, createHub, type HubLimits, type HubParts, type PushHub } from './hub.ts'
